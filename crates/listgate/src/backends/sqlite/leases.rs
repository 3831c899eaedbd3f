//! Leases of the embedded home's entries: what a consumer holds, and how it is settled.
//!
//! A consumer has a connection of its own, whose commits are not synced: the gate's next commit syncs
//! them with its own, and a power loss before that leaves entries to be handled again. Each write is one
//! short transaction under the lock that the gate waits for.

use super::connection::write;
use super::data_dir::{DataDir, HomeError};
use super::errors::{failed, is_sync_failure};
use super::queues::{self, COLUMNS, read_entry};
use crate::backends::held::HeldFiles;
use crate::limits;
use crate::model::{Clock, Due, EntryId, Id, Lease, Name, Stale, StoreError, Verdict};
use rusqlite::{Connection, OptionalExtension, params};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// One queue as a consumer has it open.
pub(crate) struct Leases {
    connection: Connection,
    clock: Clock,
    held: HeldFiles,
    spool: PathBuf,
    queue: Name,
    /// One entry of a list at a time, in order.
    pub(crate) ordered: bool,
    /// The list that had its turn last.
    turn: String,
    /// Pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicU32>,
    /// A sync has failed: nothing more is asked of SQLite.
    failed: bool,
}

impl Leases {
    pub(crate) fn open(data: &DataDir, queue: Name, clock: Clock) -> Result<Self, HomeError> {
        let mut connection = data.open_to_consume()?;
        let wal_pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            told.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection
            .wal_hook(Some(hook))
            .map_err(|source| HomeError::Database { operation: "watch the log", source })?;
        let (held, spool) = (data.held(None)?, data.spool());
        let turn = String::new();
        Ok(Self { connection, clock, held, spool, queue, ordered: false, turn, wal_pages, failed: false })
    }

    /// Leases up to `max` entries for the time `hold`.
    pub(crate) fn lease(&mut self, max: usize, hold: Duration) -> Result<Vec<Lease>, StoreError> {
        // What comes would never be seen by whoever has another database open.
        self.held.check().inspect_err(|why| self.failed |= why.is_final())?;
        let now = self.clock.milliseconds();
        if max == 0 || !self.ask("look what waits", |leases| leases.has_something(now))? {
            return Ok(Vec::new());
        }
        let mut round = Round::new(self.queue, self.ordered, &self.turn);
        let mut leased = Vec::new();
        while leased.is_empty() && !round.ended {
            leased = self.write("lease entries", |connection, clock| {
                // Of the time that it took to get the lock, nothing is missing.
                let until = Due::after(clock.milliseconds(), hold);
                wake(connection, round.queue, now)?;
                let found = round.entries(connection, max)?;
                found.into_iter().map(|id| take(connection, id, until)).collect::<rusqlite::Result<_>>()
            })?;
        }
        self.turn = round.at;
        Ok(leased)
    }

    /// Up to `length` octets of a message as stored, from `offset`; `None` when it was removed.
    pub(crate) fn read(
        &self,
        delivery: i64,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if self.failed {
            return Err(StoreError::closed());
        }
        queues::read(&self.connection, &self.spool, delivery, offset, length)
    }

    /// Lets leases last for the time `hold` from now.
    pub(crate) fn extend(
        &mut self,
        leases: &[&Lease],
        hold: Duration,
    ) -> Result<Vec<Result<(), Stale>>, StoreError> {
        let mut all = Vec::new();
        for some in leases.chunks(limits::SETTLED_AT_ONCE) {
            all.extend(self.write("extend leases", |connection, clock| {
                let Due { at, span } = Due::after(clock.milliseconds(), hold);
                let sql = "UPDATE entry SET available_at = ?4, span = ?5
                           WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3";
                let mut extend = connection.prepare_cached(sql)?;
                let each = some.iter().map(|lease| {
                    let id = entry_id(lease);
                    Ok(changed(extend.execute(params![id.delivery, id.n, lease.fence, at, span])?))
                });
                each.collect::<rusqlite::Result<Vec<_>>>()
            })?);
        }
        Ok(all)
    }

    /// Settles entries, each by its verdict.
    pub(crate) fn settle(&mut self, done: &[(Lease, Verdict)]) -> Result<Vec<Result<(), Stale>>, StoreError> {
        let mut all = Vec::new();
        for some in done.chunks(limits::SETTLED_AT_ONCE) {
            all.extend(self.write("settle entries", |connection, clock| {
                let now = clock.milliseconds();
                let each = some.iter().map(|(lease, verdict)| settle(connection, lease, verdict, now));
                each.collect::<rusqlite::Result<Vec<_>>>()
            })?);
        }
        self.checkpoint()?;
        Ok(all)
    }

    /// Whether anything waits, or would if it were looked at. It needs no lock, so that who is idle
    /// keeps nobody waiting.
    fn has_something(&self, now: i64) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM entry INDEXED BY entry_waiting WHERE queue = ?1 AND state = 'waiting'";
        if self.connection.prepare_cached(sql)?.exists([self.queue.as_str()])? {
            return Ok(true);
        }
        let due = [
            "SELECT 1 FROM entry INDEXED BY entry_away
             WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at <= ?2",
            "SELECT 1 FROM entry INDEXED BY entry_set_back
             WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at - span > ?2",
        ];
        for sql in due {
            if self.connection.prepare_cached(sql)?.exists(params![self.queue.as_str(), now])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where no gate does it, the log would grow with each commit. Only a failed sync is an error.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.wal_pages.load(Ordering::Relaxed) < limits::CONSUMER_CHECKPOINT_PAGES {
            return Ok(());
        }
        self.wal_pages.store(0, Ordering::Relaxed);
        let checkpoint =
            |leases: &Self| leases.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        match self.ask("checkpoint", checkpoint) {
            Err(why) if !self.failed => {
                tracing::warn!("{why}; it is tried again later");
                Ok(())
            }
            done => done,
        }
    }

    fn ask<T>(
        &mut self,
        operation: &'static str,
        question: impl FnOnce(&Self) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::closed());
        }
        question(self).map_err(|source| {
            self.failed = is_sync_failure(&source);
            failed(operation)(source)
        })
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Clock) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::closed());
        }
        let clock = &self.clock;
        let done: Result<T, StoreError> =
            write(&mut self.connection, operation, |connection| work(connection, clock).map(Ok));
        done.inspect_err(|why| self.failed = why.is_final())
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        // Closing would sync the log again, and be told that all is well.
        if self.failed
            && let Ok(other) = Connection::open_in_memory()
        {
            mem::forget(mem::replace(&mut self.connection, other));
        }
    }
}

fn entry_id(lease: &Lease) -> EntryId {
    match lease.entry.id {
        Id::Entry(id) => id,
        Id::File(_) => unreachable!("the embedded home leases its own entries"),
    }
}

fn changed(rows: usize) -> Result<(), Stale> {
    if rows == 0 { Err(Stale) } else { Ok(()) }
}

/// Lets wait what was put off until now, or whose lease has lapsed.
fn wake(connection: &Connection, queue: Name, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE entry
               SET reason = CASE state WHEN 'leased' THEN 'its lease lapsed' ELSE reason END, state = 'waiting'
               WHERE (delivery, n) IN (";
    let due = [
        "SELECT delivery, n FROM entry INDEXED BY entry_away
         WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at <= ?2
         ORDER BY available_at LIMIT ?3)",
        "SELECT delivery, n FROM entry INDEXED BY entry_set_back
         WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at - span > ?2
         ORDER BY available_at - span DESC LIMIT ?3)",
    ];
    for due in due {
        let sql = format!("{sql}{due}");
        connection.prepare_cached(&sql)?.execute(params![queue.as_str(), now, limits::WOKEN_AT_ONCE])?;
    }
    Ok(())
}

/// Once around the lists that have something waiting, in the order of their ids.
struct Round {
    queue: Name,
    ordered: bool,
    /// The list that had its turn before this round.
    begun: String,
    /// The list that had its turn last.
    at: String,
    /// Whether it is past the last list, and on from the first.
    wrapped: bool,
    ended: bool,
}

impl Round {
    fn new(queue: Name, ordered: bool, begun: &str) -> Self {
        Self { queue, ordered, begun: begun.to_owned(), at: begun.to_owned(), wrapped: false, ended: false }
    }

    /// Up to `max` entries, the first of each list, or the first few where there are fewer lists: none
    /// gets two more than another.
    fn entries(&mut self, connection: &Connection, max: usize) -> rusqlite::Result<Vec<EntryId>> {
        let lists = self.lists(connection, max)?;
        let mut first = connection.prepare_cached(
            "SELECT delivery, n FROM entry INDEXED BY entry_waiting
             WHERE queue = ?1 AND state = 'waiting' AND list_id = ?2 ORDER BY delivery, n LIMIT ?3",
        )?;
        let mut found = Vec::new();
        for (at, list) in lists.iter().enumerate() {
            let share = (max - found.len()).div_ceil(lists.len() - at);
            let wanted = if self.ordered { 1 } else { share };
            let ids = first.query_map(params![self.queue.as_str(), list, wanted], |row| {
                Ok(EntryId { delivery: row.get(0)?, n: row.get(1)? })
            })?;
            for id in ids {
                found.push(id?);
            }
        }
        Ok(found)
    }

    /// The next lists that have something to lease: up to `max`, and of a bounded number of lists.
    fn lists(&mut self, connection: &Connection, max: usize) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT 1 FROM entry INDEXED BY entry_busy
                   WHERE queue = ?1 AND state IN ('leased', 'later') AND list_id = ?2";
        let mut busy = connection.prepare_cached(sql)?;
        let mut lists = Vec::new();
        for _ in 0..limits::LISTS_AT_ONCE {
            if lists.len() == max {
                break;
            }
            let Some(list) = self.next(connection)? else { break };
            if !self.ordered || !busy.exists([self.queue.as_str(), &list])? {
                lists.push(list);
            }
        }
        Ok(lists)
    }

    /// The next list; `None` at the end of the round.
    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT list_id FROM entry INDEXED BY entry_waiting
                   WHERE queue = ?1 AND state = 'waiting' AND list_id > ?2 ORDER BY list_id LIMIT 1";
        let mut next = connection.prepare_cached(sql)?;
        let mut after = |at: &str| next.query_row([self.queue.as_str(), at], |row| row.get(0)).optional();
        let mut list: Option<String> = after(&self.at)?;
        if list.is_none() && !self.wrapped {
            self.wrapped = true;
            list = after("")?;
        }
        match list {
            Some(list) if !self.wrapped || list <= self.begun => {
                self.at.clone_from(&list);
                Ok(Some(list))
            }
            _ => {
                self.ended = true;
                Ok(None)
            }
        }
    }
}

fn take(connection: &Connection, id: EntryId, until: Due) -> rusqlite::Result<Lease> {
    let sql = "UPDATE entry
               SET state = 'leased', available_at = ?3, span = ?4, attempts = attempts + 1,
                   fence = coalesce(fence, 0) + 1
               WHERE delivery = ?1 AND n = ?2";
    connection.prepare_cached(sql)?.execute(params![id.delivery, id.n, until.at, until.span])?;
    let sql = format!(
        "SELECT {COLUMNS}, e.fence FROM entry e JOIN delivery d ON d.id = e.delivery
         WHERE e.delivery = ?1 AND e.n = ?2"
    );
    let mut taken = connection.prepare_cached(&sql)?;
    taken
        .query_row([id.delivery, id.n], |row| Ok(Lease { entry: read_entry(row)?, fence: row.get("fence")? }))
}

/// Whoever comes too late finds another fence, another state, or no row.
fn settle(
    connection: &Connection,
    lease: &Lease,
    verdict: &Verdict,
    now: i64,
) -> rusqlite::Result<Result<(), Stale>> {
    let EntryId { delivery, n } = entry_id(lease);
    let sql = match verdict {
        Verdict::Done => {
            "DELETE FROM entry WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3"
        }
        Verdict::Retry { .. } => {
            "UPDATE entry SET state = 'later', reason = ?4, available_at = ?5, span = ?6
             WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3"
        }
        Verdict::Shunt { .. } => {
            "UPDATE entry SET state = 'shunted', reason = ?4
             WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3"
        }
        Verdict::Release => {
            "UPDATE entry SET state = 'waiting', attempts = attempts - 1
             WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3"
        }
    };
    let mut settle = connection.prepare_cached(sql)?;
    let fence = lease.fence;
    let rows = match verdict {
        Verdict::Done | Verdict::Release => settle.execute(params![delivery, n, fence])?,
        Verdict::Retry { after, why } => {
            let Due { at, span } = Due::after(now, *after);
            settle.execute(params![delivery, n, fence, cut(why), at, span])?
        }
        Verdict::Shunt { why } => settle.execute(params![delivery, n, fence, cut(why)])?,
    };
    Ok(changed(rows))
}

/// The first octets of a reason, whole characters of them.
fn cut(why: &str) -> &str {
    let end = (0..=limits::REASON.min(why.len())).rev().find(|end| why.is_char_boundary(*end));
    &why[..end.unwrap_or(0)]
}
