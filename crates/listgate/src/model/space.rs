//! Room for mail.

use crate::limits;

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
