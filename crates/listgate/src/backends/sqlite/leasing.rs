//! Leases of the embedded backend's entries, and how they are settled. The caller provides the transaction.

use super::queues::{COLUMNS, read_entry};
use super::reason::cut;
use crate::limits;
use crate::model::{Due, EntryId, Lease, LeaseId, Name, Stale, Verdict};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Returns whether any entry in a queue waits, or has a lease or pause that is over at `now` (milliseconds since
/// 1970). This needs no write lock, so an idle consumer does not delay other processes.
pub(super) fn has_something(connection: &Connection, queue: Name, now: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM entry INDEXED BY entry_waiting WHERE queue = ?1 AND state = 'waiting'";
    if connection.prepare_cached(sql)?.exists([queue.as_str()])? {
        return Ok(true);
    }
    let due = [
        "SELECT 1 FROM entry INDEXED BY entry_away
         WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at <= ?2",
        "SELECT 1 FROM entry INDEXED BY entry_set_back
         WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at - span > ?2",
    ];
    for sql in due {
        if connection.prepare_cached(sql)?.exists(params![queue.as_str(), now])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Leases up to `max` entries from the next lists of a round.
pub(super) fn lease(
    connection: &Connection,
    round: &mut Round,
    max: usize,
    hold: Duration,
    now: i64,
) -> rusqlite::Result<Vec<Lease>> {
    wake(connection, round.queue, now)?;
    let found = round.entries(connection, max)?;
    found.into_iter().map(|id| take(connection, id, hold, now)).collect()
}

/// Extends leases to end `hold` from now, and returns one result for each.
pub(super) fn extend(
    connection: &Connection,
    leases: &[LeaseId],
    hold: Duration,
    now: i64,
) -> rusqlite::Result<Vec<Result<(), Stale>>> {
    let Due { at, span } = Due::after(now, hold);
    let sql = "UPDATE entry SET available_at = ?4, span = ?5
               WHERE delivery = ?1 AND n = ?2 AND state = 'leased' AND fence = ?3";
    let mut extend = connection.prepare_cached(sql)?;
    let each = leases.iter().map(|LeaseId { entry, fence }| {
        Ok(changed(extend.execute(params![entry.delivery, entry.n, fence, at, span])?))
    });
    each.collect()
}

fn changed(rows: usize) -> Result<(), Stale> {
    if rows == 0 { Err(Stale) } else { Ok(()) }
}

/// Makes entries wait again whose lease or pause is over.
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

/// Makes what is leased of a queue wait again, because the process that had leased it has ended. That is seldom the fault of
/// the entry, so it does not count as an attempt. After very many leases, it does count.
pub(super) fn free(connection: &Connection, queue: Name) -> rusqlite::Result<()> {
    let sql = "UPDATE entry
               SET state = 'waiting', reason = 'Listgate ended before it was decided',
                   attempts = attempts - (fence <= ?2)
               WHERE queue = ?1 AND state = 'leased'";
    let values = params![queue.as_str(), limits::LEASES_WITHOUT_BLAME];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// One pass over the lists that have waiting entries, in the order of their ids.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) queue: Name,
    ordered: bool,
    /// The list that had the last turn before this round.
    begun: String,
    /// The list that had the last turn.
    pub(super) at: String,
    /// Whether the round has passed the last list and continued from the first.
    wrapped: bool,
    pub(super) ended: bool,
}

impl Round {
    pub(super) fn new(queue: Name, ordered: bool, begun: &str) -> Self {
        Self { queue, ordered, begun: begun.to_owned(), at: begun.to_owned(), wrapped: false, ended: false }
    }

    /// Returns up to `max` entries: the first of each list, or the first few of each where there are fewer lists
    /// than `max`. No list gets two more than another.
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

    /// Returns the next lists that have something to lease: up to `max`, from a limited number of lists.
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

    /// Returns the next list, or `None` at the end of the round.
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

/// Leases one entry. `now` is in milliseconds since 1970.
fn take(connection: &Connection, id: EntryId, hold: Duration, now: i64) -> rusqlite::Result<Lease> {
    let until = Due::after(now, hold);
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
    taken.query_row([id.delivery, id.n], |row| {
        Ok(Lease { entry: read_entry(row, now)?, fence: row.get("fence")? })
    })
}

/// Settles one lease. The lease is stale if the entry now has another fence or state, or is gone.
pub(super) fn settle(
    connection: &Connection,
    lease: LeaseId,
    verdict: &Verdict,
    now: i64,
) -> rusqlite::Result<Result<(), Stale>> {
    let LeaseId { entry: EntryId { delivery, n }, fence } = lease;
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
