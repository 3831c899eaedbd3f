//! What a file system has for mail.

use crate::limits;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Free on the file system, and free within files that a home grows into.
    pub(crate) octets: u64,
    /// Of the file system, where it has a fixed number.
    pub(crate) inodes: Option<u64>,
}

impl Space {
    /// Of the file system at `path`, and `unused` octets beside.
    pub(crate) fn at(path: &Path, unused: u64) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            octets: stat.f_bavail.saturating_mul(stat.f_frsize).saturating_add(unused),
            // Some file systems make inodes as they need them, and have none to count.
            inodes: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }

    /// What two file systems have, where mail needs room on both.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            octets: self.octets.min(other.octets),
            inodes: [self.inodes, other.inodes].into_iter().flatten().min(),
        }
    }
}

/// What was last seen; it may be [`limits::SPACE_AGE`] old.
#[derive(Default)]
pub(super) struct LastSpace(Mutex<Option<(Instant, Space)>>);

impl LastSpace {
    pub(super) fn or_look<E>(&self, look: impl FnOnce() -> Result<Space, E>) -> Result<Space, E> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, space)) = *last
            && at.elapsed() < limits::SPACE_AGE
        {
            return Ok(space);
        }
        let space = look()?;
        *last = Some((Instant::now(), space));
        Ok(space)
    }
}
