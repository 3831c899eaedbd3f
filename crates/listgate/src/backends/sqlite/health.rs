//! Checks the health of an embedded backend. Each check is a read transaction of its own, and its time can be
//! limited, because the log cannot restart during a transaction.

use super::connection::{self, MIGRATIONS};
use super::data_dir::{DataDir, DataError};
use super::queues::parsed;
use super::{outbox, posts};
use crate::file_error::During;
use crate::limits;
use crate::model::{Due, EntryId, Name, OutgoingNow, time_at};
use rusqlite::{Connection, ErrorCode, Row, params};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A database to be checked.
pub(crate) struct Health {
    connection: Connection,
    /// How long a check may take.
    patience: Option<Duration>,
}

/// The result of a check; `None` if it took too long.
pub(crate) type Partial<T> = rusqlite::Result<Option<T>>;

/// Figures about the database file.
pub(crate) struct Shape {
    pub(crate) schema: usize,
    pub(crate) pages: u64,
    pub(crate) free: u64,
}

/// The schema version that this program knows.
pub(crate) const SCHEMA: usize = MIGRATIONS.len();

/// A queue whose recorded size is wrong.
pub(crate) struct Miscount {
    pub(crate) queue: Name,
    /// Entries and octets as recorded.
    pub(crate) recorded: (i64, i64),
    /// Entries and octets as counted.
    pub(crate) found: (i64, i64),
}

/// A queue with entries.
pub(crate) struct Backlog {
    pub(crate) queue: Name,
    pub(crate) entries: u64,
    /// When the first and the last of them came.
    pub(crate) oldest: SystemTime,
    pub(crate) newest: SystemTime,
    /// The most attempts that any of them has had.
    pub(crate) attempts: u32,
    /// When the first lease or pause ends or has ended, if there is one.
    pub(crate) due: Option<SystemTime>,
}

/// What is wrong between rows and spool files.
#[derive(Default)]
pub(crate) struct SpoolHealth {
    pub(crate) files: u64,
    /// Entries and kept messages whose file is missing or has the wrong size.
    pub(crate) lost: Vec<String>,
    /// Files that no row names, and their octets.
    pub(crate) orphans: u64,
    pub(crate) orphan_octets: u64,
}

/// Rows read at a time.
const PAGE: usize = 500;

/// The most problems to report.
const REPORTED: u32 = 10;

impl Health {
    pub(crate) fn open(data: &DataDir, patience: Option<Duration>) -> rusqlite::Result<Self> {
        Ok(Self { connection: connection::look(&data.database())?, patience })
    }

    /// Returns the connection, for queries about lists, each of which uses an index.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn look<T>(&mut self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Partial<T> {
        if let Some(patience) = self.patience {
            let start = Instant::now();
            self.connection.progress_handler(10_000, Some(move || start.elapsed() > patience))?;
        }
        let answer = query(&self.connection);
        self.connection.progress_handler(0, None::<fn() -> bool>)?;
        match answer {
            Err(why) if why.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Returns whether the engine runs if the configuration does not say.
    pub(crate) fn engine_runs_by_default(&self) -> rusqlite::Result<bool> {
        posts::runs_by_default(&self.connection)
    }

    pub(crate) fn shape(&self) -> rusqlite::Result<Shape> {
        let number = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get(0));
        let schema = connection::version(&self.connection)?;
        Ok(Shape { schema, pages: number("page_count")?, free: number("freelist_count")? })
    }

    /// Returns what SQLite's own check reports; `thorough` also compares the indexes with their tables.
    pub(crate) fn damage(&mut self, thorough: bool) -> Partial<Vec<String>> {
        let check = if thorough { "integrity_check" } else { "quick_check" };
        self.look(|connection| {
            let mut statement = connection.prepare(&format!("PRAGMA {check}({REPORTED})"))?;
            let reported =
                statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>();
            match reported {
                // The database is so damaged that the check itself fails.
                Err(why) if why.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    Ok(vec![why.to_string()])
                }
                reported => Ok(reported?.into_iter().filter(|reported| reported != "ok").collect()),
            }
        })
    }

    /// Returns how many rows refer to a row that does not exist.
    pub(crate) fn dangling(&mut self) -> Partial<u64> {
        self.look(|connection| {
            connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
        })
    }

    /// Returns the queues whose recorded sizes differ from a count made at the same moment.
    pub(crate) fn miscounts(&mut self) -> Partial<Vec<Miscount>> {
        let written = "SELECT queue, entries, octets FROM queue_size";
        let counted =
            "SELECT queue, count(*), sum(size) FROM entry JOIN delivery ON id = delivery GROUP BY queue";
        self.look(|connection| {
            // The transaction ends when this is dropped.
            let _moment = connection.unchecked_transaction()?;
            let (recorded, found) = (sizes(connection, written)?, sizes(connection, counted)?);
            let size = |sizes: &BTreeMap<_, _>, queue: &str| sizes.get(queue).copied().unwrap_or_default();
            let compared = Name::ALL.into_iter().map(|queue| Miscount {
                queue,
                recorded: size(&recorded, queue.as_str()),
                found: size(&found, queue.as_str()),
            });
            Ok(compared.filter(|queue| queue.recorded != queue.found).collect())
        })
    }

    /// Looks at what waits to leave.
    pub(crate) fn outgoing(&mut self) -> Partial<OutgoingNow> {
        self.look(outbox::now)
    }

    /// Counts bounces that were received since then, in milliseconds since 1970: without a valid token, and with one.
    pub(crate) fn bounces(&mut self, since: i64) -> Partial<(u64, u64)> {
        // This uses the index of the time at which bounces are forgotten: the time of receipt has none, and in a row it
        // comes after the header, which would have to be read.
        let Due { at, .. } = Due::after(since, limits::BOUNCE_REMEMBERED);
        self.look(|connection| {
            let sql =
                "SELECT count(*) - count(purpose), count(purpose) FROM bounce INDEXED BY bounce_forget_at
                       WHERE forget_at > ?1";
            connection.query_row(sql, [at], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    pub(crate) fn backlogs(&mut self) -> Partial<Vec<Backlog>> {
        self.look(|connection| {
            let mut statement = connection.prepare(
                "SELECT queue, count(*), min(received_at), max(received_at), max(attempts),
                        min(CASE WHEN state != 'waiting' THEN available_at END)
                 FROM entry WHERE state IN ('waiting', 'leased', 'later') GROUP BY queue",
            )?;
            let read = |row: &Row<'_>| {
                Ok(Backlog {
                    queue: parsed(row, 0)?,
                    entries: row.get(1)?,
                    oldest: time_at(row.get(2)?),
                    newest: time_at(row.get(3)?),
                    attempts: row.get(4)?,
                    due: row.get::<_, Option<i64>>(5)?.map(time_at),
                })
            };
            statement.query_map([], read)?.collect()
        })
    }

    /// Returns how many leases and pauses end impossibly late because the clock was set back after they began. `now`
    /// is in milliseconds since 1970.
    pub(crate) fn set_back(&mut self, now: i64) -> Partial<u64> {
        self.look(|connection| {
            let sql =
                "SELECT count(*) FROM entry WHERE state IN ('leased', 'later') AND available_at - span > ?1";
            connection.query_row(sql, [now], |row| row.get(0))
        })
    }

    /// Returns how many entries could not be handled.
    pub(crate) fn shunted(&mut self) -> Partial<u64> {
        self.look(|connection| {
            connection.query_row("SELECT count(*) FROM entry WHERE state = 'shunted'", [], |row| row.get(0))
        })
    }

    /// Compares rows with files. A file that no row names is not an orphan if it was written since `arriving`,
    /// because a message may still be arriving in it.
    pub(crate) fn spool(&self, spool: &Path, arriving: Option<SystemTime>) -> Result<SpoolHealth, DataError> {
        let failed = DataError::database("look for spool files");
        let look = "look at";
        let mut health = SpoolHealth::default();
        self.lost(spool, &mut health).map_err(failed)?;
        let sql =
            "SELECT 1 FROM delivery WHERE spool = ?1 UNION ALL SELECT 1 FROM discarded WHERE spool = ?1";
        let mut named = self.connection.prepare(sql).map_err(failed)?;
        for file in fs::read_dir(spool).during(look, spool)? {
            let file = file.during(look, spool)?;
            let metadata = match file.metadata() {
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata.during(look, spool)?,
            };
            let written = metadata.modified().during(look, spool)?;
            if arriving.is_none_or(|arriving| written < arriving)
                && !named.exists([file.file_name().to_string_lossy()]).map_err(failed)?
            {
                health.orphans += 1;
                health.orphan_octets += metadata.len();
            }
        }
        Ok(health)
    }

    fn lost(&self, spool: &Path, health: &mut SpoolHealth) -> rusqlite::Result<()> {
        let mut page = self
            .connection
            .prepare("SELECT spool, id, size FROM delivery WHERE spool > ?1 ORDER BY spool LIMIT ?2")?;
        let mut entries = self.connection.prepare("SELECT n FROM entry WHERE delivery = ?1")?;
        let mut kept = self.connection.prepare("SELECT 1 FROM kept WHERE delivery = ?1")?;
        let mut last = String::new();
        loop {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let rows: Vec<(String, i64, u64)> =
                page.query_map(params![last, PAGE], read)?.collect::<Result<_, _>>()?;
            let Some((newest, ..)) = rows.last() else { return Ok(()) };
            last.clone_from(newest);
            for (name, delivery, size) in rows {
                health.files += 1;
                if fs::metadata(spool.join(name)).is_ok_and(|file| file.len() == size) {
                    continue;
                }
                // Queried after the file was checked: entries are removed before their file, so an entry that still
                // exists has lost its file.
                for n in entries.query_map([delivery], |row| row.get(0))? {
                    health.lost.push(EntryId { delivery, n: n? }.to_string());
                }
                if kept.exists([delivery])? {
                    health.lost.push(format!("the kept message {delivery:x}"));
                }
            }
        }
    }
}

fn sizes(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeMap<String, (i64, i64)>> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    connection.prepare(sql)?.query_map([], read)?.collect()
}

/// Corrects the recorded sizes by the differences found. Entries that came or went since then were counted as usual,
/// so the differences still hold, and no process has to wait for a count.
pub(crate) fn correct(connection: &mut Connection, miscounts: &[Miscount]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for Miscount { queue, recorded, found } in miscounts {
        transaction.execute(
            "INSERT INTO queue_size VALUES (?1, ?2, ?3)
             ON CONFLICT (queue) DO UPDATE SET entries = entries + ?2, octets = octets + ?3",
            params![queue.as_str(), found.0 - recorded.0, found.1 - recorded.1],
        )?;
    }
    transaction.commit()
}
