//! One transaction: message and recipients → endpoints → queue → one outcome for each.

use crate::body::Incoming;
use crate::capacity::{Capacity, Reserved};
use crate::config::RefuseAt;
use crate::homes::Home;
use crate::limits;
use crate::lists::List;
use crate::metrics::Metrics;
use crate::queue::{Addressed, Delivery, Envelope, Fingerprint, Name, Outcomes, Queued, Unavailable};
use crate::route::{self, Endpoint, Lookup, Names, Rules};
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender};
use std::sync::Arc;
use std::time::SystemTime;

/// What every transaction of a gate shares.
pub(crate) struct Intake {
    pub(crate) home: Home,
    pub(crate) rules: Rules,
    pub(crate) refuse_at: RefuseAt,
    /// The envelope sender of mail to a list's owners.
    pub(crate) owner: String,
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

    /// Which endpoint an address is, looked up now, for a message of `size` octets.
    async fn route(&self, path: &ForwardPath, size: Option<u64>) -> Result<Endpoint, Refusal> {
        route::route(path, size, &self.rules, self).await
    }

    /// What RCPT answers for a message of the declared size. A doubt of ours is told at once, whatever
    /// `refuse_at` says.
    pub(crate) async fn recipient(&self, path: &ForwardPath, size: Option<u64>) -> Result<(), Refusal> {
        match self.takes(path, size).await {
            Err(refusal) if !refusal.is_temporary() && self.refuse_at == RefuseAt::Data => Ok(()),
            decided => decided,
        }
    }

    /// Whether an address is an endpoint that takes a message of `size` octets now, as far as that is
    /// known; whenever a no is told by LMTP.
    pub(crate) async fn takes(&self, path: &ForwardPath, size: Option<u64>) -> Result<(), Refusal> {
        let endpoint = self.route(path, size).await?;
        self.has_room(endpoint.role.queue())
    }

    /// Whether an address belongs to a list, which may take no mail now.
    pub(crate) async fn belongs_to_a_list(&self, path: &ForwardPath) -> Result<(), Refusal> {
        route::resolve(path, &self.rules, self).await.map(drop)
    }

    /// Whether a queue takes another entry.
    fn has_room(&self, queue: Name) -> Result<(), Refusal> {
        let unavailable = |why: Unavailable| self.unavailable(&why);
        let space = self.home.space().map_err(unavailable)?;
        let now = || self.home.depth_now(queue).map_err(unavailable);
        self.capacity.admits(queue, self.home.depth(queue), space, now)
    }

    /// A message begins to arrive.
    pub(crate) fn begin(&self, mail_from: &ReversePath, peer: &str, lhlo: &str) -> Box<Incoming> {
        let received = self.add_received.then(|| {
            let now = mail_date(SystemTime::now());
            format!("Received: from {lhlo} ({peer})\r\n\tby {} with LMTP; {now}\r\n", self.hostname)
        });
        let (style, spool) = (self.home.style(), self.home.spool());
        Box::new(Incoming::new(style, mail_from.to_string(), &self.hostname, received, spool))
    }

    /// The message is whole: it is stored for every recipient that is an endpoint now, which may not
    /// be all that were at RCPT. Dropped at an await, either all of it is stored or nothing.
    pub(crate) async fn deliver(
        &self,
        envelope: Envelope,
        incoming: Box<Incoming>,
        to: PerRecipient<ForwardPath>,
    ) -> Result<Delivered, Refusal> {
        let message = incoming.finish().await.map_err(|why| self.unavailable(&why))?;
        #[cfg(test)]
        assert!(!message.message_id.contains("panic"), "injected by a test");
        let original_size = message.original_size;
        let received_lines = message.facts.received_lines();
        if received_lines > limits::RECEIVED_LINES {
            return Err(
                LOOP.with_text(format!("Too many hops: {received_lines} Received lines, a mail loop"))
            );
        }
        let mut routed = Vec::new();
        for recipient in &to {
            routed.push(self.route(recipient, Some(original_size)).await);
        }
        let mut routed = routed.into_iter();
        let to = to.map(|recipient| {
            let endpoint = routed.next().expect("each recipient was routed")?;
            let msgdata = endpoint.msgdata(original_size, &self.owner);
            let fingerprint = Fingerprint::new(&message.digest, &recipient.to_string());
            Ok(Addressed { recipient, endpoint, msgdata, fingerprint })
        });
        let endpoints: Vec<_> =
            to.iter().map(|addressed| addressed.as_ref().ok().map(|it| it.endpoint.clone())).collect();
        let message_id = message.message_id.clone();
        let outcomes = if to.iter().any(Result::is_ok) {
            let stored = self.home.put(Delivery { envelope, message, to }).await;
            stored.map_err(|why| why.refusal())?
        } else {
            to.map(|addressed| Err(addressed.expect_err("none is an endpoint")))
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
    pub(crate) fn metrics_now(&self) -> String {
        let queues = self.home.queues_now().unwrap_or_default();
        self.metrics.render(&queues, self.home.space().ok(), self.capacity.in_flight())
    }

    /// The refusal for a doubt of ours, after the log was told why.
    pub(crate) fn unavailable(&self, why: &Unavailable) -> Refusal {
        self.metrics.failed(why);
        if why.is_final() {
            self.home.condemn(why);
        } else {
            tracing::error!("{why}; the mail server will try again");
        }
        why.refusal()
    }
}

impl Lookup for Intake {
    async fn find(&self, names: &Names) -> Result<Option<List>, Refusal> {
        self.home.find(names).await.map_err(|why| self.unavailable(&why))
    }

    async fn serves(&self, domain: &str) -> Result<bool, Refusal> {
        self.home.serves(domain).await.map_err(|why| self.unavailable(&why))
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
