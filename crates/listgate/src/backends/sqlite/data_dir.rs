//! The data directory: its layout, and how it is created.

use super::connection::{self, OpenError, PAGE_SIZE, Use};
use crate::backends::held::HeldFiles;
use crate::backends::lock::{self, Holder, Lock, LockError};
use crate::backends::space::space_at;
use crate::backends::sqlite_error::SqliteError;
use crate::file_error::{During, FileError};
use crate::model::Space;
use rusqlite::Connection;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};

/// Why a data directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "no data found in {}: name another --data-dir, or begin with `listgate serve` or \
         `listgate list create`",
        path.display()
    )]
    Nothing { path: PathBuf },
    #[error("cannot {operation}")]
    Database { operation: &'static str, source: SqliteError },
}

impl DataError {
    /// Returns the error for an operation that SQLite refused.
    pub(crate) fn database(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self + Copy {
        move |source| Self::Database { operation, source: source.into() }
    }
}

/// A data directory, and the paths in it.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Returns the directory in which a backup holds the spool files that it copies.
    pub(crate) fn backup_links(&self) -> PathBuf {
        self.0.join("backup-links")
    }

    /// Opens the database for a command that adds to it, and creates what is missing.
    pub(crate) fn open_or_create(&self) -> Result<Connection, DataError> {
        self.create()?;
        Ok(connection::open(&self.database(), Use::Command)?)
    }

    /// Opens the database for a command that needs an existing one: a misspelt directory is not created.
    pub(crate) fn open(&self) -> Result<Connection, DataError> {
        self.open_for(Use::Command)
    }

    /// Opens the database for a consumer of a queue.
    pub(crate) fn open_to_consume(&self) -> Result<Connection, DataError> {
        self.open_for(Use::Consumer)
    }

    fn open_for(&self, purpose: Use) -> Result<Connection, DataError> {
        if !self.database().exists() {
            return Err(DataError::Nothing { path: self.absolute() });
        }
        Ok(connection::open(&self.database(), purpose)?)
    }

    /// Returns the absolute path, for people: a relative one depends on the working directory.
    pub(crate) fn absolute(&self) -> PathBuf {
        path::absolute(&self.0).unwrap_or_else(|_| self.0.clone())
    }

    /// Returns whether nothing is stored here yet. If that cannot be checked, opening the directory reports the reason.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.database().try_exists(), Ok(false))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("listgate.db")
    }

    /// Returns the path of the write-ahead log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("listgate.db-wal")
    }

    /// Returns how much space is left for mail, given the number of `unused` pages in the database file.
    pub(crate) fn space(&self, unused: u64) -> io::Result<Space> {
        space_at(&self.0, unused * PAGE_SIZE)
    }

    /// Returns the path of the write-ahead log's index.
    pub(super) fn index(&self) -> PathBuf {
        self.0.join("listgate.db-shm")
    }

    /// Returns the gate that holds the directory.
    pub(crate) fn holder(&self) -> io::Result<Holder> {
        lock::examine(&self.0, &self.database())
    }

    /// Records the files at the paths that a gate (with its lock) or a consumer keeps using.
    pub(super) fn held(&self, lock: Option<&Lock>) -> Result<HeldFiles, DataError> {
        let own = [self.database(), self.log(), self.index(), self.spool()];
        let lock = lock.map(|lock| lock.path().to_owned());
        Ok(HeldFiles::at(own.into_iter().chain(lock))?)
    }

    pub(super) fn create(&self) -> Result<(), DataError> {
        let spool = self.spool();
        create_dir(&self.0, 0o777).during("create the data directory", &self.0)?;
        // Mail is private, so other users cannot read its files. The directory stays open to them, because it may
        // contain a socket for a mail server.
        create_dir(&spool, 0o700).during("create", &spool)?;
        let database = self.database();
        // Only a new file is opened: closing an existing one drops the locks that SQLite has on it.
        match File::options().create_new(true).write(true).mode(0o600).open(&database) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => {
                Err(FileError::new("create", &database, why).into())
            }
            _ => Ok(()),
        }
    }

    /// Syncs the directory and its parent, in case an earlier start created something and died before syncing it.
    pub(super) fn sync(&self) -> Result<(), DataError> {
        for dir in [self.path(), parent(self.path())] {
            File::open(dir).and_then(|dir| dir.sync_all()).during("sync", dir)?;
        }
        Ok(())
    }
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a directory and its missing parents. A new name survives a power loss only if the directory that contains
/// it is synced.
fn create_dir(dir: &Path, mode: u32) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    create_dir(parent(dir), 0o777)?;
    match DirBuilder::new().mode(mode).create(dir) {
        // Another process created it first, and may die before its sync.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        created => created?,
    }
    File::open(parent(dir))?.sync_all()
}

/// Removes spool files that no row names: mail that was arriving when the last gate ended.
pub(super) fn remove_orphans(connection: &Connection, spool: &Path) -> Result<(), DataError> {
    let failed = DataError::database("look for spool files");
    let mut named = connection.prepare("SELECT 1 FROM delivery WHERE spool = ?1").map_err(failed)?;
    for file in fs::read_dir(spool).during("read", spool)? {
        let path = file.during("read", spool)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !named.exists([&*name]).map_err(failed)? {
            fs::remove_file(&path).during("remove", &path)?;
        }
    }
    Ok(())
}
