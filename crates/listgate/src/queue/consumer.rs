//! The half of a queue that consumers see.

use super::{Entry, Name, StoreError, Stored};
use crate::homes::sqlite::DataDir;
use crate::homes::sqlite::leases::Leases;
use crate::limits;
use std::path::Path;
use std::time::Duration;

/// One queue of a data directory, opened by a consumer. Any number of them, in any number of processes,
/// share its entries.
pub struct Queue {
    leases: Leases,
}

impl Queue {
    /// Opens the queue `name` of the data directory `data`.
    ///
    /// # Errors
    /// There is no data there, or it cannot be used.
    pub fn open(data: &Path, name: Name) -> Result<Self, Error> {
        let leases = Leases::open(&DataDir::new(data), name);
        Ok(Self { leases: leases.map_err(|why| Error::Open(why.into()))? })
    }

    /// From now on, leases one entry of a list at a time, in the order of arrival: a list whose entry is
    /// leased or put off is passed over, whoever leased it. It holds as long as all consumers of the
    /// queue do so.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.leases.ordered = true;
        self
    }

    /// Leases up to `max` entries for the time `hold`; what is settled or extended by then is nobody
    /// else's. None when nothing waits. The lists take turns, so that one with much mail does not
    /// keep the others waiting. More than 64 are not leased at once.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn lease(&mut self, max: usize, hold: Duration) -> Result<Vec<Lease>, Error> {
        self.leases.lease(max.min(limits::LEASED_AT_ONCE), hold).map_err(Error::unavailable)
    }

    /// The message of an entry, to be read. A large one is read from its file.
    ///
    /// # Errors
    /// The entry was removed by an operator, or its message cannot be read.
    pub fn message(&self, lease: &Lease) -> Result<Stored, Error> {
        let found = self.leases.message(lease).map_err(Error::unavailable)?;
        found.ok_or_else(|| Error::Removed(lease.entry.id.to_string()))
    }

    /// Lets leases last for the time `hold` from now; one result for each.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn extend(&mut self, leases: &[&Lease], hold: Duration) -> Result<Vec<Result<(), Stale>>, Error> {
        self.leases.extend(leases, hold).map_err(Error::unavailable)
    }

    /// Settles entries, each by its verdict; one result for each. On an error, some of them may be
    /// settled: who settles them again is told that these are stale.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn settle(&mut self, done: &[(Lease, Verdict)]) -> Result<Vec<Result<(), Stale>>, Error> {
        self.leases.settle(done).map_err(Error::unavailable)
    }
}

/// A consumer's timed hold on an entry. Dropped without being settled, it lapses.
#[derive(Debug)]
pub struct Lease {
    /// The entry as it was leased; this lease is its last attempt.
    pub entry: Entry,
    /// Of all leases of this entry, which one this is.
    pub(crate) fence: i64,
}

impl Lease {
    /// How long to put the entry off after this attempt: ten seconds after the first, then twice as
    /// long each time, an hour at most.
    #[must_use]
    pub fn back_off(&self) -> Duration {
        let (first, most) = limits::BACK_OFF;
        let doublings = self.entry.attempts.saturating_sub(1).min(16);
        (first * (1 << doublings)).min(most)
    }
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
        /// Told to operators; 2,048 octets are kept.
        why: String,
    },
    /// It cannot be handled: it is kept until an operator has it retried or removes it.
    Shunt {
        /// Told to operators; 2,048 octets are kept.
        why: String,
    },
    /// It was not begun: it waits as if it had not been leased.
    Release,
}

/// The lease has lapsed, or an operator removed the entry. Nothing was changed; if it lapsed, another
/// consumer has the entry or will.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the lease has lapsed, or its entry was removed")]
pub struct Stale;

/// Why a queue cannot be worked now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be used; the text names it and the mend.
    #[error(transparent)]
    Open(Box<dyn std::error::Error + Send + Sync>),
    /// The database or a file cannot be read or written; another time may do.
    #[error(transparent)]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The disk failed to sync, so that nobody knows what it holds, or the data directory was replaced: this queue
    /// answers nothing more.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// An operator removed the entry.
    #[error("the entry {0} was removed")]
    Removed(String),
}

impl Error {
    fn unavailable(why: StoreError) -> Self {
        match why {
            why if why.is_final() || why.is_closed() => Self::Failed(why.into()),
            why => Self::Unavailable(why.into()),
        }
    }
}
