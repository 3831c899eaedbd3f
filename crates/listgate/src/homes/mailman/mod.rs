//! A GNU Mailman 3 site: its lists in Mailman's database, its queues in Mailman's directories.

pub(crate) mod beside;
pub(crate) mod cfg;
pub(crate) mod database;
pub(crate) mod entry;
mod lists;
pub(crate) mod message_id;
pub(crate) mod pck;
mod pickle;
mod publish;
mod read_pickle;
#[cfg(test)]
mod tests;

use super::Condemned;
use super::hand_off::HandOff;
use super::held::HeldFiles;
use super::lock::{self, Holder, Lock, LockError};
use super::space::{LastSpace, Space};
use crate::body::Spool;
use crate::limits;
use crate::lists::List;
use crate::metrics::{Metrics, QueueNow};
use crate::queue::{Delivery, Msgdata, Name, Outcomes, StoreError};
use crate::route::{Endpoint, Names, Role};
use cfg::{CfgError, Site};
use database::SourceError;
use listgate_lmtp::ReversePath;
use lists::Lists;
use pck::{Mail, PutError, Queues, Synced};
use pickle::Metadata;
use publish::{Answer, Publisher, Ready};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_blocking;

/// Why a Mailman site cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Cfg(#[from] CfgError),
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}; Mailman makes its queues when it starts: start it once, or run Listgate as its user")]
    Queues(StoreError),
}

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

/// The envelope sender as Mailman's runner has it, which knows members by it: aiosmtpd takes off quotes
/// that are not needed. That it decodes encoded words within an address is left out.
pub(crate) fn mail_from(sender: &ReversePath) -> String {
    const NEED_QUOTES: &[char] = &['(', ')', '<', '>', '@', ',', ':', ';', '\\', '"', '[', ']', ' '];
    let ReversePath::Mailbox(mailbox) = sender else { return sender.to_string() };
    if !mailbox.local().is_quoted() {
        return sender.to_string();
    }
    let (local, domain) = (mailbox.local().unquoted(), mailbox.domain().as_str());
    if local.is_empty() || local.contains(NEED_QUOTES) {
        let escaped = local.replace('\\', r"\\").replace('"', r#"\""#);
        return format!("\"{escaped}\"@{domain}");
    }
    format!("{local}@{domain}")
}

/// The metadata of an entry but for its time, as Mailman's LMTP runner has it.
pub(crate) fn msgdata(endpoint: &Endpoint, original_size: u64, site_owner: &str) -> Msgdata {
    let mut msgdata = Msgdata::from([
        ("_parsemsg".to_owned(), false.into()),
        ("listid".to_owned(), endpoint.list.list_id.clone().into()),
        ("original_size".to_owned(), original_size.into()),
        ("version".to_owned(), 3.into()),
    ]);
    let mut add = |key: &str, value: serde_json::Value| msgdata.insert(key.to_owned(), value);
    match endpoint.role {
        Role::Post => add("to_list", true.into()),
        role => add("subaddress", role.name().into()),
    };
    if endpoint.role == Role::Request {
        add("to_request", true.into());
    }
    if endpoint.role == Role::Owner {
        add("to_owner", true.into());
        add("envsender", site_owner.into());
    }
    msgdata
}

/// Writes deliveries, several side by side, and hands them on to be published.
struct Writer {
    queues: Arc<Queues>,
    site_owner: String,
    publisher: HandOff<Ready>,
    /// Held until the last delivery is published.
    _lock: Lock,
}

impl Writer {
    fn write(&self, delivery: Delivery, answer: Answer) {
        match self.synced(&delivery) {
            Err(why) => answer.send(Err(why)),
            Ok(files) => {
                if let Err(Ready { answer, .. }) = self.publisher.send(Ready { delivery, files, answer }) {
                    answer.send(Err(StoreError::closed()));
                }
            }
        }
    }

    /// One file for each endpoint, synced.
    fn synced(&self, delivery: &Delivery) -> Result<Synced, StoreError> {
        let Delivery { envelope, message, to, .. } = delivery;
        let mail_from = mail_from(&envelope.mail_from);
        let original_size = message.original_size;
        let metadata: Vec<Metadata<'_>> = to
            .iter()
            .flatten()
            .map(|addressed| Metadata {
                list_id: &addressed.endpoint.list.list_id,
                original_size,
                received_at: envelope.received_at,
                role: addressed.endpoint.role,
                site_owner: &self.site_owner,
            })
            .collect();
        let mail = Mail { body: &message.body, original_size, mail_from: &mail_from, to: &metadata };
        let written = self.queues.write(&mail).map_err(|why| match why {
            PutError::Store(why) => why,
            PutError::TooLong(why) => {
                StoreError::file("write a file into", self.queues.dir(Name::In), io::Error::other(why))
            }
        })?;
        written.sync()
    }
}

/// Milliseconds since 1970.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
