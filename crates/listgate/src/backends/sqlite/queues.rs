//! The embedded backend's queues, as commands see and change them.

use super::connection::write;
use super::errors::failed;
use crate::backends::browse::{EachEntry, Wanted};
use crate::file_error::During;
use crate::limits;
use crate::model::QueueNow;
use crate::model::{
    Arrival, Change, Depth, Due, Entry, EntryError, EntryId, Id, MessageId, Name, State, StateName,
    StoreError, time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Entries read at a time, so that no read transaction is open while they are printed.
const PAGE: usize = 500;

fn read_depth(row: &Row<'_>) -> rusqlite::Result<Depth> {
    Ok(Depth { entries: row.get(0)?, octets: row.get(1)? })
}

/// Returns how full a queue is.
pub(crate) fn depth(connection: &Connection, queue: Name) -> rusqlite::Result<Depth> {
    let sql = "SELECT entries, octets FROM queue_size WHERE queue = ?1";
    connection.prepare_cached(sql)?.query_row([queue.as_str()], read_depth)
}

/// How full each queue was when last read, and what has been added since. Consumers may have emptied it further.
#[derive(Default)]
pub(super) struct Depths(Mutex<[Depth; Name::ALL.len()]>);

impl Depths {
    pub(super) fn get(&self, queue: Name) -> Depth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[queue as usize]
    }

    /// Adds what was committed, in the order of [`Name::ALL`].
    pub(super) fn add(&self, growth: &[Depth; Name::ALL.len()]) {
        let mut depths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (depth, more) in depths.iter_mut().zip(growth) {
            depth.entries += more.entries;
            depth.octets += more.octets;
        }
    }

    /// Reads the depths of all queues now. What is committed meanwhile may be counted twice, but is not missed,
    /// because it is added only after this.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut depths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in Name::ALL {
            depths[queue as usize] = depth(connection, queue)?;
        }
        Ok(())
    }
}

/// Returns the current state of each queue. It reads one row for the size of a queue and two rows for each of its
/// first lists, however many entries there are.
pub(super) fn now(connection: &Connection, now: i64) -> rusqlite::Result<Vec<QueueNow>> {
    Name::ALL
        .into_iter()
        .map(|queue| {
            let name = queue.as_str();
            let Depth { entries, octets } = depth(connection, queue)?;
            let age = next(connection, queue, now)?
                .map_or(0, |came| u64::try_from((now - came) / 1000).unwrap_or(0));
            Ok(QueueNow { name, entries, octets, oldest: age })
        })
        .collect()
}

/// Returns when the oldest entry came that waits, or that would wait if a consumer looked now. Each list is asked
/// for its own oldest entry, for as many lists as can be asked while sessions wait.
fn next(connection: &Connection, queue: Name, now: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "WITH RECURSIVE
        lists (list_id) AS (
            SELECT min(list_id) FROM entry WHERE queue = ?1 AND state = 'waiting'
            UNION ALL
            SELECT (SELECT min(list_id) FROM entry
                    WHERE queue = ?1 AND state = 'waiting' AND list_id > lists.list_id)
            FROM lists WHERE list_id IS NOT NULL
            LIMIT ?2),
        first (delivery) AS (
            SELECT min((SELECT delivery FROM entry
                        WHERE queue = ?1 AND state = 'waiting' AND list_id = lists.list_id
                        ORDER BY delivery LIMIT 1))
            FROM lists),
        due (delivery) AS (
            SELECT delivery FROM entry INDEXED BY entry_away
            WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at <= ?3
            ORDER BY available_at LIMIT ?2),
        set_back (delivery) AS (
            SELECT delivery FROM entry INDEXED BY entry_set_back
            WHERE queue = ?1 AND state IN ('leased', 'later') AND available_at - span > ?3
            LIMIT ?2)
        SELECT received_at FROM delivery
        WHERE id = (SELECT min(delivery) FROM (SELECT delivery FROM first UNION ALL SELECT delivery FROM due
                                               UNION ALL SELECT delivery FROM set_back))";
    connection
        .prepare_cached(sql)?
        .query_row(params![queue.as_str(), limits::LISTS_ASKED, now], |row| row.get(0))
        .optional()
}

pub(super) const COLUMNS: &str =
    "e.delivery, e.n, e.queue, e.list_id, e.recipient, e.detail, e.received_at, e.state,
    e.reason, e.attempts, e.msgdata, d.mail_from, d.message_id, d.peer, d.lhlo, d.transport, d.size,
    e.received_lines, e.from_list, e.auto_submitted, e.precedence, e.repeats, e.available_at, e.span";

/// Reads [`COLUMNS`]. `now` is in milliseconds since 1970: a lease or pause that would end impossibly far in the
/// future is shown as over, because the clock was set back.
pub(super) fn read_entry(row: &Row<'_>, now: i64) -> rusqlite::Result<Entry> {
    let id = EntryId { delivery: row.get(0)?, n: row.get(1)? };
    let msgdata: String = row.get(10)?;
    Ok(Entry {
        id: Id::Entry(id),
        queue: parsed(row, 2)?,
        list_id: row.get(3)?,
        recipient: row.get(4)?,
        detail: row.get(5)?,
        received_at: time_at(row.get(6)?),
        state: read_state(row, now)?,
        attempts: row.get(9)?,
        msgdata: serde_json::from_str(&msgdata).map_err(malformed(10))?,
        mail_from: row.get(11)?,
        message_id: row.get(12)?,
        peer: row.get(13)?,
        lhlo: row.get(14)?,
        transport: row.get(15)?,
        size: row.get(16)?,
        received_lines: row.get(17)?,
        from_list: row.get(18)?,
        auto_submitted: row.get(19)?,
        precedence: row.get(20)?,
        repeats: row.get(21)?,
    })
}

/// Reads the state from [`COLUMNS`].
fn read_state(row: &Row<'_>, now: i64) -> rusqlite::Result<State> {
    let until = || -> rusqlite::Result<SystemTime> {
        let due = due(row.get(22)?, row.get(23)?);
        Ok(time_at(if due.is_over(now) { due.at.min(now) } else { due.at }))
    };
    let reason: Option<String> = row.get(8)?;
    Ok(match parsed(row, 7)? {
        StateName::Waiting => State::Waiting { reason },
        StateName::Leased => State::Leased { until: until()?, reason },
        StateName::Later => State::Deferred { until: until()?, reason },
        StateName::Held => State::Held { reason },
        StateName::Shunted => State::Shunted { reason },
        StateName::Unreadable => unreachable!("a row's state is not that of a file"),
    })
}

/// Reads the name of a state or a queue. An unknown name is an error.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: Into<Box<dyn Error + Send + Sync>>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(malformed(column))
}

fn malformed<E: Into<Box<dyn Error + Send + Sync>>>(column: usize) -> impl FnOnce(E) -> rusqlite::Error {
    move |why| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

/// Returns when a lease or pause ends. If its span is not recorded, it may last for any time.
fn due(at: i64, span: Option<i64>) -> Due {
    Due { at, span: span.unwrap_or(i64::MAX) }
}

/// Passes the wanted entries to `each`, oldest first, until it wants no more.
pub(super) fn each_entry(
    connection: &Connection,
    wanted: &Wanted,
    now: i64,
    each: EachEntry<'_>,
) -> Result<(), StoreError> {
    let failed = failed("read the queue");
    let statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM entry e JOIN delivery d ON d.id = e.delivery
         WHERE (e.delivery, e.n) > (?1, ?2) AND (?3 IS NULL OR e.queue = ?3) AND (?4 IS NULL OR d.message_id = ?4)
         ORDER BY e.delivery, e.n LIMIT {PAGE}"
    ));
    let mut statement = statement.map_err(failed)?;
    let mut last = EntryId { delivery: 0, n: 0 };
    loop {
        let wanted = params![last.delivery, last.n, wanted.queue.map(Name::as_str), wanted.message_id];
        let page = statement
            .query_map(wanted, |row| read_entry(row, now))
            .and_then(Iterator::collect::<rusqlite::Result<_>>);
        let page: Vec<Entry> = page.map_err(failed)?;
        let Some(Entry { id: Id::Entry(newest), .. }) = page.last() else { return Ok(()) };
        last = *newest;
        if page.into_iter().try_for_each(&mut *each).is_break() {
            return Ok(());
        }
    }
}

pub(crate) fn entry(connection: &Connection, id: EntryId, now: i64) -> rusqlite::Result<Option<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM entry e JOIN delivery d ON d.id = e.delivery WHERE e.delivery = ?1 AND e.n = ?2"
    );
    connection.query_row(&sql, [id.delivery, id.n], |row| read_entry(row, now)).optional()
}

/// Returns up to `length` octets of a stored message, starting at `offset`; `None` if the delivery does not exist.
pub(super) fn read(
    connection: &Connection,
    spool: &Path,
    message: MessageId,
    offset: u64,
    length: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT spool, substr(body, ?2 + 1, ?3) FROM delivery WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
    // No row is this long.
    let most = i64::from(i32::MAX);
    let within = |octets: u64| i64::try_from(octets).unwrap_or(most).min(most);
    let values = params![message.0, within(offset), within(length as u64)];
    let found = connection.prepare_cached(sql).and_then(|mut sql| sql.query_row(values, read).optional());
    match found.map_err(failed("read the message"))? {
        None => Ok(None),
        Some((None, body)) => Ok(Some(body.unwrap_or_default())),
        Some((Some(name), _)) => {
            let path = spool.join(name);
            Ok(Some(read_file(&path, offset, length).during("read", &path)?))
        }
    }
}

fn read_file(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let left = usize::try_from(file.metadata()?.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut octets = vec![0; length.min(left)];
    file.read_exact_at(&mut octets, offset)?;
    Ok(octets)
}

/// Removes entries, all or none, and records that they were not handled, so that their mail is queued if it comes
/// again. `now` is in milliseconds since 1970.
pub(crate) fn remove(connection: &mut Connection, ids: &[EntryId], now: i64) -> Result<(), EntryError> {
    let Due { at: forget_at, span } = Due::after(now, limits::REMEMBERED);
    write(connection, "remove the entry", |connection| {
        let mut delete = connection.prepare("DELETE FROM entry WHERE delivery = ?1 AND n = ?2")?;
        let note = "INSERT INTO removed (delivery, n, forget_at) VALUES (?1, ?2, ?3)";
        let mut note = connection.prepare(note)?;
        for id in ids {
            if delete.execute([id.delivery, id.n])? == 0 {
                return Ok(Err(EntryError::Missing(Id::Entry(*id))));
            }
            note.execute([id.delivery, id.n, forget_at])?;
        }
        // This also removes what was recorded by a clock that was set back since.
        let forget = "DELETE FROM removed WHERE forget_at <= ?1 OR forget_at > ?1 + ?2";
        connection.execute(forget, [now, span])?;
        Ok(Ok(()))
    })
}

/// Holds, releases or retries entries, all or none. `now` is in milliseconds since 1970.
pub(crate) fn change(
    connection: &mut Connection,
    ids: &[EntryId],
    change: Change,
    now: i64,
) -> Result<(), EntryError> {
    use StateName::{Held, Later, Leased, Shunted, Waiting};
    let (from, to) = match change {
        Change::Hold => (&[Waiting, Later, Held][..], Held),
        Change::Release => (&[Held][..], Waiting),
        Change::Retry { leased: false } => (&[Shunted, Later, Waiting][..], Waiting),
        Change::Retry { leased: true } => (&[Shunted, Later, Waiting, Leased][..], Waiting),
    };
    let mut set = "UPDATE entry SET state = ?3 WHERE delivery = ?1 AND n = ?2";
    if matches!(change, Change::Retry { .. }) {
        set = "UPDATE entry SET state = ?3, attempts = 0, reason = NULL WHERE delivery = ?1 AND n = ?2";
    }
    write(connection, "change the entry", |connection| {
        for id in ids {
            // A lapsed lease does not prevent the change: its consumer will find another state or fence.
            let sql = "SELECT state, available_at, span FROM entry WHERE delivery = ?1 AND n = ?2";
            let read = |row: &Row<'_>| {
                let lapsed = due(row.get(1)?, row.get(2)?).is_over(now);
                Ok(match parsed(row, 0)? {
                    Leased if lapsed => Waiting,
                    state => state,
                })
            };
            let state = connection.query_row(sql, [id.delivery, id.n], read).optional()?;
            match state {
                None => return Ok(Err(EntryError::Missing(Id::Entry(*id)))),
                Some(state) if !from.contains(&state) => {
                    return Ok(Err(EntryError::State { id: *id, state, change }));
                }
                Some(_) => connection.execute(set, params![id.delivery, id.n, to.as_str()])?,
            };
        }
        Ok(Ok(()))
    })
}

/// Passes every entry of a queue to `each`, for `queue status` to count.
pub(super) fn each_arrival(
    connection: &Connection,
    queue: Name,
    each: &mut dyn FnMut(Arrival<'_>),
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT list_id, received_at, state FROM entry WHERE queue = ?1")?;
    let mut rows = statement.query([queue.as_str()])?;
    while let Some(row) = rows.next()? {
        each(Arrival {
            list_id: row.get_ref(0)?.as_str()?,
            received_at: time_at(row.get(1)?),
            state: parsed(row, 2)?,
        });
    }
    Ok(())
}
