//! How the database file is opened and migrated from an older schema.

use super::errors::{failed, is_sync_failure};
use super::list_aliases;
use crate::backends::lock;
use crate::backends::space::space_at;
use crate::backends::sqlite_error::SqliteError;
use crate::file_error::{During, FileError};
use crate::limits;
use crate::model::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The migrations; migration N is at index N - 1. `PRAGMA user_version` is the number of migrations a file has had.
pub(super) const MIGRATIONS: [&str; 11] = [
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
    include_str!("0006.sql"),
    include_str!("0007.sql"),
    include_str!("0008.sql"),
    include_str!("0009.sql"),
    include_str!("0010.sql"),
    include_str!("0011.sql"),
];

/// The number of migrations since which lists have aliases.
const WITH_ALIASES: usize = 8;

/// Octets in a page of the database.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// The gate's writer, which creates and migrates the database.
    Writer,
    /// The gate's lookups.
    Lookup,
    /// A command that runs beside the gate, or without one.
    Command,
    /// A consumer of a queue. Its commits need not be synced: if a power loss undoes one, the entry is handled
    /// again.
    Consumer,
}

/// Why a database cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot {operation} {}", path.display())]
    Database { operation: &'static str, path: PathBuf, source: SqliteError },
    #[error(
        "{} was written by a newer Listgate (schema {found}; this one knows {known}): \
         use that version, or another --data-dir",
        path.display(),
        known = MIGRATIONS.len()
    )]
    Newer { path: PathBuf, found: usize },
    #[error(
        "{} is served by an older Listgate, which could not go on with what this one makes of it; \
         restart it with this version first: {holder}",
        path.display()
    )]
    Older { path: PathBuf, holder: String },
    #[error(transparent)]
    File(#[from] FileError),
}

impl OpenError {
    /// Returns the error for an operation that SQLite refused on the database at `path`.
    pub(super) fn database(operation: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Self + Copy {
        move |source| Self::Database { operation, path: path.to_owned(), source: source.into() }
    }
}

/// Opens the database file at `path`, and creates or migrates it if necessary.
pub(crate) fn open(path: &Path, purpose: Use) -> Result<Connection, OpenError> {
    let failed = |operation| OpenError::database(operation, path);
    let flags = match purpose {
        Use::Writer | Use::Command | Use::Consumer => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
        Use::Lookup => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed("open"))?;
    configure(&mut connection, purpose).map_err(failed("configure"))?;
    let known = MIGRATIONS.len();
    let newer = |found| OpenError::Newer { path: path.to_owned(), found };
    let found = version(&connection).map_err(failed("read the schema of"))?;
    match purpose {
        _ if found > known => return Err(newer(found)),
        Use::Writer => recover(&mut connection, path)?,
        Use::Lookup | Use::Command | Use::Consumer if (1..known).contains(&found) => {
            refuse_to_outrun(&connection, path)?;
        }
        Use::Lookup | Use::Command | Use::Consumer => {}
    }
    if found < known {
        let found = migrate(&connection).map_err(failed("migrate"))?;
        if found > known {
            return Err(newer(found));
        }
    }
    Ok(connection)
}

/// Refuses to migrate while an older gate serves the database, because that gate could not store what the newer
/// schema requires. The lock may also belong to a gate of this version that is about to migrate, so this first waits
/// up to [`limits::START_OF_A_GATE`].
fn refuse_to_outrun(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let dir = path.parent().expect("the database has a directory");
    let failed = OpenError::database("read the schema of", path);
    let since = Instant::now();
    while version(connection).map_err(failed)? < MIGRATIONS.len() {
        let Some(holder) = lock::holder(dir).during("see who serves", dir)? else { break };
        if since.elapsed() > limits::START_OF_A_GATE {
            return Err(OpenError::Older { path: path.to_owned(), holder });
        }
        thread::sleep(limits::POLL);
    }
    Ok(())
}

/// Writes the whole log to the disk again. After a failed sync, what we can read of the log may differ from what is
/// on the disk, and nothing may be appended to it.
fn recover(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = OpenError::database("recover", path);
    if empty_log(connection).map_err(failed)? {
        return Ok(());
    }
    tracing::warn!("another process reads the database, so its log is written again, and emptied later");
    // Until this is done, no other process may append to the log or restart it.
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    rewrite(&log).during("rewrite", &log)?;
    connection.execute_batch("ROLLBACK").map_err(failed)
}

/// Copies the log of the writer's connection into the database and truncates its file, if no process is reading or
/// writing. Returns whether it did.
pub(super) fn empty_log(connection: &mut Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    be_patient(connection, limits::WRITE_LOCK_WAIT)?;
    Ok(!busy?)
}

/// Overwrites a file with its own octets and syncs it. The kernel then has to write them to the disk even if it
/// believed that it already had.
fn rewrite(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut octets = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut octets, at)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&octets[..read], at)?;
        at += read as u64;
    }
}

/// Opens the database file at `path` read-only: nothing is created, migrated or written.
pub(super) fn look(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(limits::COMMAND_LOCK_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Opens the database file at `path` to try its write lock: nothing is created, migrated or written.
pub(super) fn to_be_locked(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    be_patient(&mut connection, patience)?;
    Ok(connection)
}

fn configure(connection: &mut Connection, purpose: Use) -> rusqlite::Result<()> {
    let patience = match purpose {
        Use::Writer => limits::WRITE_LOCK_WAIT,
        Use::Lookup => limits::LOOKUP_LOCK_WAIT,
        Use::Command | Use::Consumer => limits::COMMAND_LOCK_WAIT,
    };
    be_patient(connection, patience)?;
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    }
    write_ahead(connection, patience)?;
    let synchronous = if purpose == Use::Consumer { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The writer makes the checkpoints and checks their results; SQLite's own checkpoints hide their errors.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Otherwise SQLite plans a statement on a table with partial indexes again for each bound value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(limits::STATEMENTS);
    Ok(())
}

/// Makes a connection wait up to `patience` for a lock.
fn be_patient(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    be_patient_while(connection, patience, Arc::new(AtomicBool::new(true)))
}

/// Makes a connection wait up to `patience` for a lock, but only while `may_wait` is true.
pub(super) fn be_patient_while(
    connection: &mut Connection,
    patience: Duration,
    may_wait: Arc<AtomicBool>,
) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |attempts: i32| {
        if attempts == 0 {
            since = Instant::now();
        }
        may_wait.load(Ordering::Relaxed) && keep_waiting(since, patience)
    }))
}

/// Turns the write-ahead log on. If two processes create a file at the same time, each could wait for the other, so
/// SQLite refuses one of them without calling its busy handler.
fn write_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let turn_on = || {
        let mut pragma = connection.prepare("PRAGMA journal_mode = WAL")?;
        let mut rows = pragma.query([])?;
        // Read past the row that the statement returns: the change is committed, or fails, only at the end.
        while rows.next()?.is_some() {}
        Ok(())
    };
    let is_busy = |why: &rusqlite::Error| why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    let since = Instant::now();
    loop {
        match turn_on() {
            Err(why) if is_busy(&why) && keep_waiting(since, patience) => {}
            done => return done,
        }
    }
}

/// Sleeps briefly while another process holds the lock, and returns whether to go on waiting. It goes by the clock,
/// because a sleep this short takes half as long again as requested.
fn keep_waiting(since: Instant, patience: Duration) -> bool {
    thread::sleep(limits::LOCK_RETRY);
    since.elapsed() < patience
}

/// Returns how many migrations a file has had.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Migrates the file and returns how many migrations it has had. Another process may have migrated it since we
/// looked, and further than this version can.
fn migrate(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let steps = || {
        let found = version(connection)?;
        for step in MIGRATIONS.iter().skip(found) {
            connection.execute_batch(step)?;
        }
        if found < WITH_ALIASES {
            list_aliases::give_to_long_names(connection)?;
        }
        let now = found.max(MIGRATIONS.len());
        connection.pragma_update(None, "user_version", now)?;
        connection.execute_batch("COMMIT")?;
        Ok(now)
    };
    steps().inspect_err(|_| {
        // The first error is the one to report.
        let _ = connection.execute_batch("ROLLBACK");
    })
}

/// Runs `work` in its own transaction, which takes the write lock at its beginning. If `work` refuses, nothing is
/// changed. If the disk is full, the log is copied into the database so that it can restart from its beginning, and
/// `work` is retried once. This is for commands and consumers; the gate's writer arranges its own statements.
pub(crate) fn write<T, E: From<StoreError>>(
    connection: &mut Connection,
    operation: &'static str,
    mut work: impl FnMut(&Connection) -> rusqlite::Result<Result<T, E>>,
) -> Result<T, E> {
    let failed_here = |source| E::from(failed(operation)(source));
    let is_full = |why: &rusqlite::Error| why.sqlite_error_code() == Some(ErrorCode::DiskFull);
    let done = match write_once(connection, &mut work) {
        Err(why) if is_full(&why) => {
            copy_log(connection).map_err(failed_here)?;
            write_once(connection, &mut work)
        }
        done => done,
    };
    let done = done.map_err(failed_here)?;
    // The log could use up the rest of the disk, and the database file may have to grow when the log is copied.
    if is_scarce(connection)
        && let Err(why) = copy_log(connection)
        && is_sync_failure(&why)
    {
        return Err(E::from(failed("checkpoint")(why)));
    }
    done
}

/// Copies the log into the database, as far as readers allow.
pub(super) fn copy_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Returns whether the disk has little free space. If that cannot be found out, it assumes that there is enough.
fn is_scarce(connection: &Connection) -> bool {
    let dir = connection.path().and_then(|path| Path::new(path).parent());
    let space = dir.and_then(|dir| space_at(dir, 0).ok());
    space.is_some_and(|space| space.free < limits::AMPLE_SPACE)
}

/// Runs `work` within a transaction. If it refuses, or breaks a constraint, it changes nothing, and affects nothing else in
/// the transaction.
///
/// # Errors
/// The transaction itself has failed. A problem with only this work is in the inner result.
pub(super) fn in_savepoint<T, E: From<StoreError>>(
    connection: &Connection,
    operation: &'static str,
    work: impl FnOnce() -> rusqlite::Result<Result<T, E>>,
) -> rusqlite::Result<Result<T, E>> {
    connection.prepare_cached("SAVEPOINT part")?.execute([])?;
    let done = match work() {
        Err(why) if is_of_the_data(&why) => Err(E::from(failed(operation)(why))),
        done => done?,
    };
    if done.is_err() {
        connection.prepare_cached("ROLLBACK TO part")?.execute([])?;
    }
    connection.prepare_cached("RELEASE part")?.execute([])?;
    Ok(done)
}

/// Returns whether an error comes from the values of one statement, and not from the database or the disk.
fn is_of_the_data(why: &rusqlite::Error) -> bool {
    match why.sqlite_error_code() {
        Some(code) => code == ErrorCode::ConstraintViolation,
        None => true,
    }
}

/// Runs `work` in a transaction, without a retry. The inner result is that of `work`.
fn write_once<T, E>(
    connection: &mut Connection,
    work: &mut impl FnMut(&Connection) -> rusqlite::Result<Result<T, E>>,
) -> rusqlite::Result<Result<T, E>> {
    let behavior = rusqlite::TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior)?;
    // If this returns without a commit, the transaction is dropped and rolled back.
    let done = work(&transaction)?;
    if done.is_ok() {
        transaction.commit()?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Barrier;

    #[test]
    fn a_schema_upgraded_during_the_wait_for_the_lock_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&dir.path().join("listgate.db"), Use::Command).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(migrate(&connection), Ok(99));
        assert_eq!(version(&connection), Ok(99));
    }

    #[test]
    fn rewriting_a_file_in_place_keeps_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let octets: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(&path, &octets).unwrap();
        rewrite(&path).unwrap();
        assert!(fs::read(&path).unwrap() == octets);
    }

    #[test]
    fn a_database_may_be_created_by_many_at_once() {
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
