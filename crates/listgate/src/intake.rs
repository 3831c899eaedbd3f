//! One transaction: message and recipients → endpoints → queue → one outcome for each.

use crate::backends::Home;
use crate::backends::{Delivery, NotStored, Outcomes, Queued};
use crate::capacity::{Capacity, Reserved};
use crate::config::RefuseAt;
use crate::limits;
use crate::message::Incoming;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::model::{Addressed, Envelope, Fingerprint, Name, StoreError};
use crate::model::{Changes, List};
use crate::model::{Endpoint, Names};
use crate::route::{self, Lookup, Rules};
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender, is_domain};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What every transaction of a gate shares.
pub(crate) struct Intake {
    pub(crate) home: Home,
    pub(crate) rules: Rules,
    pub(crate) refuse_at: RefuseAt,
    /// The right-hand side of a Message-ID of ours.
    pub(crate) hostname: String,
    pub(crate) capacity: Capacity,
    pub(crate) add_received: bool,
    pub(crate) metrics: Arc<Metrics>,
}

const LOOP: Refusal = Refusal::new(554, 4, 6, "Too many hops");

impl Intake {
    /// Room for a message of the declared size.
    pub(crate) fn admit(&self, sender: &Sender) -> Result<Reserved, Refusal> {
        let space = self.home.space().map_err(|why| self.unavailable(&why))?;
        self.capacity.reserve(sender.size, space)
    }

    /// Octets of a message have come, which may be more than were declared.
    pub(crate) fn arrived(&self, room: &mut Reserved, octets: u64) -> Result<(), Refusal> {
        self.capacity.arrived(room, octets, || self.home.space().map_err(|why| self.unavailable(&why)))
    }

    /// What RCPT answers for a message of the declared size. A doubt of ours is told at once, whatever
    /// `refuse_at` says.
    pub(crate) async fn recipient(
        &self,
        path: ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Recipient, Refusal> {
        let as_of = self.home.changes(asked).map_err(|why| self.unavailable(&why))?;
        match self.takes(&path, size, asked).await {
            Ok(endpoint) => Ok(Recipient { path, endpoint: Some(endpoint), as_of }),
            Err(refusal) if !refusal.is_temporary() && self.refuse_at == RefuseAt::Data => {
                Ok(Recipient { path, endpoint: None, as_of })
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The endpoint that an address is, if it takes a message of `size` octets now, as far as that is
    /// known; whenever a no is told by LMTP.
    pub(crate) async fn takes(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked: Instant,
    ) -> Result<Endpoint, Refusal> {
        let endpoint = route::route(path, size, &self.rules, &self.asked(asked)).await?;
        self.has_room(endpoint.role.queue()).map(|()| endpoint)
    }

    /// Whether an address belongs to a list, which may take no mail now.
    pub(crate) async fn belongs_to_a_list(&self, path: &ForwardPath) -> Result<(), Refusal> {
        route::resolve(path, &self.rules, &self.asked(Instant::now())).await.map(drop)
    }

    /// Whether mail to a domain is ours.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, Refusal> {
        self.asked(Instant::now()).serves(domain).await
    }

    fn asked(&self, at: Instant) -> Asked<'_> {
        Asked { intake: self, at }
    }

    /// Whether a queue takes another entry.
    fn has_room(&self, queue: Name) -> Result<(), Refusal> {
        let unavailable = |why: StoreError| self.unavailable(&why);
        let space = self.home.space().map_err(unavailable)?;
        let now = || self.home.depth_now(queue).map_err(unavailable);
        self.capacity.admits(queue, self.home.depth(queue), space, now)
    }

    /// A message begins to arrive.
    pub(crate) fn begin(&self, mail_from: &ReversePath, peer: &str, lhlo: &str) -> Box<Incoming> {
        let received = self.add_received.then(|| {
            // Any word is taken at LHLO; here it could open a comment, or make the line too long.
            let lhlo = if is_domain(lhlo) { lhlo } else { "unknown" };
            let now = mail_date(SystemTime::now());
            format!("Received: from {lhlo} ({peer})\r\n\tby {} with LMTP; {now}\r\n", self.hostname)
        });
        let (style, spool) = (self.home.style(), self.home.spool());
        Box::new(Incoming::new(style, self.home.mail_from(mail_from), &self.hostname, received, spool))
    }

    /// The message is whole: it is stored for every recipient that is an endpoint now, which may not
    /// be all that were at RCPT. Dropped at an await, either all of it is stored or nothing.
    pub(crate) async fn deliver(
        &self,
        envelope: Envelope,
        incoming: Box<Incoming>,
        to: PerRecipient<Recipient>,
    ) -> Result<Delivered, Refusal> {
        let message = incoming.finish().await.map_err(|why| self.unavailable(&why))?;
        #[cfg(test)]
        assert!(!message.message_id.contains("panic"), "injected by a test");
        let received_lines = message.facts.received_lines();
        if received_lines > limits::RECEIVED_LINES {
            return Err(
                LOOP.with_text(format!("Too many hops: {received_lines} Received lines, a mail loop"))
            );
        }
        let as_of = found_at_rcpt(&to, message.original_size);
        let to = if as_of.is_some() {
            to.map(|Recipient { path, endpoint, .. }| {
                Ok(addressed(&message, path, endpoint.expect("all were found at RCPT")))
            })
        } else {
            self.look_up(&message, to.map(|recipient| recipient.path)).await
        };
        let delivery = Delivery { envelope, message, to, as_of };
        match self.store(delivery).await {
            // Once is enough: they are then as of a moment after the data, as everywhere else. Lists that
            // come and go all the time could keep mail out for ever.
            Err(NotStored::Changed(outdated)) => {
                let Delivery { envelope, message, to, .. } = *outdated;
                let paths = to.map(|found| found.expect("all were found at RCPT").recipient);
                let to = self.look_up(&message, paths).await;
                self.store(Delivery { envelope, message, to, as_of: None }).await
            }
            stored => stored,
        }
        .map_err(|why| match why {
            NotStored::Store(why) => why.refusal(),
            NotStored::Changed(_) => unreachable!("what was looked up after the data is stored as it is"),
        })
    }

    /// Looks every recipient up anew.
    async fn look_up(
        &self,
        message: &Message,
        paths: PerRecipient<ForwardPath>,
    ) -> PerRecipient<Result<Addressed, Refusal>> {
        let lookup = self.asked(Instant::now());
        let mut found = Vec::new();
        for path in &paths {
            found.push(route::route(path, Some(message.original_size), &self.rules, &lookup).await);
        }
        let mut found = found.into_iter();
        paths.map(|path| {
            let endpoint = found.next().expect("each recipient was looked up")?;
            Ok(addressed(message, path, endpoint))
        })
    }

    async fn store(&self, delivery: Delivery) -> Result<Delivered, NotStored> {
        let Delivery { message, to, .. } = &delivery;
        let message_id = message.message_id.clone();
        let endpoints: Vec<_> =
            to.iter().map(|addressed| addressed.as_ref().ok().map(|it| it.endpoint.clone())).collect();
        let outcomes = if endpoints.iter().any(Option::is_some) {
            self.home.put(delivery).await?
        } else {
            delivery.to.map(|addressed| Err(addressed.expect_err("none is an endpoint")))
        };
        Ok(Delivered { outcomes, endpoints, message_id })
    }

    /// Whether mail would be taken now.
    ///
    /// # Errors
    /// Why not, in words for an operator.
    pub(crate) async fn is_ready(&self) -> Result<(), String> {
        self.home.serves("").await.map_err(|why| why.to_string())?;
        let space = self.home.space().map_err(|why| why.to_string())?;
        self.capacity.reserve(None, space).map(drop).map_err(|refusal| refusal.to_string())
    }

    /// The metrics as they are now, in Prometheus's text format.
    pub(crate) async fn metrics_now(&self) -> String {
        let queues = self.home.queues_now().await.unwrap_or_else(|why| {
            tracing::warn!("{why}; the metrics have no queues");
            Vec::new()
        });
        self.metrics.render(&queues, self.home.space().ok(), self.capacity.in_flight())
    }

    /// The refusal for a doubt of ours, after the log was told why.
    pub(crate) fn unavailable(&self, why: &StoreError) -> Refusal {
        self.metrics.failed(why);
        if why.is_final() {
            self.home.condemn(why);
        } else {
            tracing::error!("{why}; the mail server will try again");
        }
        why.refusal()
    }
}

/// A recipient that was accepted at RCPT, and what it was then.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) path: ForwardPath,
    /// `None`: it is refused after the data, if it is still no endpoint then.
    endpoint: Option<Endpoint>,
    as_of: Option<Changes>,
}

fn addressed(message: &Message, recipient: ForwardPath, endpoint: Endpoint) -> Addressed {
    let fingerprint = Fingerprint::new(&message.digest, &endpoint);
    Addressed { recipient, endpoint, fingerprint }
}

/// The one count of changes at which all recipients were endpoints that take `size` octets.
fn found_at_rcpt(to: &PerRecipient<Recipient>, size: u64) -> Option<Changes> {
    let mut counts = to.iter().map(|recipient| {
        recipient.endpoint.as_ref()?.takes(Some(size)).ok()?;
        recipient.as_of
    });
    let first = counts.next()??;
    counts.all(|count| count == Some(first)).then_some(first)
}

/// Answers a question that was asked at a moment: no answer is older than that.
struct Asked<'i> {
    intake: &'i Intake,
    at: Instant,
}

impl Lookup for Asked<'_> {
    async fn find(&self, names: &Names) -> Result<Option<Arc<List>>, Refusal> {
        self.intake.home.find(names, self.at).await.map_err(|why| self.intake.unavailable(&why))
    }

    async fn serves(&self, domain: &str) -> Result<bool, Refusal> {
        self.intake.home.serves(domain).await.map_err(|why| self.intake.unavailable(&why))
    }
}

/// A transaction that was decided.
pub(crate) struct Delivered {
    pub(crate) outcomes: Outcomes,
    /// The endpoint of each recipient that has one, in order.
    pub(crate) endpoints: Vec<Option<Endpoint>>,
    pub(crate) message_id: String,
}

impl Delivered {
    /// The id of the delivery, when something was stored.
    pub(crate) fn id(&self) -> Option<String> {
        self.outcomes.iter().flatten().next().map(Queued::delivery)
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
