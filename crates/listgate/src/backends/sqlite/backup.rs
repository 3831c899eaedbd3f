//! A copy of a data directory, made while its gate runs.
//!
//! What belongs together is held together in two ways. A read transaction keeps the rows as they are
//! at one moment. Hard links keep the spool files that these rows name: the gate unlinks a file only
//! after a commit has dropped its row, and nothing can be committed while we hold the write lock. So
//! under that lock the transaction begins and the links are made; all copying comes after it.
//!
//! The database gets its name last, so that a directory with a `listgate.db` is a whole copy.

use super::data_dir::{DataDir, DataError};
use crate::backends::held::HeldFiles;
use crate::backends::sqlite_error::SqliteError;
use crate::file_error::{During, FileError};
use crate::limits;
use crate::model::StoreError;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use std::ffi::c_int;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a backup has.
#[derive(Default, Debug)]
pub(crate) struct Copied {
    pub(crate) lists: u64,
    pub(crate) entries: u64,
    pub(crate) spool_files: u64,
    /// Of the database and the spool files.
    pub(crate) octets: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("{} is not empty: name a directory that does not exist yet", path.display())]
    NotEmpty { path: PathBuf },
    #[error("another backup of {} is being made: wait for it to end", path.display())]
    Running { path: PathBuf },
    #[error(
        "cannot link {} into {} (`listgate doctor` names the entries of a missing file; where files cannot \
         be linked, stop the gate and copy the data directory)",
        file.display(),
        dir.display()
    )]
    Link { file: PathBuf, dir: PathBuf, source: io::Error },
    #[error("cannot copy the database to {}", path.display())]
    Copy { path: PathBuf, source: SqliteError },
    #[error("the backup failed, and what was copied is still in {} (remove it)", path.display())]
    Left { source: Box<BackupError>, path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Replaced(#[from] StoreError),
}

/// Copies a data directory into `to`, which is empty or not there yet.
pub(crate) fn backup(from: &DataDir, to: &Path) -> Result<Copied, BackupError> {
    // Before anything is created, so that a misspelt data directory leaves nothing behind.
    let snapshot = from.open()?;
    // Before the target is looked at, so that two backups do not find it empty.
    let links = Links::prepare(from)?;
    let held = from.held(None)?;
    let target = Target::prepare(to)?;
    copy(from, snapshot, &links, &held, &target).map_err(|why| match target.remove() {
        Ok(()) => why,
        Err(_) => BackupError::Left { source: why.into(), path: to.to_owned() },
    })
}

fn copy(
    from: &DataDir,
    snapshot: Connection,
    links: &Links,
    held: &HeldFiles,
    target: &Target,
) -> Result<Copied, BackupError> {
    hold(from, &snapshot, links)?;
    // Else the links could be to files of another directory than the rows that name them.
    held.check()?;
    target.create()?;
    let mut copied = target
        .copy_database(&snapshot)
        .map_err(|why| BackupError::Copy { path: target.dir.path().to_owned(), source: why.into() })?;
    // While a transaction is open the gate cannot begin its log anew.
    drop(snapshot);
    links.each(|link| {
        copied.octets += target.copy_spool_file(link)?;
        copied.spool_files += 1;
        Ok(())
    })?;
    copied.octets += target.finish()?;
    Ok(copied)
}

/// Begins the transaction of `snapshot` and links every file that its rows name, while nobody writes.
fn hold(from: &DataDir, snapshot: &Connection, links: &Links) -> Result<(), BackupError> {
    let lock = from.open()?;
    lock.execute_batch("BEGIN IMMEDIATE").map_err(DataError::database("stop the writing for a moment"))?;
    let failed = DataError::database("read the rows of large bodies");
    snapshot.execute_batch("BEGIN").map_err(failed)?;
    let mut named = snapshot.prepare("SELECT spool FROM delivery WHERE spool IS NOT NULL").map_err(failed)?;
    let mut rows = named.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        links.add(&from.spool(), &row.get::<_, String>(0).map_err(failed)?)?;
    }
    lock.execute_batch("ROLLBACK").map_err(DataError::database("let the writing go on"))?;
    Ok(())
}

/// Other people's mail is nobody's to read.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The directory of hard links, on the file system of the spool directory and of no interest to the
/// gate. One backup has it at a time; the kernel releases the lock however the process ends.
struct Links {
    dir: PathBuf,
    _lock: File,
}

impl Links {
    /// Links that a killed backup left are removed.
    fn prepare(from: &DataDir) -> Result<Self, BackupError> {
        let dir = from.backup_links();
        if let Err(why) = DirBuilder::new().mode(0o700).create(&dir)
            && why.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(FileError::new("create", &dir, why).into());
        }
        let lock = File::open(&dir).during("open", &dir)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BackupError::Running { path: from.path().to_owned() });
            }
            Err(TryLockError::Error(why)) => return Err(FileError::new("lock", &dir, why).into()),
        }
        let links = Self { dir, _lock: lock };
        links.each(|link| Ok(fs::remove_file(link).during("remove", link)?))?;
        Ok(links)
    }

    fn add(&self, spool: &Path, name: &str) -> Result<(), BackupError> {
        let path = spool.join(name);
        let linked = fs::hard_link(&path, self.dir.join(name));
        linked.map_err(|source| BackupError::Link { file: path, dir: self.dir.clone(), source })
    }

    fn each(&self, mut each: impl FnMut(&Path) -> Result<(), DataError>) -> Result<(), DataError> {
        for link in fs::read_dir(&self.dir).during("read", &self.dir)? {
            each(&link.during("read", &self.dir)?.path())?;
        }
        Ok(())
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        // What stays is removed by the next backup, and named by `doctor` until then.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Where the copy goes.
struct Target {
    dir: DataDir,
    created: bool,
}

impl Target {
    fn prepare(path: &Path) -> Result<Self, BackupError> {
        let dir = DataDir::new(path);
        // It has everybody's mail.
        let created = match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => true,
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => false,
            Err(why) => return Err(FileError::new("create", path, why).into()),
        };
        if fs::read_dir(path).during("read", path)?.next().is_some() {
            return Err(BackupError::NotEmpty { path: path.to_owned() });
        }
        Ok(Self { dir, created })
    }

    /// The name of the database until all else is there.
    fn partial(&self) -> PathBuf {
        self.dir.path().join("listgate.db.partial")
    }

    /// As closed as what is copied, also in a directory that is not.
    fn create(&self) -> Result<(), DataError> {
        let (spool, database) = (self.dir.spool(), self.partial());
        DirBuilder::new().mode(0o700).create(&spool).during("create", &spool)?;
        new_file(&database).during("create", &database)?;
        Ok(())
    }

    fn copy_database(&self, snapshot: &Connection) -> rusqlite::Result<Copied> {
        let count = |sql| snapshot.query_row(sql, [], |row| row.get(0));
        let copied = Copied {
            lists: count("SELECT count(*) FROM list")?,
            entries: count("SELECT count(*) FROM entry")?,
            ..Copied::default()
        };
        let mut copy = Connection::open(self.partial())?;
        // All pages in one step: they are of one moment anyway, and nobody else knows the copy.
        Backup::new(snapshot, &mut copy)?.run_to_completion(c_int::MAX, limits::LOCK_RETRY, None)?;
        // The gate goes on and gives ids; one that is restored gives others.
        copy.execute("UPDATE minted SET up_to = up_to + ?1", [limits::IDS_AFTER_A_BACKUP])?;
        copy.close().map_err(|(_, why)| why)?;
        Ok(copied)
    }

    /// Gives its octets.
    fn copy_spool_file(&self, link: &Path) -> Result<u64, DataError> {
        let to = self.dir.spool().join(link.file_name().unwrap_or_default());
        let mut original = File::open(link).during("open", link)?;
        let mut copy = new_file(&to).during("create", &to)?;
        let octets = io::copy(&mut original, &mut copy).during("write", &to)?;
        copy.sync_all().during("sync", &to)?;
        Ok(octets)
    }

    /// Syncs what SQLite has not, and gives the database its name. Gives its octets.
    fn finish(&self) -> Result<u64, DataError> {
        for path in [self.dir.spool(), self.partial()] {
            File::open(&path).and_then(|file| file.sync_all()).during("sync", &path)?;
        }
        let database = self.dir.database();
        fs::rename(self.partial(), &database).during("create", &database)?;
        self.dir.sync()?;
        Ok(fs::metadata(&database).during("look at", &database)?.len())
    }

    /// Removes what was written.
    fn remove(&self) -> io::Result<()> {
        if self.created {
            return fs::remove_dir_all(self.dir.path());
        }
        for left in fs::read_dir(self.dir.path())? {
            let path = left?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }
}
