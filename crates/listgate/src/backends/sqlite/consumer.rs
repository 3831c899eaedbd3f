//! The data directory as a consumer uses it in a process other than the gate's.
//!
//! The consumer has its own connection, whose commits are not synced: the gate's next commit syncs them too, and
//! after a power loss before that, the entries are handled again. Each write is one short transaction under the
//! write lock, which the gate may have to wait for.

use super::connection::{be_patient_while, write};
use super::data_dir::{DataDir, DataError};
use super::errors::{failed, is_sync_failure};
use super::leasing::{self, Round};
use super::{queues, steps};
use crate::backends::answer::{Answer, at_once};
use crate::backends::held::HeldFiles;
use crate::backends::lease_store::{LeaseRequest, LeaseStore, Leased};
use crate::backends::stored_message::Messages;
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{Clock, LeaseId, MessageId, NotStepped, Stale, Step, Stepped, StoreError};
use rusqlite::Connection;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) struct Consumer {
    open: Mutex<Open>,
    clock: Clock,
    held: HeldFiles,
    spool: PathBuf,
    /// Whether a call may wait while another process holds the write lock.
    may_wait: Arc<AtomicBool>,
}

struct Open {
    connection: Connection,
    /// Pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicU32>,
    /// Whether a final error has occurred; SQLite is not used any more after one.
    failed: bool,
}

impl Consumer {
    pub(crate) fn open(data: &DataDir, clock: Clock) -> Result<Self, DataError> {
        let mut connection = data.open_to_consume()?;
        let may_wait = Arc::new(AtomicBool::new(true));
        be_patient_while(&mut connection, limits::COMMAND_LOCK_WAIT, Arc::clone(&may_wait))
            .map_err(DataError::database("configure"))?;
        let wal_pages = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            shared.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(DataError::database("watch the log"))?;
        let open = Mutex::new(Open { connection, wal_pages, failed: false });
        Ok(Self { open, clock, held: data.held(None)?, spool: data.spool(), may_wait })
    }

    /// Locks the open database. A transaction that a panic interrupted has been rolled back.
    fn opened(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease_some(&self, request: LeaseRequest) -> Result<Leased, StoreError> {
        let LeaseRequest { queue, ordered, max, hold, turn } = request;
        let max = max.min(limits::LEASED_AT_ONCE);
        let mut open = self.opened();
        // If the directory was replaced, new mail would never be seen here.
        self.held.check().inspect_err(|why| open.failed |= why.is_final())?;
        let now = self.clock.milliseconds();
        let waits = |connection: &Connection| leasing::has_something(connection, queue, now);
        if max == 0 || !open.query("look what waits", waits)? {
            return Ok(Leased { leases: Vec::new(), turn });
        }
        let mut round = Round::new(queue, ordered, &turn);
        let mut leases = Vec::new();
        while leases.is_empty() && !round.ended {
            (leases, round) = open.write("lease entries", |connection| {
                let mut round = round.clone();
                // The hold begins now: the time spent waiting for the lock does not count.
                let leases = leasing::lease(connection, &mut round, max, hold, self.clock.milliseconds())?;
                Ok((leases, round))
            })?;
        }
        Ok(Leased { leases, turn: round.at })
    }

    fn extend_all(&self, leases: &[LeaseId], hold: Duration) -> Result<Vec<Result<(), Stale>>, StoreError> {
        let mut all = Vec::new();
        let mut open = self.opened();
        for some in leases.chunks(limits::SETTLED_AT_ONCE) {
            all.extend(open.write("extend leases", |connection| {
                leasing::extend(connection, some, hold, self.clock.milliseconds())
            })?);
        }
        Ok(all)
    }

    fn take_all(&self, steps: &[Step]) -> Result<Vec<Result<Stepped, NotStepped>>, StoreError> {
        let mut all = Vec::new();
        let mut open = self.opened();
        for some in steps::chunks(steps) {
            all.extend(open.write("take steps", |connection| {
                let now = self.clock.milliseconds();
                some.iter()
                    .map(|step| steps::take(connection, step, now))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })?);
        }
        open.checkpoint()?;
        Ok(all)
    }
}

impl Open {
    /// Copies the log into the database when it is long, because it would grow with each commit if no gate runs.
    /// Only a failed sync is an error.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.wal_pages.load(Ordering::Relaxed) < limits::CONSUMER_CHECKPOINT_PAGES {
            return Ok(());
        }
        self.wal_pages.store(0, Ordering::Relaxed);
        let checkpoint =
            |connection: &Connection| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        match self.query("checkpoint", checkpoint) {
            Err(why) if !self.failed => {
                tracing::warn!("{}; it is tried again later", Chain(&why));
                Ok(())
            }
            done => done,
        }
    }

    fn query<T>(
        &mut self,
        operation: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::closed());
        }
        query(&self.connection).map_err(|source| {
            self.failed = is_sync_failure(&source);
            failed(operation)(source)
        })
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::closed());
        }
        let done: Result<T, StoreError> =
            write(&mut self.connection, operation, |connection| work(connection).map(Ok));
        done.inspect_err(|why| self.failed = why.is_final())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Closing would sync the log again, and that sync would report success.
        if self.failed
            && let Ok(other) = Connection::open_in_memory()
        {
            mem::forget(mem::replace(&mut self.connection, other));
        }
    }
}

impl Messages for Consumer {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        let open = self.opened();
        if open.failed {
            return at_once(Err(StoreError::closed()));
        }
        at_once(queues::read(&open.connection, &self.spool, message, offset, length))
    }
}

impl LeaseStore for Consumer {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        at_once(self.lease_some(request))
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        at_once(self.extend_all(&leases, hold))
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        at_once(self.take_all(&steps))
    }

    fn stop_waiting_for_locks(&self) {
        self.may_wait.store(false, Ordering::Relaxed);
    }
}
