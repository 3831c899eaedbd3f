//! The space that a file system has for mail.

use crate::limits;
use crate::model::Space;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Returns the space of the file system at `path`, which has a database with `unused` free octets.
pub(crate) fn space_at(path: &Path, unused: u64) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Space {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        unused,
        log: u64::MAX,
        // Some file systems create inodes on demand and cannot count free ones.
        inodes: (stat.f_files > 0).then_some(stat.f_favail),
    })
}

/// The last known space. It may be [`limits::SPACE_AGE`] old if there is ample space.
#[derive(Default)]
pub(super) struct LastSpace(Mutex<Option<(Instant, Space)>>);

impl LastSpace {
    pub(super) fn or_look<E>(&self, look: impl FnOnce() -> Result<Space, E>) -> Result<Space, E> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, space)) = *last
            && at.elapsed() < limits::SPACE_AGE
            && space.free > limits::AMPLE_SPACE
        {
            return Ok(space);
        }
        let space = look()?;
        *last = Some((Instant::now(), space));
        Ok(space)
    }
}
