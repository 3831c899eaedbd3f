//! The home of a gate in front of Mailman.

use super::beside;
use super::cfg::Site;
use super::lists::Lists;
use super::pck::{self, Queues};
use super::publish::{Answer, Publisher};
use super::site_error::SiteError;
use super::writer::Writer;
use crate::backends::condemned::Condemned;
use crate::backends::delivery::{Delivery, Outcomes};
use crate::backends::hand_off::HandOff;
use crate::backends::held::HeldFiles;
use crate::backends::lock::{self, Holder, Lock};
use crate::backends::space::LastSpace;
use crate::limits;
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::{List, Name, Names, QueueNow, Space, StoreError};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_blocking;

/// The gate that serves the site.
pub(crate) fn holder(site: &Site) -> io::Result<Holder> {
    let own = site.own_dir();
    lock::examine(&own, &lock::path(&own))
}

/// The home of a gate in front of Mailman.
pub(crate) struct Home {
    lists: Lists,
    writer: Arc<Writer>,
    /// Bounds the deliveries that are written at the same time.
    places: Arc<Semaphore>,
    spool: Spool,
    held: Arc<HeldFiles>,
    condemned: Condemned,
    metrics: Arc<Metrics>,
    space: LastSpace,
}

impl Home {
    /// Locks the site against another gate, and removes what a dead one left unfinished. Queue files leave
    /// `min_free` octets of their file systems free.
    pub(crate) fn open(site: Site, min_free: u64, metrics: &Arc<Metrics>) -> Result<Self, SiteError> {
        let own = site.own_dir();
        let spool = own.join("spool");
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| SiteError::File { operation, path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&spool);
        made.map_err(failed("create", &spool))?;
        let lock = Lock::take(&own)?;
        for file in fs::read_dir(&spool).map_err(failed("read", &spool))? {
            let file = file.map_err(failed("read", &spool))?.path();
            fs::remove_file(&file).map_err(failed("remove", &file))?;
        }
        let queues = Arc::new(Queues::open(site.queues, min_free).map_err(SiteError::Queues)?);
        let paths = Name::ALL.into_iter().map(|queue| queues.dir(queue).to_owned());
        let held = HeldFiles::at(paths.chain([spool.clone(), lock.path().to_owned()]));
        let held = Arc::new(held.map_err(|(path, why)| failed("look at", &path)(why))?);
        let condemned = Condemned::default();
        let publisher =
            Publisher::new(Arc::clone(&queues), Arc::clone(&held), condemned.clone(), Arc::clone(metrics));
        let publisher =
            HandOff::start("publisher", condemned.clone(), move |waiting| publisher.run(&waiting));
        let publisher = publisher.map_err(failed("start the publisher for", &own))?;
        Ok(Self {
            lists: Lists::open(&site.database)?,
            writer: Arc::new(Writer { queues, site_owner: site.site_owner, publisher, _lock: lock }),
            places: Arc::new(Semaphore::new(limits::MAILMAN_WRITERS)),
            spool: Spool::new(&spool),
            held,
            condemned,
            metrics: Arc::clone(metrics),
            space: LastSpace::default(),
        })
    }

    pub(crate) async fn find(&self, names: &Names, asked: Instant) -> Result<Option<List>, StoreError> {
        let since = Instant::now();
        let found = self.lists.find(names, asked.into()).await;
        self.metrics.looked_up(since);
        found
    }

    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        self.lists.serves(domain).await
    }

    pub(crate) async fn count_lists(&self) -> Result<u64, StoreError> {
        self.lists.count_lists().await
    }

    pub(crate) fn space(&self) -> Result<Space, StoreError> {
        let look = || {
            self.held.check()?;
            Ok(self.writer.queues.space()?.least(pck::space(self.spool.dir())?))
        };
        self.space.or_look(look)
    }

    /// The queues as they are now. Each file in them is looked at, which may take long: sessions go on
    /// meanwhile.
    pub(crate) async fn queues_now(&self) -> Result<Vec<QueueNow>, StoreError> {
        let queues = Arc::clone(&self.writer.queues);
        let look = move || Name::ALL.into_iter().map(|queue| beside::now(queues.dir(queue), queue)).collect();
        spawn_blocking(look).await.unwrap_or(Err(StoreError::closed()))
    }

    pub(crate) fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// Dropped at its await before it is published, the delivery is not stored; after that it is.
    pub(crate) async fn put(&self, delivery: Delivery) -> Result<Outcomes, StoreError> {
        let closed = || StoreError::closed();
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        if self.condemned.is_set() {
            return Err(closed());
        }
        let (answer, answered) = oneshot::channel();
        let writer = Arc::clone(&self.writer);
        // Whoever comes last answers: the thread that writes if it fails, else the one that publishes.
        drop(spawn_blocking(move || writer.write(delivery, Answer::new(answer, place))));
        let stored = answered.await.unwrap_or_else(|_| Err(closed()));
        stored.inspect_err(|why| {
            self.metrics.failed(why);
            if !why.is_final() {
                tracing::error!("{why}; the mail server will try again");
            } else if !self.condemned.is_set() {
                self.condemned.set(why);
            }
        })
    }

    pub(crate) fn condemn(&self, why: &StoreError) {
        self.condemned.set(why);
    }

    pub(crate) fn condemned(&self) -> watch::Receiver<bool> {
        self.condemned.watch()
    }
}
