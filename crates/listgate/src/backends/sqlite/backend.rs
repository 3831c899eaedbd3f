//! The embedded backend of a gate: its lookups, and the channel to its writer.

use super::connection::{self, OpenError, Use};
use super::data_dir::{DataDir, DataError, remove_orphans};
use super::errors::failed;
use super::leasing::{self, Round};
use super::lists::{self, Known};
use super::log_room::{Pages, log_room};
use super::queues::{self, Depths};
use super::steps::chunks as step_chunks;
use super::store::Choices;
use super::work::{PendingDelivery, PendingRequest, Promised, Reply, Request, Waiting, Work};
use super::writer::{Watched, Writer};
use super::{outbox, site_keys};
use crate::backends::addresses::Rooms;
use crate::backends::answer::{Answer, at_once};
use crate::backends::begun::{Begun, BegunMail};
use crate::backends::delivery::{Delivery, NotStored};
use crate::backends::fail_stop::FailStop;
use crate::backends::held::HeldFiles;
use crate::backends::intake_store::IntakeStore;
use crate::backends::lease_store::{LeaseRequest, LeaseStore, Leased};
use crate::backends::lock::Lock;
use crate::backends::queued::Queued;
use crate::backends::registry::Registry;
use crate::backends::space::LastSpace;
use crate::backends::stored_message::Messages;
use crate::backends::worker_thread::WorkerThread;
use crate::file_error::During;
use crate::limits;
use crate::message::Style;
use crate::metrics::Metrics;
use crate::model::{
    Changes, Clock, Depth, LeaseId, List, MessageId, Name, Names, NotStepped, QueueNow, Space, Stale, Step,
    Stepped, StoreError,
};
use rusqlite::Connection;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The embedded backend of a gate. Dropping it writes everything that was handed to its writer, then ends the
/// writer.
pub(crate) struct Sqlite {
    lookup: Mutex<(Connection, Known)>,
    data_dir: DataDir,
    held: Arc<HeldFiles>,
    fail_stop: FailStop,
    depths: Arc<Depths>,
    /// Pages in the write-ahead log, as the writer knows them.
    wal_pages: Arc<AtomicU32>,
    metrics: Arc<Metrics>,
    space: LastSpace,
    clock: Clock,
    /// Changes when the writer has stored mail.
    arrivals: watch::Receiver<()>,
    /// Changes when the writer has stored a post.
    posts: watch::Receiver<()>,
    /// The messages that have begun, for which the writer may wait.
    begun: BegunMail,
    writer: WorkerThread<Work>,
    /// Held for the life of the backend, and released last.
    _lock: Lock,
}

impl Sqlite {
    /// Locks the data directory, opens or creates the database, and cleans up after a crash.
    pub(crate) fn open(
        data_dir: &DataDir,
        choices: Choices,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, DataError> {
        data_dir.create()?;
        let lock = Lock::take(data_dir.path())?;
        let connection = connection::open(&data_dir.database(), Use::Writer)?;
        let database = data_dir.database();
        let failed = |operation| OpenError::database(operation, &database);
        connection.execute_batch("DELETE FROM discarded").map_err(failed("recover"))?;
        data_dir.sync()?;
        remove_orphans(&connection, &data_dir.spool())?;
        let now = choices.clock.milliseconds();
        outbox::recover(&connection, now).map_err(failed("recover the batches of"))?;
        site_keys::make_first(&connection, now).map_err(failed("make the first key of"))?;
        let lookup = connection::open(&data_dir.database(), Use::Lookup)?;
        let held = Arc::new(data_dir.held(Some(&lock))?);
        let fail_stop = FailStop::default();
        let depths = Arc::new(Depths::default());
        depths.read(&connection).map_err(failed("look how full the queues are in"))?;
        let clock = choices.clock.clone();
        let (arrived, arrivals) = watch::channel(());
        let (posted, posts) = watch::channel(());
        let watched = Watched {
            held: Arc::clone(&held),
            fail_stop: fail_stop.clone(),
            depths: Arc::clone(&depths),
            metrics: Arc::clone(metrics),
            arrived,
            posted,
        };
        let writer = Writer::new(connection, data_dir.clone(), choices, watched)
            .map_err(failed("watch the log of"))?;
        let wal_pages = writer.wal_pages();
        let begun = BegunMail::default();
        let begun_mail = begun.clone();
        let writer = WorkerThread::start("writer", fail_stop.clone(), move |work| {
            writer.run(Waiting::new(work, begun_mail));
        });
        let writer = writer.during("start the writer for", data_dir.path())?;
        Ok(Self {
            lookup: Mutex::new((lookup, Known::default())),
            data_dir: data_dir.clone(),
            held,
            fail_stop,
            depths,
            wal_pages,
            metrics: Arc::clone(metrics),
            space: LastSpace::default(),
            clock,
            arrivals,
            posts,
            begun,
            writer,
            _lock: lock,
        })
    }

    pub(super) fn query<T>(
        &self,
        operation: &'static str,
        query: impl FnOnce(&Connection, &mut Known) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.fail_stop.is_set() {
            return Err(StoreError::closed());
        }
        // A panic in another lookup leaves nothing half done, because lookups only read.
        let mut lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, known) = &mut *lookup;
        query(connection, known).map_err(failed(operation))
    }

    pub(super) fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Returns whether nothing more can be stored.
    pub(super) fn has_failed(&self) -> bool {
        self.fail_stop.is_set()
    }

    /// Returns a channel that changes when the writer has stored a post.
    pub(super) fn posts(&self) -> watch::Receiver<()> {
        self.posts.clone()
    }

    /// Returns the current time in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.milliseconds()
    }

    fn look_at_space(&self) -> Result<Space, StoreError> {
        self.held.check()?;
        let (unused, all) = self.query("count the free pages", |connection, _| {
            let count = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            Ok((count("freelist_count")?, count("page_count")?))
        })?;
        let pages = Pages { all, in_log: self.wal_pages.load(Ordering::Relaxed).into() };
        let look = || {
            let space = self.data_dir.space(unused)?;
            Ok(Space { log: log_room(&self.data_dir, pages, space.free)?.octets, ..space })
        };
        Ok(look().during("ask for the free space of", self.data_dir.path())?)
    }

    /// Stores a delivery. If the future is dropped before the writer takes up the delivery, nothing is stored; after
    /// that, the delivery is stored.
    async fn write(&self, delivery: Delivery) -> Result<Vec<Queued>, NotStored> {
        let closed = || NotStored::from(StoreError::closed());
        if self.fail_stop.is_set() {
            return Err(closed());
        }
        // Other sessions may be about to end their messages. What they send together shares a commit.
        tokio::task::yield_now().await;
        let (answer, answered) = oneshot::channel();
        let pending = PendingDelivery { delivery: Box::new(delivery), answer };
        self.writer.send(Work::Delivery(pending)).map_err(|_| closed())?;
        let Promised { queued, .. } = answered.await.unwrap_or_else(|_| Err(closed()))?;
        Ok(queued)
    }
}

/// Requests that consumers in this process send to the writer. A request is carried out even if its future is
/// dropped: leases that were taken then lapse.
impl Sqlite {
    pub(super) async fn request(&self, request: Request) -> Result<Reply, StoreError> {
        if self.fail_stop.is_set() {
            return Err(StoreError::closed());
        }
        let (answer, answered) = oneshot::channel();
        self.writer
            .send(Work::Request(PendingRequest { request, answer }))
            .map_err(|_| StoreError::closed())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::closed()))
    }

    async fn lease_some(&self, request: LeaseRequest) -> Result<Leased, StoreError> {
        let LeaseRequest { queue, ordered, max, hold, turn } = request;
        let max = max.min(limits::LEASED_AT_ONCE);
        let now = self.clock.milliseconds();
        let waits =
            self.query("look what waits", |connection, _| leasing::has_something(connection, queue, now));
        if max == 0 || !waits? {
            return Ok(Leased { leases: Vec::new(), turn });
        }
        let mut round = Round::new(queue, ordered, &turn);
        loop {
            let Reply::Leased { leases, round: next } =
                self.request(Request::Lease { round, max, hold }).await?
            else {
                unreachable!("a lease was asked for")
            };
            if !leases.is_empty() || next.ended {
                return Ok(Leased { leases, turn: next.at });
            }
            round = next;
        }
    }

    async fn extend_all(
        &self,
        leases: Vec<LeaseId>,
        hold: Duration,
    ) -> Result<Vec<Result<(), Stale>>, StoreError> {
        let mut all = Vec::new();
        for some in leases.chunks(limits::SETTLED_AT_ONCE) {
            let leases = some.to_vec();
            let Reply::Extended(extended) = self.request(Request::Extend { leases, hold }).await? else {
                unreachable!("more time was asked for")
            };
            all.extend(extended);
        }
        Ok(all)
    }

    async fn take_all(&self, steps: Vec<Step>) -> Result<Vec<Result<Stepped, NotStepped>>, StoreError> {
        let mut all = Vec::new();
        for some in step_chunks(&steps) {
            let Reply::Stepped(stepped) = self.request(Request::Step(some.to_vec())).await? else {
                unreachable!("steps were asked for")
            };
            all.extend(stepped);
        }
        Ok(all)
    }
}

impl Messages for Sqlite {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        if self.fail_stop.is_set() {
            return at_once(Err(StoreError::closed()));
        }
        let lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        at_once(queues::read(&lookup.0, &self.data_dir.spool(), message, offset, length))
    }
}

impl LeaseStore for Sqlite {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        Answer::of(self.lease_some(request))
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        Answer::of(self.extend_all(leases, hold))
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        Answer::of(self.take_all(steps))
    }

    fn arrivals(&self) -> Option<watch::Receiver<()>> {
        Some(self.arrivals.clone())
    }
}

/// Lookups run on the thread that asks: they take microseconds, and readers of a write-ahead log do not wait for a
/// writer.
impl Registry for Sqlite {
    fn changes(&self, asked_at: Instant) -> Answer<'_, Option<Changes>> {
        let is_known = self.query("look whether lists have changed", |_, known| Ok(known.is_read(asked_at)));
        Answer::of(async move {
            // The sessions that have octets to read now ask first, so that one read answers all of them.
            if !is_known? {
                tokio::task::yield_now().await;
            }
            self.query("look whether lists have changed", |connection, known| {
                known.changes(connection, asked_at).map(Some)
            })
        })
    }

    fn find<'a>(&'a self, names: &'a Names, asked_at: Instant) -> Answer<'a, Option<Arc<List>>> {
        let since = Instant::now();
        let found =
            self.query("look up the list", |connection, known| known.find(connection, names, asked_at));
        self.metrics.looked_up(since);
        at_once(found)
    }

    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        at_once(self.query("look up the domain", |connection, _| lists::serves(connection, domain)))
    }

    fn domains(&self) -> Answer<'_, Vec<String>> {
        at_once(self.query("look up the domains", |connection, _| {
            Ok(lists::domains(connection)?.into_iter().map(|domain| domain.name).collect())
        }))
    }

    fn count_lists(&self) -> Answer<'_, u64> {
        at_once(self.query("count the lists", |connection, _| lists::count(connection)))
    }
}

impl Rooms for Sqlite {
    fn depth(&self, queue: Name, age: Duration) -> Answer<'_, Depth> {
        if age < limits::DEPTH_AGE {
            let read =
                self.query("look how full the queues are", |connection, _| self.depths.read(connection));
            return at_once(read.map(|()| self.depths.get(queue)));
        }
        at_once(Ok(self.depths.get(queue)))
    }

    fn space(&self) -> Answer<'_, Space> {
        at_once(self.space.or_look(|| self.look_at_space()))
    }
}

impl IntakeStore for Sqlite {
    fn begin(&self) -> Option<Begun> {
        Some(self.begun.begin())
    }

    fn put(&self, delivery: Delivery) -> Answer<'_, Vec<Queued>, NotStored> {
        Answer::of(self.write(delivery))
    }

    fn backlog(&self) -> Answer<'_, Vec<QueueNow>> {
        at_once(
            self.query("look at the queues", |connection, _| {
                queues::now(connection, self.clock.milliseconds())
            }),
        )
    }

    fn style(&self) -> Style {
        Style::Plain
    }

    fn takes_up(&self) -> Answer<'_, ()> {
        let (answer, answered) = oneshot::channel();
        // If the writer has ended, the answer is dropped.
        let _ = self.writer.send(Work::Question(answer));
        Answer::of(async { answered.await.map_err(|_| StoreError::closed()) })
    }

    fn give_up(&self, why: &StoreError) {
        self.fail_stop.set(why);
    }

    fn given_up(&self) -> watch::Receiver<bool> {
        self.fail_stop.watch()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.writer.end();
        if self.fail_stop.is_set() {
            let (connection, _) = self.lookup.get_mut().unwrap_or_else(PoisonError::into_inner);
            // The last connection to close would sync the log.
            if let Ok(other) = Connection::open_in_memory() {
                std::mem::forget(std::mem::replace(connection, other));
            }
        }
    }
}
