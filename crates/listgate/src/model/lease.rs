//! Leases: how a consumer holds an entry, and how it settles it.

use super::entry::{Entry, EntryId, Id};
use crate::limits;
use std::time::Duration;

/// A consumer's hold on an entry for a limited time. If it is dropped without being settled, it lapses.
#[derive(Debug)]
pub struct Lease {
    /// The entry as it was leased; this lease is its last attempt.
    pub entry: Entry,
    /// The number of this lease among all leases of this entry.
    pub(crate) fence: i64,
}

impl Lease {
    /// Returns the id by which a backend knows it.
    pub(crate) fn id(&self) -> LeaseId {
        let Id::Entry(entry) = self.entry.id else { unreachable!("entries of files are not leased") };
        LeaseId { entry, fence: self.fence }
    }

    /// Returns how long to defer the entry after this attempt: ten seconds after the first, then twice as long each
    /// time, up to an hour.
    #[must_use]
    pub fn back_off(&self) -> Duration {
        let (first, most) = limits::BACK_OFF;
        let doublings = self.entry.attempts.saturating_sub(1).min(16);
        (first * (1 << doublings)).min(most)
    }
}

/// The id of a lease, as a backend knows it. The backend checks the fence, not a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaseId {
    pub(crate) entry: EntryId,
    pub(crate) fence: i64,
}

/// The way in which an entry is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was handled: the entry is removed, and so is its message unless something else refers to it.
    Done,
    /// It is retried after a pause, such as [`Lease::back_off`].
    Retry {
        /// How long the pause is.
        after: Duration,
        /// The reason shown to operators; the first 2,048 octets are kept.
        why: String,
    },
    /// It cannot be handled: it is kept until an operator has it retried or removes it.
    Shunt {
        /// The reason shown to operators; the first 2,048 octets are kept.
        why: String,
    },
    /// The consumer did not start on it: it waits as if it had not been leased.
    Release,
}

/// The error for a lease that has lapsed, or whose entry an operator removed. Nothing was changed. If it lapsed,
/// another consumer has the entry or will get it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the lease has lapsed, or its entry was removed")]
pub struct Stale;
