//! Room for mail.

use crate::limits;

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Octets that are free on the file system.
    pub(crate) free: u64,
    /// Octets that are free within the database, where only small messages go.
    pub(crate) unused: u64,
    /// Octets that the database's log may grow by; all there are where no log is kept, or it was not looked at.
    pub(crate) log: u64,
    /// Of the file system, where it has a fixed number.
    pub(crate) inodes: Option<u64>,
}

impl Space {
    /// What two file systems have, where mail needs room on both.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            free: self.free.min(other.free),
            unused: self.unused.min(other.unused),
            log: self.log.min(other.log),
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

    /// Whether the log has room for any message that goes into a row, and then for consumers to finish.
    pub(crate) fn has_log_room(self) -> bool {
        let rows = limits::MESSAGE_PAGES + limits::BODY_IN_MEMORY as u64;
        self.log >= log_wanted(rows, self.unused)
    }
}

/// Octets that the log has to have room for before so many octets of rows are stored: for them, for the growth of the
/// database where its `unused` octets are not enough, and for consumers to finish.
pub(crate) fn log_wanted(rows: u64, unused: u64) -> u64 {
    let logged = limits::COMMIT_PAGES + rows;
    let growth = match logged.saturating_sub(unused) {
        0 => 0,
        grows => grows + limits::GROWTH_MARGIN,
    };
    limits::SETTLING_RESERVE + logged + growth
}
