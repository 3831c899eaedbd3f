//! How the database file is opened, and the steps from an older schema to this one.

use crate::limits;
use crate::queue::Unavailable;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Migration N stands at N - 1. `PRAGMA user_version` says how many a file has had.
pub(super) const MIGRATIONS: [&str; 4] =
    [include_str!("0001.sql"), include_str!("0002.sql"), include_str!("0003.sql"), include_str!("0004.sql")];

/// Octets of a page of the database.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// The gate's writer: creates and migrates.
    Writer,
    /// The gate's lookups.
    Lookup,
    /// A command beside the gate, or without one.
    Command,
    /// Whoever works a queue. What it commits need not be synced: a power loss that undoes it leaves
    /// the entry to be handled again.
    Consumer,
}

/// Why a database cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot {operation} {}: {source}", path.display())]
    Database { operation: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error(
        "{} was written by a newer Listgate (schema {found}; this one knows {known}): \
         use that version, or another --data-dir",
        path.display(),
        known = MIGRATIONS.len()
    )]
    Newer { path: PathBuf, found: usize },
}

/// Opens the database file at `path`, creating and migrating it where that is needed.
pub(crate) fn open(path: &Path, purpose: Use) -> Result<Connection, OpenError> {
    let failed = |operation| move |source| OpenError::Database { operation, path: path.to_owned(), source };
    let flags = match purpose {
        Use::Writer | Use::Command | Use::Consumer => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
        Use::Lookup => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed("open"))?;
    configure(&mut connection, purpose).map_err(failed("configure"))?;
    let version = version(&connection).map_err(failed("read the schema of"))?;
    if version > MIGRATIONS.len() {
        return Err(OpenError::Newer { path: path.to_owned(), found: version });
    }
    if version < MIGRATIONS.len() {
        migrate(&connection).map_err(failed("migrate"))?;
    }
    Ok(connection)
}

/// Opens the database file at `path` to look at it as it is: nothing is created, migrated or written.
pub(super) fn look(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(limits::COMMAND_LOCK_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn configure(connection: &mut Connection, purpose: Use) -> rusqlite::Result<()> {
    let patience = match purpose {
        Use::Writer => limits::WRITE_LOCK_WAIT,
        Use::Lookup => limits::LOOKUP_LOCK_WAIT,
        Use::Command | Use::Consumer => limits::COMMAND_LOCK_WAIT,
    };
    let mut since = Instant::now();
    connection.busy_handler(Some(move |attempts: i32| {
        if attempts == 0 {
            since = Instant::now();
        }
        keep_waiting(since, patience)
    }))?;
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        // In a file that has pages already this would be a commit, for which every look would wait.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    write_ahead(connection, patience)?;
    let synchronous = if purpose == Use::Consumer { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Checkpoints are the writer's, which looks at their results; SQLite's own hide their errors.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Else a statement about a table with partial indexes is planned anew for each of its values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Turns the write-ahead log on. Where two create a file at once each could wait for the other, so
/// SQLite refuses one of them without asking its busy handler.
fn write_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let turn_on = || {
        let mut pragma = connection.prepare("PRAGMA journal_mode = WAL")?;
        let mut rows = pragma.query([])?;
        // To the end, past the row that it gives: only there the change is committed, or fails.
        while rows.next()?.is_some() {}
        Ok(())
    };
    let is_busy = |why: &rusqlite::Error| why.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
    let since = Instant::now();
    loop {
        match turn_on() {
            Err(why) if is_busy(&why) && keep_waiting(since, patience) => {}
            done => return done,
        }
    }
}

/// Called while another process holds the lock: sleeps a little, and says whether to go on. By the
/// clock, as a sleep this short takes half as long again.
fn keep_waiting(since: Instant, patience: Duration) -> bool {
    thread::sleep(limits::LOCK_RETRY);
    since.elapsed() < patience
}

/// How many migrations a file has had.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Another process may have migrated since we looked, so the version is read again under the lock.
fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let steps = || {
        for step in MIGRATIONS.iter().skip(version(connection)?) {
            connection.execute_batch(step)?;
        }
        connection.pragma_update(None, "user_version", MIGRATIONS.len())?;
        connection.execute_batch("COMMIT")
    };
    steps().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = connection.execute_batch("ROLLBACK");
    })
}

/// Runs `work` in a transaction of its own that takes the write lock at its beginning; what `work`
/// refuses to do leaves nothing behind. For commands: the gate's writer orders its statements itself.
pub(crate) fn write<T, E: From<Unavailable>>(
    connection: &mut Connection,
    operation: &'static str,
    work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, E>>,
) -> Result<T, E> {
    let failed = |source| E::from(Unavailable::Database { operation, source });
    let behavior = rusqlite::TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(failed)?;
    // Dropped without a commit, the transaction is rolled back.
    let value = work(&transaction).map_err(failed)??;
    transaction.commit().map_err(failed)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn many_may_create_a_database_at_once() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("listgate.db");
            let at_once = Barrier::new(8);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        at_once.wait();
                        open(&path, Use::Command).unwrap();
                    });
                }
            });
        }
    }
}
