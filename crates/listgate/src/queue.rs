//! The queues, for programs that process them: a consumer leases entries, reads their messages, and settles each
//! entry.
//!
//! [`Queue`] opens one queue of a data directory, with or without a running gate. Everything here blocks; each call
//! is one short transaction. An asynchronous program should make the calls on a separate thread.
//!
//! ```
//! use listgate::queue::{Name, Queue, Verdict};
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir()?;
//! # listgate::Gate::start(listgate::Config {
//! #     listen: vec!["127.0.0.1:0".parse()?], ..listgate::Config::new(dir.path()) })?.stop()?;
//! let mut queue = Queue::open(dir.path(), Name::Command)?;
//! for lease in queue.lease(10, Duration::from_secs(60))? {
//!     let message = std::io::read_to_string(queue.message(&lease)?)?;
//!     println!("{} has {} octets for {}", lease.entry.id, message.len(), lease.entry.list_id);
//!     queue.settle(&[(lease, Verdict::Done)])?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An entry is handled at least once: a lease that is not settled in time expires, and a power loss may undo a
//! settle. A settle that comes too late returns [`Stale`].

use crate::backends::sqlite::{Consumer, DataDir};
use crate::backends::{Answer, LeaseRequest, LeaseStore, Leased};
use crate::limits;
pub use crate::model::{
    Clock, Entry, EntryId, Id, IdError, Lease, Msgdata, Name, NameError, Stale, State, Verdict,
};
use crate::model::{LeaseId, MessageId, NotStepped, Step, StoreError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One queue, opened by a consumer. Any number of consumers, in any number of processes, share its entries.
pub struct Queue {
    store: Arc<dyn LeaseStore>,
    name: Name,
    ordered: bool,
    /// The list that had the last turn.
    turn: String,
}

impl Queue {
    /// Opens the queue `name` of the data directory `data`, with or without a gate that serves it.
    ///
    /// # Errors
    /// The directory has no data, or data that cannot be used.
    pub fn open(data: &Path, name: Name) -> Result<Self, Error> {
        Self::open_with_clock(data, name, Clock::default())
    }

    /// Opens a queue with a clock other than the system's, for tests. All programs that use the queue should use
    /// the same clock.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_clock(data: &Path, name: Name, clock: Clock) -> Result<Self, Error> {
        let consumer = Consumer::open(&DataDir::new(data), clock).map_err(|why| Error::Open(why.into()))?;
        Ok(Self::of(Arc::new(consumer), name))
    }

    pub(crate) fn of(store: Arc<dyn LeaseStore>, name: Name) -> Self {
        Self { store, name, ordered: false, turn: String::new() }
    }

    /// Makes the queue lease one entry of a list at a time, in the order of arrival: a list whose entry is leased
    /// or deferred is skipped. The order holds only if all consumers of the queue lease in order.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Leases up to `max` entries for the time `hold`. No other consumer gets an entry that is settled or extended
    /// within that time. Returns no leases if no entry waits. The lists take turns, so that one with much mail does
    /// not keep the others waiting. One call leases at most 64 entries.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn lease(&mut self, max: usize, hold: Duration) -> Result<Vec<Lease>, Error> {
        let (queue, ordered, turn) = (self.name, self.ordered, self.turn.clone());
        let request = LeaseRequest { queue, ordered, max, hold, turn };
        let Leased { leases, turn } = wait(self.store.lease(request))?;
        self.turn = turn;
        Ok(leases)
    }

    /// Returns the message of an entry, to be read from its beginning in pieces.
    ///
    /// # Errors
    /// The entry was removed by an operator, or its message cannot be read.
    pub fn message(&self, lease: &Lease) -> Result<Message<'_>, Error> {
        let mut message = Message { queue: self, lease: lease.id(), offset: 0, buffer: Vec::new(), at: 0 };
        message.read_on()?;
        Ok(message)
    }

    /// Extends leases to the time `hold` from now. Returns one result for each.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn extend(&mut self, leases: &[&Lease], hold: Duration) -> Result<Vec<Result<(), Stale>>, Error> {
        wait(self.store.extend(leases.iter().map(|lease| lease.id()).collect(), hold))
    }

    /// Settles entries, each by its verdict. Returns one result for each. On an error, some of them may be settled:
    /// settling those again returns [`Stale`].
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn settle(&mut self, done: &[(Lease, Verdict)]) -> Result<Vec<Result<(), Stale>>, Error> {
        let steps = done.iter().map(|(lease, verdict)| Step::settling(lease.id(), verdict.clone()));
        let settled = wait(self.store.step(steps.collect()))?;
        let each = settled.into_iter().map(|step| match step {
            Ok(_) => Ok(Ok(())),
            Err(NotStepped::Stale) => Ok(Err(Stale)),
            Err(NotStepped::Store(why)) => Err(Error::unavailable(why)),
            Err(NotStepped::Outdated) => unreachable!("it expects nothing but its lease"),
        });
        each.collect()
    }
}

/// Waits for the answer of a backend.
fn wait<T>(answer: Answer<'_, T>) -> Result<T, Error> {
    pollster::block_on(answer).map_err(Error::unavailable)
}

/// The reason a queue cannot be processed now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be used; the text and its sources name it and the fix.
    #[error(transparent)]
    Open(Box<dyn std::error::Error + Send + Sync>),
    /// The database or a file cannot be read or written; a retry may succeed.
    #[error(transparent)]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The disk failed to sync, so that its contents are unknown, or the data directory was replaced. This queue
    /// returns no more answers.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// An operator removed the entry.
    #[error("the entry {0} was removed")]
    Removed(String),
}

impl Error {
    pub(crate) fn unavailable(why: StoreError) -> Self {
        match why {
            why if why.is_final() || why.is_closed() => Self::Failed(why.into()),
            why => Self::Unavailable(why.into()),
        }
    }
}

/// A stored message. It can be read as long as its entry exists.
pub struct Message<'q> {
    queue: &'q Queue,
    lease: LeaseId,
    /// The number of octets read from the store so far.
    offset: u64,
    /// The octets last read from the store.
    buffer: Vec<u8>,
    /// How many octets of the buffer were returned to the reader.
    at: usize,
}

impl Message<'_> {
    /// Reads the next octets from the store; none at the end.
    fn read_on(&mut self) -> Result<(), Error> {
        let message = MessageId(self.lease.entry.delivery);
        let read = wait(self.queue.store.read(message, self.offset, limits::READ_AT_ONCE))?;
        let octets = read.ok_or_else(|| Error::Removed(self.lease.entry.to_string()))?;
        self.offset += octets.len() as u64;
        (self.buffer, self.at) = (octets, 0);
        Ok(())
    }
}

impl io::Read for Message<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() && !self.buffer.is_empty() {
            self.read_on().map_err(io::Error::other)?;
        }
        let octets = io::Read::read(&mut &self.buffer[self.at..], buffer)?;
        self.at += octets;
        Ok(octets)
    }
}
