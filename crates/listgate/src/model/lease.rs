//! Leases: how a consumer holds an entry, and what becomes of it.

use super::entry::{Entry, EntryId, Id};
use crate::limits;
use std::time::Duration;

/// A consumer's timed hold on an entry. Dropped without being settled, it lapses.
#[derive(Debug)]
pub struct Lease {
    /// The entry as it was leased; this lease is its last attempt.
    pub entry: Entry,
    /// Of all leases of this entry, which one this is.
    pub(crate) fence: i64,
}

impl Lease {
    /// What a backend knows it by.
    pub(crate) fn id(&self) -> LeaseId {
        let Id::Entry(entry) = self.entry.id else { unreachable!("entries of files are not leased") };
        LeaseId { entry, fence: self.fence }
    }

    /// How long to put the entry off after this attempt: ten seconds after the first, then twice as
    /// long each time, an hour at most.
    #[must_use]
    pub fn back_off(&self) -> Duration {
        let (first, most) = limits::BACK_OFF;
        let doublings = self.entry.attempts.saturating_sub(1).min(16);
        (first * (1 << doublings)).min(most)
    }
}

/// The lease of an entry, as a backend knows it: the fence is checked, and no clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaseId {
    pub(crate) entry: EntryId,
    pub(crate) fence: i64,
}

/// What becomes of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was handled: it is removed, and its message with its last entry.
    Done,
    /// It is tried again after a pause, such as [`Lease::back_off`].
    Retry {
        /// The pause.
        after: Duration,
        /// Shown to operators; the first 2,048 octets are kept.
        why: String,
    },
    /// It cannot be handled: it is kept until an operator has it retried or removes it.
    Shunt {
        /// Shown to operators; the first 2,048 octets are kept.
        why: String,
    },
    /// The consumer did not start it: it waits as if it had not been leased.
    Release,
}

/// The lease has lapsed, or an operator removed the entry. Nothing was changed; if it lapsed, another
/// consumer has the entry or will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the lease has lapsed, or its entry was removed")]
pub struct Stale;
