//! One transaction: message and recipients → endpoints → queue → one outcome for each.

use crate::backends::{Backend, Delivery, NotStored, Queued};
use crate::capacity::{Capacity, Reserved};
use crate::config::RefuseAt;
use crate::limits;
use crate::message::{Incoming, Message, Spool};
use crate::metrics::Metrics;
use crate::model::{
    Addressed, Changes, Clock, DeliveryKey, Endpoint, Envelope, List, Name, Names, NotTaken, Space,
    StoreError,
};
use crate::route::{self, Lookup, Rules};
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender, is_domain};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// What every transaction of a gate shares.
pub(crate) struct Intake {
    pub(crate) backend: Arc<dyn Backend>,
    /// Where large bodies are kept while they arrive.
    pub(crate) spool: Spool,
    pub(crate) keys: DeliveryKeys,
    pub(crate) rules: Rules,
    pub(crate) refuse_at: RefuseAt,
    /// The right-hand side of a Message-ID of ours.
    pub(crate) hostname: String,
    pub(crate) capacity: Capacity,
    pub(crate) add_received: bool,
    /// When mail came.
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
}

const LOOP: Refusal = Refusal::new(554, 4, 6, "Too many hops");

/// A recipient, from RCPT to its reply.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) path: ForwardPath,
    /// What the address is, as it was looked up last; or why it takes no mail, which is replied after the data.
    pub(crate) endpoint: Result<Endpoint, NotTaken>,
    /// The count of changes that it was found at.
    as_of: Option<Changes>,
    /// What became of the message: known once the message is whole.
    pub(crate) outcome: Option<Result<Queued, Refusal>>,
}

impl Recipient {
    /// What the reply after the data says.
    pub(crate) fn into_outcome(self) -> Result<Queued, Refusal> {
        self.outcome.expect("each recipient has an outcome before it is replied to")
    }
}

impl Intake {
    /// Room for a message of the declared size.
    pub(crate) async fn admit(&self, sender: &Sender) -> Result<Reserved, Refusal> {
        let space = self.space().await?;
        self.capacity.reserve(sender.size, space)
    }

    /// Octets of a message have come, which may be more than were declared. Dropped at its await, none of them
    /// is counted.
    pub(crate) async fn arrived(&self, room: &mut Reserved, octets: u64) -> Result<(), Refusal> {
        match room.arrived(octets) {
            0 => Ok(()),
            more => self.capacity.extend(room, more, self.space().await?),
        }
    }

    async fn space(&self) -> Result<Space, Refusal> {
        self.backend.space().await.map_err(|why| self.unavailable(&why))
    }

    /// What RCPT answers for a message of the declared size. A doubt of ours is reported at once, whatever
    /// `refuse_at` says.
    pub(crate) async fn recipient(
        &self,
        path: ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Recipient, Refusal> {
        let as_of = self.backend.changes(asked).await.map_err(|why| self.unavailable(&why))?;
        match self.takes(&path, size, asked).await {
            Ok(endpoint) => Ok(Recipient { path, endpoint: Ok(endpoint), as_of, outcome: None }),
            Err(why) if !why.is_temporary() && self.refuse_at == RefuseAt::Data => {
                Ok(Recipient { path, endpoint: Err(why), as_of, outcome: None })
            }
            Err(why) => Err(why.refusal()),
        }
    }

    /// The endpoint that an address is, if it takes a message of `size` octets now, as far as that is
    /// known; whenever a no is told by LMTP.
    pub(crate) async fn takes(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.noted(route::route(path, size, &self.rules, &self.asked(asked)).await)?;
        self.noted(self.has_room(endpoint.role.queue()).await).map(|()| endpoint)
    }

    /// Whether an address belongs to a list, which may take no mail now.
    pub(crate) async fn belongs_to_a_list(&self, path: &ForwardPath) -> Result<(), NotTaken> {
        self.noted(route::resolve(path, &self.rules, &self.asked(Instant::now())).await).map(drop)
    }

    /// Whether mail to a domain is ours.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, NotTaken> {
        self.noted(self.backend.serves(domain).await.map_err(NotTaken::Unknown))
    }

    fn asked(&self, at: Instant) -> Asked<'_> {
        Asked { backend: &*self.backend, at }
    }

    /// Logs and counts what could not be answered.
    fn noted<T>(&self, answer: Result<T, NotTaken>) -> Result<T, NotTaken> {
        if let Err(NotTaken::Unknown(why)) = &answer {
            self.unavailable(why);
        }
        answer
    }

    /// Whether a queue takes another entry. Others empty it, so one that looks full is looked at again.
    async fn has_room(&self, queue: Name) -> Result<(), NotTaken> {
        let space = self.backend.space().await?;
        let mut depth = self.backend.depth(queue, limits::DEPTH_AGE).await?;
        if self.capacity.is_full(depth, space) {
            depth = self.backend.depth(queue, Duration::ZERO).await?;
        }
        self.capacity.admits(queue, depth, space)
    }

    /// A message begins to arrive.
    pub(crate) fn begin(&self, mail_from: &ReversePath, peer: &str, lhlo: &str) -> Box<Incoming> {
        let received = self.add_received.then(|| {
            // Any word is taken at LHLO; here it could open a comment, or make the line too long.
            let lhlo = if is_domain(lhlo) { lhlo } else { "unknown" };
            let now = mail_date(self.clock.now());
            format!("Received: from {lhlo} ({peer})\r\n\tby {} with LMTP; {now}\r\n", self.hostname)
        });
        let style = self.backend.style();
        let mail_from = style.mail_from(mail_from);
        Box::new(Incoming::new(style, mail_from, &self.hostname, received, self.spool.clone()))
    }

    /// The message is whole: it is stored for every recipient that is an endpoint now, which may not
    /// be all that were at RCPT. Gives its Message-ID; each recipient has its outcome then. Dropped at an await,
    /// either all of it is stored or nothing.
    ///
    /// # Errors
    /// The refusal of all recipients.
    pub(crate) async fn deliver(
        &self,
        envelope: Envelope,
        incoming: Box<Incoming>,
        to: &mut PerRecipient<Recipient>,
    ) -> Result<String, Refusal> {
        let message = incoming.finish().await.map_err(|why| self.unavailable(&why))?;
        let received_lines = message.facts.received_lines();
        if received_lines > limits::RECEIVED_LINES {
            return Err(
                LOOP.with_text(format!("Too many hops: {received_lines} Received lines, a mail loop"))
            );
        }
        let size = message.original_size;
        let as_of = found_at_rcpt(to, size);
        if as_of.is_none() {
            self.look_up(size, to).await;
        }
        let message_id = message.message_id.clone();
        let stored = match self.store(envelope, message, to, as_of).await {
            // Once is enough: they are then as of a moment after the data, as everywhere else. Lists that
            // come and go all the time could keep mail out for ever.
            Err(NotStored::Changed(outdated)) => {
                let Delivery { envelope, message, .. } = *outdated;
                self.look_up(size, to).await;
                self.store(envelope, message, to, None).await
            }
            stored => stored,
        };
        match stored {
            Ok(()) => Ok(message_id),
            Err(NotStored::Store(why)) => Err(why.refusal()),
            Err(NotStored::Changed(_)) => {
                unreachable!("what was looked up after the data is stored as it is")
            }
        }
    }

    /// Looks every recipient up again, for a message of `size` octets.
    async fn look_up(&self, size: u64, to: &mut PerRecipient<Recipient>) {
        let lookup = self.asked(Instant::now());
        for recipient in to {
            let endpoint = route::route(&recipient.path, Some(size), &self.rules, &lookup).await;
            recipient.endpoint = self.noted(endpoint);
        }
    }

    /// Stores the message for those that are endpoints, if there are any, and gives each its outcome.
    async fn store(
        &self,
        envelope: Envelope,
        message: Message,
        to: &mut PerRecipient<Recipient>,
        as_of: Option<Changes>,
    ) -> Result<(), NotStored> {
        let addressed: Vec<Addressed> = to.iter().filter_map(addressed).collect();
        let count = addressed.len();
        let queued = if addressed.is_empty() {
            Vec::new()
        } else {
            let key = self.keys.next();
            self.backend.put(Delivery { key, envelope, message, to: addressed, as_of }).await?
        };
        assert_eq!(queued.len(), count, "a backend gives a proof for each recipient");
        let mut queued = queued.into_iter();
        for recipient in to {
            recipient.outcome = Some(match &recipient.endpoint {
                Ok(_) => Ok(queued.next().expect("there is a proof for each endpoint")),
                Err(why) => Err(why.refusal()),
            });
        }
        Ok(())
    }

    /// Whether mail would be taken now.
    ///
    /// # Errors
    /// Why not, in words for an operator.
    pub(crate) async fn is_ready(&self) -> Result<(), String> {
        self.backend.serves("").await.map_err(|why| why.to_string())?;
        let space = self.backend.space().await.map_err(|why| why.to_string())?;
        self.capacity.reserve(None, space).map(drop).map_err(|refusal| refusal.to_string())
    }

    /// The metrics as they are now, in Prometheus's text format.
    pub(crate) async fn metrics_now(&self) -> String {
        let queues = self.backend.backlog().await.unwrap_or_else(|why| {
            tracing::warn!("{why}; the metrics have no queues");
            Vec::new()
        });
        let space = self.backend.space().await.ok();
        self.metrics.render(&queues, space, self.capacity.in_flight())
    }

    /// The refusal for a doubt of ours, after the log was told why.
    pub(crate) fn unavailable(&self, why: &StoreError) -> Refusal {
        self.metrics.failed(why);
        if why.is_final() {
            self.backend.give_up(why);
        } else {
            tracing::error!("{why}; the mail server will try again");
        }
        why.refusal()
    }
}

/// The recipient as a backend stores it.
fn addressed(Recipient { path, endpoint, .. }: &Recipient) -> Option<Addressed> {
    let endpoint = endpoint.as_ref().ok()?.clone();
    Some(Addressed { recipient: path.to_string(), endpoint })
}

/// Keys of deliveries that no other gate gives.
pub(crate) struct DeliveryKeys {
    gate: u64,
    given: AtomicU64,
}

impl DeliveryKeys {
    pub(crate) fn new() -> Self {
        // Random: std seeds each of them from the system.
        Self { gate: RandomState::new().hash_one("gate"), given: AtomicU64::new(0) }
    }

    fn next(&self) -> DeliveryKey {
        DeliveryKey { gate: self.gate, n: self.given.fetch_add(1, Ordering::Relaxed) }
    }
}

/// The one count of changes at which all recipients were endpoints that take `size` octets.
fn found_at_rcpt(to: &PerRecipient<Recipient>, size: u64) -> Option<Changes> {
    let mut counts = to.iter().map(|recipient| {
        recipient.endpoint.as_ref().ok()?.takes(Some(size)).ok()?;
        recipient.as_of
    });
    let first = counts.next()??;
    counts.all(|count| count == Some(first)).then_some(first)
}

/// Answers a question that was asked at a moment: no answer is older than that.
struct Asked<'i> {
    backend: &'i dyn Backend,
    at: Instant,
}

impl Lookup for Asked<'_> {
    async fn find(&self, names: &Names) -> Result<Option<Arc<List>>, StoreError> {
        self.backend.find(names, self.at).await
    }

    async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        self.backend.serves(domain).await
    }
}

/// A time as RFC 5322 section 3.3 writes it, in UTC and without the optional day of the week.
fn mail_date(time: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 2026-11-23T09:18:36Z
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let month = text[5..7].parse::<usize>().map_or("Jan", |month| MONTHS[(month - 1) % 12]);
    format!("{} {month} {} {} +0000", &text[8..10], &text[..4], &text[11..19])
}
