//! The embedded home: lists and queues in one SQLite file, large bodies in a directory beside it.

pub(crate) mod backup;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod health;
pub(crate) mod leases;
pub(crate) mod lists;
pub(crate) mod msgdata;
mod puts;
pub(crate) mod queues;
mod seen;
mod store;
mod writer;

use super::hand_off::HandOff;
use super::held::HeldFiles;
use super::lock::{self, Holder, Lock, LockError};
use super::space::{LastSpace, Space};
use super::{Condemned, Queued};
use crate::body::Spool;
use crate::config::Redelivery;
use crate::lists::{Changes, List};
use crate::metrics::{Metrics, QueueNow};
use crate::queue::{Delivery, Depth, Name, NotStored, Outcomes, StoreError};
use crate::route::Names;
use connection::{OpenError, PAGE_SIZE, Use};
use errors::failed;
use lists::Known;
use puts::Put;
use queues::Depths;
use rusqlite::Connection;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use writer::{Watched, Writer};

/// Why a data directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "there is no data in {}: name another --data-dir, or begin with `listgate serve` or \
         `listgate list create`",
        path.display()
    )]
    Nothing { path: PathBuf },
    #[error("cannot {operation}: {source}")]
    Database { operation: &'static str, source: rusqlite::Error },
}

/// Where things are in a data directory.
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

    /// Where a backup holds the spool files that it copies.
    pub(crate) fn backup_links(&self) -> PathBuf {
        self.0.join("backup-links")
    }

    /// Opens the database for a command that adds to it, creating what is missing.
    pub(crate) fn open_or_create(&self) -> Result<Connection, HomeError> {
        self.create()?;
        Ok(connection::open(&self.database(), Use::Command)?)
    }

    /// Opens the database for a command that looks at it: a misspelt directory is not created.
    pub(crate) fn open(&self) -> Result<Connection, HomeError> {
        self.open_for(Use::Command)
    }

    /// The same for whoever works a queue.
    pub(crate) fn open_to_consume(&self) -> Result<Connection, HomeError> {
        self.open_for(Use::Consumer)
    }

    fn open_for(&self, purpose: Use) -> Result<Connection, HomeError> {
        if !self.database().exists() {
            return Err(HomeError::Nothing { path: self.0.clone() });
        }
        Ok(connection::open(&self.database(), purpose)?)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("listgate.db")
    }

    /// The write-ahead log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("listgate.db-wal")
    }

    /// What there is room for, with so many free pages within the database file.
    pub(crate) fn space(&self, unused: u64) -> io::Result<Space> {
        Space::at(&self.0, unused * PAGE_SIZE)
    }

    /// The index of the write-ahead log.
    fn index(&self) -> PathBuf {
        self.0.join("listgate.db-shm")
    }

    /// The gate of the directory.
    pub(crate) fn holder(&self) -> io::Result<Holder> {
        lock::examine(&self.0, &self.database())
    }

    /// What is now found on the paths that a gate, with its lock, or a consumer goes on using.
    fn held(&self, lock: Option<&Lock>) -> Result<HeldFiles, HomeError> {
        let own = [self.database(), self.log(), self.index(), self.spool()];
        let lock = lock.map(|lock| lock.path().to_owned());
        HeldFiles::at(own.into_iter().chain(lock)).map_err(|(path, source)| HomeError::File {
            operation: "look at",
            path,
            source,
        })
    }

    fn create(&self) -> Result<(), HomeError> {
        let spool = self.spool();
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| HomeError::File { operation, path, source }
        };
        create_dir(&self.0, 0o777).map_err(failed("create the data directory", &self.0))?;
        // Other people's mail is nobody's to read; the directory may also hold a socket, which is.
        create_dir(&spool, 0o700).map_err(failed("create", &spool))?;
        let database = self.database();
        // Only a new one is opened: closing a file drops the locks that SQLite has on it.
        match File::options().create_new(true).write(true).mode(0o600).open(&database) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(failed("create", &database)(why)),
            _ => Ok(()),
        }
    }

    /// What an earlier start made, and died before it was synced.
    fn sync(&self) -> Result<(), HomeError> {
        for dir in [self.path(), parent(self.path())] {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(|source| HomeError::File { operation: "sync", path: dir.to_owned(), source })?;
        }
        Ok(())
    }
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a directory and those above it that are missing. A new name survives a power loss only when
/// the directory that holds it is synced.
fn create_dir(dir: &Path, mode: u32) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    create_dir(parent(dir), 0o777)?;
    match DirBuilder::new().mode(mode).create(dir) {
        // Another process was faster, and may die before its sync.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        created => created?,
    }
    File::open(parent(dir))?.sync_all()
}

/// What the operator chose of how mail is stored.
pub(crate) struct Choices {
    pub(crate) redelivery: Redelivery,
    /// The envelope sender of mail to a list's owners.
    pub(crate) owner: String,
}

/// The home of a gate. Dropping it ends its writer, after what was handed to it is written.
pub(crate) struct Home {
    lookup: Mutex<(Connection, Known)>,
    spool: Spool,
    data_dir: DataDir,
    held: Arc<HeldFiles>,
    condemned: Condemned,
    depths: Arc<Depths>,
    metrics: Arc<Metrics>,
    space: LastSpace,
    writer: HandOff<Put>,
    /// Held for the life of the home, and released last.
    _lock: Lock,
}

impl Home {
    /// Locks the data directory, opens or creates the database, and recovers what a crash left.
    pub(crate) fn open(
        data_dir: &DataDir,
        choices: Choices,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, HomeError> {
        data_dir.create()?;
        let lock = Lock::take(data_dir.path())?;
        let connection = connection::open(&data_dir.database(), Use::Writer)?;
        let failed =
            |operation| move |source| OpenError::Database { operation, path: data_dir.database(), source };
        connection.execute_batch("DELETE FROM discarded").map_err(failed("recover"))?;
        data_dir.sync()?;
        remove_orphans(&connection, &data_dir.spool())?;
        let lookup = connection::open(&data_dir.database(), Use::Lookup)?;
        let held = Arc::new(data_dir.held(Some(&lock))?);
        let condemned = Condemned::default();
        let depths = Arc::new(Depths::default());
        depths.read(&connection).map_err(failed("look how full the queues are in"))?;
        let watched = Watched {
            held: Arc::clone(&held),
            condemned: condemned.clone(),
            depths: Arc::clone(&depths),
            metrics: Arc::clone(metrics),
        };
        let writer = Writer::new(connection, data_dir.clone(), choices, watched)
            .map_err(failed("watch the log of"))?;
        let writer = HandOff::start("writer", condemned.clone(), move |waiting| writer.run(&waiting));
        let writer = writer.map_err(|source| HomeError::File {
            operation: "start the writer for",
            path: data_dir.path().to_owned(),
            source,
        })?;
        Ok(Self {
            lookup: Mutex::new((lookup, Known::default())),
            spool: Spool::new(&data_dir.spool()),
            data_dir: data_dir.clone(),
            held,
            condemned,
            depths,
            metrics: Arc::clone(metrics),
            space: LastSpace::default(),
            writer,
            _lock: lock,
        })
    }

    /// How often lists and domains had changed at a moment not before `asked`.
    pub(crate) fn changes(&self, asked: Instant) -> Result<Changes, StoreError> {
        self.ask("look whether lists have changed", |connection, known| known.changes(connection, asked))
    }

    /// The list that answers for `names` at a moment not before `asked`. It takes microseconds, and
    /// readers of a write-ahead log wait for no writer, so it is done where it is asked.
    pub(crate) fn find(&self, names: &Names, asked: Instant) -> Result<Option<Arc<List>>, StoreError> {
        let since = Instant::now();
        let found = self.ask("look up the list", |connection, known| known.find(connection, names, asked));
        self.metrics.looked_up(since);
        found
    }

    /// Whether mail to `domain` is ours.
    pub(crate) fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        self.ask("look up the domain", |connection, _| lists::serves(connection, domain))
    }

    /// The queues as they are now.
    pub(crate) fn queues_now(&self) -> Result<Vec<QueueNow>, StoreError> {
        self.ask("look at the queues", |connection, _| queues::now(connection))
    }

    pub(crate) fn count_lists(&self) -> Result<u64, StoreError> {
        self.ask("count the lists", |connection, _| lists::count(connection))
    }

    fn ask<T>(
        &self,
        operation: &'static str,
        question: impl FnOnce(&Connection, &mut Known) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.condemned.is_set() {
            return Err(StoreError::closed());
        }
        // A panic in another lookup leaves nothing half done: it was a read.
        let mut lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, known) = &mut *lookup;
        question(connection, known).map_err(failed(operation))
    }

    /// How full a queue is: as of our last commit, or of the last half second while we had none.
    pub(crate) fn depth(&self, queue: Name) -> Depth {
        self.depths.get(queue)
    }

    /// How full a queue is now.
    pub(crate) fn depth_now(&self, queue: Name) -> Result<Depth, StoreError> {
        self.ask("look how full the queues are", |connection, _| self.depths.read(connection))?;
        Ok(self.depths.get(queue))
    }

    /// Where large bodies go while they arrive.
    pub(crate) fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// What the file system of the data directory has for mail.
    pub(crate) fn space(&self) -> Result<Space, StoreError> {
        self.space.or_look(|| self.look_at_space())
    }

    fn look_at_space(&self) -> Result<Space, StoreError> {
        self.held.check()?;
        let unused = self.ask("count the free pages", |connection, _| {
            connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
        })?;
        self.data_dir
            .space(unused)
            .map_err(|source| StoreError::file("ask for the free space of", self.data_dir.path(), source))
    }

    /// Stores a delivery: one commit, then one proof for each endpoint. Dropped at its await before the
    /// writer took it up, the delivery is not stored; after that it is.
    pub(crate) async fn put(&self, delivery: Delivery) -> Result<Outcomes, NotStored> {
        let closed = || NotStored::from(StoreError::closed());
        if self.condemned.is_set() {
            return Err(closed());
        }
        let (answer, answered) = oneshot::channel();
        self.writer.send(Put { delivery, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the taking of mail for good, after a failed sync.
    pub(crate) fn condemn(&self, why: &StoreError) {
        self.condemned.set(why);
    }

    /// Becomes true when a sync has failed.
    pub(crate) fn condemned(&self) -> watch::Receiver<bool> {
        self.condemned.watch()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.writer.end();
        if self.condemned.is_set() {
            let (connection, _) = self.lookup.get_mut().unwrap_or_else(PoisonError::into_inner);
            // The last to close would sync the log.
            if let Ok(other) = Connection::open_in_memory() {
                std::mem::forget(std::mem::replace(connection, other));
            }
        }
    }
}

/// Removes spool files that no row names: what was arriving when the last gate ended.
fn remove_orphans(connection: &Connection, spool: &Path) -> Result<(), HomeError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| HomeError::File { operation, path, source }
    };
    let asked = |source| HomeError::Database { operation: "look for spool files", source };
    let mut named = connection.prepare("SELECT 1 FROM delivery WHERE spool = ?1").map_err(asked)?;
    for file in fs::read_dir(spool).map_err(failed("read", spool))? {
        let path = file.map_err(failed("read", spool))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !named.exists([&*name]).map_err(asked)? {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}
