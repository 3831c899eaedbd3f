//! What a file system has for mail.

use crate::limits;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Octets that are free on the file system.
    pub(crate) free: u64,
    /// Octets that are free within the database, where only small messages go.
    pub(crate) unused: u64,
    /// Of the file system, where it has a fixed number.
    pub(crate) inodes: Option<u64>,
}

impl Space {
    /// Of the file system at `path`, and a database with so many octets `unused`.
    pub(crate) fn at(path: &Path, unused: u64) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            unused,
            // Some file systems make inodes as they need them, and have none to count.
            inodes: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }

    /// What two file systems have, where mail needs room on both.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            free: self.free.min(other.free),
            unused: self.unused.min(other.unused),
            inodes: [self.inodes, other.inodes].into_iter().flatten().min(),
        }
    }

    /// Octets for all mail together, of which the large can only have what is `free`.
    pub(crate) fn octets(self) -> u64 {
        self.free.saturating_add(self.unused)
    }

    /// Octets that a message of this many octets could have.
    pub(crate) fn for_message(self, size: u64) -> u64 {
        if size > limits::BODY_IN_MEMORY as u64 { self.free } else { self.octets() }
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
