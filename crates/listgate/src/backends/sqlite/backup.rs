//! A copy of a data directory, made while its gate runs.
//!
//! Two things keep the copy consistent. A read transaction fixes the rows as they are at one moment. Hard links keep
//! the spool files that these rows name: the gate unlinks a file only after a commit has dropped its row, and no
//! process can commit while we hold the write lock. So the transaction begins and the links are made under that
//! lock; all copying comes after it.
//!
//! The database gets its name last, so a directory that contains a `listgate.db` is a complete copy.

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

/// What a backup contains.
#[derive(Default, Debug)]
pub(crate) struct Copied {
    pub(crate) lists: u64,
    pub(crate) entries: u64,
    pub(crate) spool_files: u64,
    /// Octets of the database and the spool files.
    pub(crate) octets: u64,
}

/// Why a backup failed.
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

/// Copies a data directory into `to`, which must be empty or not exist.
pub(crate) fn backup(from: &DataDir, to: &Path) -> Result<Copied, BackupError> {
    // Comes before anything is created, so that a misspelt data directory leaves nothing behind.
    let snapshot = from.open()?;
    // Comes before the target is examined, so that two backups cannot both find it empty.
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
    // Otherwise the links could be to files of another directory than that of the rows.
    held.check()?;
    target.create()?;
    let mut copied = target
        .copy_database(&snapshot)
        .map_err(|why| BackupError::Copy { path: target.dir.path().to_owned(), source: why.into() })?;
    // The gate cannot restart its log while a read transaction is open.
    drop(snapshot);
    links.each(|link| {
        copied.octets += target.copy_spool_file(link)?;
        copied.spool_files += 1;
        Ok(())
    })?;
    copied.octets += target.finish()?;
    Ok(copied)
}

/// Begins the transaction of `snapshot` and links every file that its rows name, while no other process writes.
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

/// Creates a file that only its owner can read, because it contains mail.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The directory of hard links. It is on the file system of the spool directory, and the gate ignores it. Only one
/// backup holds it at a time; the kernel releases the lock however the process ends.
struct Links {
    dir: PathBuf,
    _lock: File,
}

impl Links {
    /// Creates and locks the directory, and removes links that a killed backup left behind.
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
        // The next backup removes what stays, and `doctor` reports it until then.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The directory that the copy goes to.
struct Target {
    dir: DataDir,
    created: bool,
}

impl Target {
    fn prepare(path: &Path) -> Result<Self, BackupError> {
        let dir = DataDir::new(path);
        // It will contain all mail, so only its owner may read it.
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

    /// Returns the temporary path of the database, which is used until everything else is in place.
    fn partial(&self) -> PathBuf {
        self.dir.path().join("listgate.db.partial")
    }

    /// Creates the spool directory and the database with the same permissions as the originals, even in a directory
    /// that is open to other users.
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
        // All pages in one step: they are of the same moment anyway, and no other process uses the copy.
        Backup::new(snapshot, &mut copy)?.run_to_completion(c_int::MAX, limits::LOCK_RETRY, None)?;
        // The gate goes on assigning ids, and a restored gate must assign different ones.
        copy.execute("UPDATE minted SET up_to = up_to + ?1", [limits::IDS_AFTER_A_BACKUP])?;
        let numbers = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name IN ('member', 'roster', 'post', 'batch', 'held_post', 'request', 'offer')";
        copy.execute(numbers, [limits::IDS_AFTER_A_BACKUP])?;
        copy.close().map_err(|(_, why)| why)?;
        Ok(copied)
    }

    /// Copies one spool file and returns its size in octets.
    fn copy_spool_file(&self, link: &Path) -> Result<u64, DataError> {
        let to = self.dir.spool().join(link.file_name().unwrap_or_default());
        let mut original = File::open(link).during("open", link)?;
        let mut copy = new_file(&to).during("create", &to)?;
        let octets = io::copy(&mut original, &mut copy).during("write", &to)?;
        copy.sync_all().during("sync", &to)?;
        Ok(octets)
    }

    /// Syncs what SQLite has not synced, and gives the database its name. Returns the size of the database in
    /// octets.
    fn finish(&self) -> Result<u64, DataError> {
        for path in [self.dir.spool(), self.partial()] {
            File::open(&path).and_then(|file| file.sync_all()).during("sync", &path)?;
        }
        let database = self.dir.database();
        fs::rename(self.partial(), &database).during("create", &database)?;
        self.dir.sync()?;
        Ok(fs::metadata(&database).during("look at", &database)?.len())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_goes_on_with_other_numbers_than_its_original() {
        let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = DataDir::new(dir.path());
        let connection = data.open_or_create().unwrap();
        let insert = "INSERT INTO domain (name) VALUES ('b');
            INSERT INTO list (domain, local, list_id, created_at) VALUES ('b', 'a', 'a.b', 0);
            INSERT INTO member (list, role, address, joined_at, own_posts, hidden) VALUES (1, 'member', 'x', 0, 1, 0);
            INSERT INTO post (list, kind, message_id, accepted_at, settings, personal, cutoff) VALUES (1, 'post', '', 0, '', 0, 1);
            INSERT INTO batch (post, above, upto, state) VALUES (1, 0, 1, 'sending');
            INSERT INTO held_post (list, kept, mail_from, message_id, author, subject, reasons, held_at)
            VALUES (1, 1, '', '', '', '', '', 0);
            INSERT INTO request (list, kind, phase, address, confirmed, asked_at, forget_at)
            VALUES (1, 'join', 'confirm', 'x', 0, 0, 0);
            INSERT INTO offer (list, held, offered_at) VALUES (1, 1, 0);";
        connection.execute_batch(insert).unwrap();
        backup(&data, &to.path().join("copy")).unwrap();
        let copy = DataDir::new(&to.path().join("copy")).open().unwrap();
        let mut last = copy
            .prepare(
                "SELECT name, seq FROM sqlite_sequence WHERE name NOT IN ('kept', 'token_key') ORDER BY name",
            )
            .unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let last: Vec<_> = last.query_map([], read).unwrap().map(Result::unwrap).collect();
        let after = |name: &str| (name.to_owned(), limits::IDS_AFTER_A_BACKUP + 1);
        assert_eq!(last, ["batch", "held_post", "member", "offer", "post", "request", "roster"].map(after));
    }
}
