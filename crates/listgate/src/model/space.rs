//! Space for mail.

use crate::limits;

/// The space that is available for mail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Octets that are free on the file system.
    pub(crate) free: u64,
    /// Octets that are free within the database, where only small messages go.
    pub(crate) unused: u64,
    /// Octets that the database's log may grow by; the maximum if the database has none, or if it was not checked.
    pub(crate) log: u64,
    /// Free inodes of the file system, if it has a fixed number of them.
    pub(crate) inodes: Option<u64>,
}

impl Space {
    /// Returns the smaller of each value, for mail that needs room on two file systems.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            free: self.free.min(other.free),
            unused: self.unused.min(other.unused),
            log: self.log.min(other.log),
            inodes: [self.inodes, other.inodes].into_iter().flatten().min(),
        }
    }

    /// Returns the octets available for all mail together. Large messages can use only `free`.
    pub(crate) fn octets(self) -> u64 {
        self.free.saturating_add(self.unused)
    }

    /// Returns the octets available for a message of `size` octets.
    pub(crate) fn for_message(self, size: u64) -> u64 {
        if size > limits::BODY_IN_MEMORY as u64 { self.free } else { self.octets() }
    }

    /// Returns whether the log has room for any message that is stored in a row, and then for consumers to settle
    /// entries.
    pub(crate) fn has_log_room(self) -> bool {
        let rows = limits::MESSAGE_PAGES + limits::BODY_IN_MEMORY as u64;
        self.log >= log_wanted(rows, self.unused)
    }
}

/// Returns how many octets of room the log must have before `rows` octets of rows are stored: for the rows, for the
/// growth of the database if its `unused` octets are not enough, and for consumers to settle entries.
pub(crate) fn log_wanted(rows: u64, unused: u64) -> u64 {
    let logged = limits::COMMIT_PAGES + rows;
    let growth = match logged.saturating_sub(unused) {
        0 => 0,
        grows => grows + limits::GROWTH_MARGIN,
    };
    limits::SETTLING_RESERVE + logged + growth
}
