//! The backend of a gate in front of Mailman.

use super::cfg::Site;
use super::console;
use super::lists::Lists;
use super::pck::{self, Queues};
use super::publish::{Answer, Publisher};
use super::site_error::SiteError;
use super::writer::Writer;
use crate::backends::addresses::Rooms;
use crate::backends::answer;
use crate::backends::answer::at_once;
use crate::backends::backend::Backend;
use crate::backends::delivery::{Delivery, NotStored};
use crate::backends::fail_stop::FailStop;
use crate::backends::held::HeldFiles;
use crate::backends::intake_store::IntakeStore;
use crate::backends::lease_store::LeaseStore;
use crate::backends::lock::{self, Holder, Lock};
use crate::backends::posts::EngineStore;
use crate::backends::queued::Queued;
use crate::backends::registry::Registry;
use crate::backends::space::LastSpace;
use crate::backends::worker_thread::WorkerThread;
use crate::error_chain::Chain;
use crate::file_error::During;
use crate::limits;
use crate::message::Style;
use crate::metrics::Metrics;
use crate::model::{Changes, Depth, List, Name, Names, OutgoingNow, QueueNow, Space, StoreError};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_blocking;

/// Returns the gate that serves the site.
pub(crate) fn holder(site: &Site) -> io::Result<Holder> {
    let own = site.own_dir();
    lock::examine(&own, &lock::path(&own))
}

/// Returns the directory that holds large bodies while they arrive.
pub(crate) fn spool(site: &Site) -> PathBuf {
    site.own_dir().join("spool")
}

/// The backend of a gate in front of Mailman.
pub(crate) struct Mailman {
    lists: Lists,
    writer: Arc<Writer>,
    /// Limits how many deliveries are written at the same time.
    places: Arc<Semaphore>,
    /// The directory for arriving bodies.
    spool: PathBuf,
    held: Arc<HeldFiles>,
    fail_stop: FailStop,
    metrics: Arc<Metrics>,
    space: LastSpace,
}

impl Mailman {
    /// Locks the site against other gates, and removes unfinished files of a gate that died. Queue files leave
    /// `min_free` octets of their file systems free.
    pub(crate) fn open(site: &Site, min_free: u64, metrics: &Arc<Metrics>) -> Result<Self, SiteError> {
        let own = site.own_dir();
        let spool = spool(site);
        DirBuilder::new().recursive(true).mode(0o700).create(&spool).during("create", &spool)?;
        let lock = Lock::take(&own)?;
        for file in fs::read_dir(&spool).during("read", &spool)? {
            let file = file.during("read", &spool)?.path();
            fs::remove_file(&file).during("remove", &file)?;
        }
        let queues = Arc::new(Queues::open(site.queues.clone(), min_free).map_err(SiteError::Queues)?);
        let paths = Name::ALL.into_iter().map(|queue| queues.dir(queue).to_owned());
        let held = Arc::new(HeldFiles::at(paths.chain([spool.clone(), lock.path().to_owned()]))?);
        let fail_stop = FailStop::default();
        let publisher =
            Publisher::new(Arc::clone(&queues), Arc::clone(&held), fail_stop.clone(), Arc::clone(metrics));
        let publisher =
            WorkerThread::start("publisher", fail_stop.clone(), move |waiting| publisher.run(&waiting));
        let publisher = publisher.during("start the publisher for", &own)?;
        Ok(Self {
            lists: Lists::open(&site.database)?,
            writer: Arc::new(Writer { queues, site_owner: site.site_owner.clone(), publisher, _lock: lock }),
            places: Arc::new(Semaphore::new(limits::MAILMAN_WRITERS)),
            spool,
            held,
            fail_stop,
            metrics: Arc::clone(metrics),
            space: LastSpace::default(),
        })
    }

    /// Writes a delivery. If this is dropped at its await before the delivery is published, the delivery is not
    /// stored; after that it is.
    async fn write(&self, delivery: Delivery) -> Result<Vec<Queued>, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::closed())?;
        if self.fail_stop.is_set() {
            return Err(StoreError::closed());
        }
        let (answer, answered) = oneshot::channel();
        let writer = Arc::clone(&self.writer);
        // The writing thread answers if it fails. Otherwise the publishing thread does.
        drop(spawn_blocking(move || writer.write(delivery, Answer::new(answer, place))));
        let stored = answered.await.unwrap_or_else(|_| Err(StoreError::closed()));
        stored.inspect_err(|why| {
            self.metrics.failed(why);
            if why.is_final() {
                self.fail_stop.set(why);
            } else {
                tracing::error!("{}; the mail server will try again", Chain(why));
            }
        })
    }

    async fn look_up(&self, names: &Names, asked_at: Instant) -> Result<Option<Arc<List>>, StoreError> {
        let since = Instant::now();
        let found = self.lists.find(names, asked_at.into()).await;
        self.metrics.looked_up(since);
        Ok(found?.map(Arc::new))
    }

    /// Looks at each file in the queues. This may take long, so it runs beside the sessions.
    async fn look_at_queues(&self) -> Result<Vec<QueueNow>, StoreError> {
        let queues = Arc::clone(&self.writer.queues);
        let look =
            move || Name::ALL.into_iter().map(|queue| console::now(queues.dir(queue), queue)).collect();
        spawn_blocking(look).await.unwrap_or(Err(StoreError::closed()))
    }
}

impl Registry for Mailman {
    /// Mailman does not count changes.
    fn changes(&self, _asked_at: Instant) -> answer::Answer<'_, Option<Changes>> {
        at_once(Ok(None))
    }

    fn find<'a>(&'a self, names: &'a Names, asked_at: Instant) -> answer::Answer<'a, Option<Arc<List>>> {
        answer::Answer::of(self.look_up(names, asked_at))
    }

    fn serves<'a>(&'a self, domain: &'a str) -> answer::Answer<'a, bool> {
        answer::Answer::of(self.lists.serves(domain))
    }

    fn domains(&self) -> answer::Answer<'_, Vec<String>> {
        answer::Answer::of(self.lists.domains())
    }

    fn count_lists(&self) -> answer::Answer<'_, u64> {
        answer::Answer::of(self.lists.count_lists())
    }
}

impl Backend for Mailman {
    /// Mailman's runners work the queues themselves.
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>> {
        None
    }

    fn engine(self: Arc<Self>) -> Result<Option<Arc<dyn EngineStore>>, StoreError> {
        Ok(None)
    }

    fn outgoing_now(&self) -> answer::Answer<'_, Option<OutgoingNow>> {
        at_once(Ok(None))
    }
}

impl Rooms for Mailman {
    fn depth(&self, _queue: Name, _age: Duration) -> answer::Answer<'_, Depth> {
        at_once(Ok(Depth::default()))
    }

    fn space(&self) -> answer::Answer<'_, Space> {
        at_once(self.space.or_look(|| {
            self.held.check()?;
            Ok(self.writer.queues.space()?.least(pck::space(&self.spool)?))
        }))
    }
}

impl IntakeStore for Mailman {
    fn put(&self, delivery: Delivery) -> answer::Answer<'_, Vec<Queued>, NotStored> {
        answer::Answer::of(async { Ok(self.write(delivery).await?) })
    }

    /// Counts the files in the queues. `depth` counts none at RCPT, because Mailman's runners are always there to
    /// empty the queues.
    fn backlog(&self) -> answer::Answer<'_, Vec<QueueNow>> {
        answer::Answer::of(self.look_at_queues())
    }

    fn style(&self) -> Style {
        Style::Mailman
    }

    /// Several threads write.
    fn takes_up(&self) -> answer::Answer<'_, ()> {
        at_once(Ok(()))
    }

    fn give_up(&self, why: &StoreError) {
        self.fail_stop.set(why);
    }

    fn given_up(&self) -> watch::Receiver<bool> {
        self.fail_stop.watch()
    }
}
