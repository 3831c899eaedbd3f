//! The home of a gate: its lookups, and the way to its writer.

use super::connection::{self, OpenError, Use};
use super::data_dir::{DataDir, HomeError, remove_orphans};
use super::errors::failed;
use super::lists::{self, Known};
use super::puts::Put;
use super::queues::{self, Depths};
use super::store::Choices;
use super::writer::{Watched, Writer};
use crate::backends::condemned::Condemned;
use crate::backends::delivery::{Delivery, NotStored, Outcomes};
use crate::backends::hand_off::HandOff;
use crate::backends::held::HeldFiles;
use crate::backends::lock::Lock;
use crate::backends::space::LastSpace;
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::{Changes, Depth, List, Name, Names, QueueNow, Space, StoreError};
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

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
