//! One transaction: from a message and its recipients to endpoints, to the queue, to one outcome for each
//! recipient.

use crate::backends::{Begun, Delivery, NotStored, Queued};
use crate::capacity::Reservation;
use crate::limits;
use crate::message::{Incoming, Message, Spool};
use crate::model::{
    Addressed, Changes, Clock, DeliveryKey, Endpoint, Envelope, NotTaken, Space, ascii_domain,
};
use crate::services::Services;
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender, is_domain};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

/// The state that all transactions of a gate share.
pub(crate) struct Intake {
    pub(crate) services: Arc<Services>,
    /// The spool that holds large bodies while they arrive.
    pub(crate) spool: Spool,
    pub(crate) keys: Arc<DeliveryKeys>,
    /// The right-hand side of a generated Message-ID.
    pub(crate) hostname: String,
    pub(crate) add_received: bool,
    /// The clock that stamps arriving mail.
    pub(crate) clock: Clock,
}

const LOOP: Refusal = Refusal::new(554, 4, 6, "Too many hops");

/// A recipient, from RCPT to its reply.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) path: ForwardPath,
    /// The endpoint as it was last looked up, or the reason the address takes no mail, which is reported after the
    /// data.
    pub(crate) endpoint: Result<Endpoint, NotTaken>,
    /// The count of changes at which the endpoint was found.
    as_of: Option<Changes>,
    /// The outcome of the message for this recipient, known once the message is complete.
    pub(crate) outcome: Option<Result<Queued, Refusal>>,
}

impl Recipient {
    /// Returns the outcome that the reply after the data reports.
    pub(crate) fn into_outcome(self) -> Result<Queued, Refusal> {
        self.outcome.expect("each recipient has an outcome before it is replied to")
    }
}

/// A message while it arrives.
pub(crate) struct Arrival {
    /// The part that has arrived so far.
    pub(crate) incoming: Box<Incoming>,
    /// What the store returned when the message began.
    begun: Option<Begun>,
}

impl Intake {
    /// Reserves room for a message of the declared size.
    pub(crate) async fn admit(&self, sender: &Sender) -> Result<Reservation, Refusal> {
        let space = self.space().await?;
        self.services.capacity.reserve(sender.size, space)
    }

    /// Counts octets of a message that have arrived, which may be more than were declared. If the future is dropped
    /// at its await, it reserves no room for them.
    pub(crate) async fn arrived(&self, room: &mut Reservation, octets: u64) -> Result<(), Refusal> {
        match room.arrived(octets) {
            0 => Ok(()),
            more => self.services.capacity.extend(room, more, self.space().await?),
        }
    }

    async fn space(&self) -> Result<Space, Refusal> {
        self.services.backend.space().await.map_err(|why| self.services.unavailable(&why))
    }

    /// Returns what RCPT answers for a message of the declared size.
    pub(crate) async fn recipient(
        &self,
        path: ForwardPath,
        size: Option<u64>,
        asked_at: Instant,
    ) -> Result<Recipient, Refusal> {
        let Services { directory, .. } = &*self.services;
        let as_of = directory.changes(asked_at).await.map_err(|why| self.services.unavailable(&why))?;
        match self.services.noted(directory.takes(&path, size, asked_at).await) {
            Err(why) if directory.is_refused_at_rcpt(&why) => Err(why.refusal()),
            endpoint => Ok(Recipient { path, endpoint, as_of, outcome: None }),
        }
    }

    /// Starts to receive a message. `protocol` is the word for it in the Received line.
    pub(crate) fn begin(&self, mail_from: &ReversePath, peer: &str, lhlo: &str, protocol: &str) -> Arrival {
        let received = self.add_received.then(|| {
            // LHLO accepts any word. Here it could open a comment, make the line too long, or bring UTF-8 into a
            // header that has none.
            let ascii = if lhlo.is_ascii() { None } else { ascii_domain(lhlo) };
            let lhlo = ascii.as_deref().unwrap_or(lhlo);
            let lhlo = if lhlo.is_ascii() && is_domain(lhlo) { lhlo } else { "unknown" };
            let now = mail_date(self.clock.now());
            format!("Received: from {lhlo} ({peer})\r\n\tby {} with {protocol}; {now}\r\n", self.hostname)
        });
        let style = self.services.backend.style();
        let mail_from = style.mail_from(mail_from);
        let incoming = Incoming::new(style, mail_from, &self.hostname, received, self.spool.clone());
        Arrival { incoming, begun: self.services.backend.begin() }
    }

    /// Stores a complete message for every recipient that is an endpoint now, which may not be all that were at
    /// RCPT. Returns its Message-ID; each recipient then has its outcome. If the future is dropped at an await,
    /// either all of it is stored or nothing.
    ///
    /// # Errors
    /// The refusal for all recipients.
    pub(crate) async fn deliver(
        &self,
        envelope: Envelope,
        Arrival { incoming, begun }: Arrival,
        to: &mut PerRecipient<Recipient>,
    ) -> Result<String, Refusal> {
        let message = incoming.finish().await.map_err(|why| self.services.unavailable(&why))?;
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
        let stored = match self.store(envelope, message, begun, to, as_of).await {
            // One retry is enough: the answers are then from a moment after the data, as in the other cases. With
            // more retries, lists that change all the time could keep mail out forever.
            Err(NotStored::Changed(outdated)) => {
                let Delivery { envelope, message, .. } = *outdated;
                self.look_up(size, to).await;
                self.store(envelope, message, None, to, None).await
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

    /// Looks up every recipient again, for a message of `size` octets.
    async fn look_up(&self, size: u64, to: &mut PerRecipient<Recipient>) {
        let asked_at = Instant::now();
        for recipient in to {
            let endpoint = self.services.directory.accepts(&recipient.path, Some(size), asked_at).await;
            recipient.endpoint = self.services.noted(endpoint);
        }
    }

    /// Stores the message for the recipients that are endpoints, if there are any, and sets each recipient's
    /// outcome.
    async fn store(
        &self,
        envelope: Envelope,
        message: Message,
        begun: Option<Begun>,
        to: &mut PerRecipient<Recipient>,
        as_of: Option<Changes>,
    ) -> Result<(), NotStored> {
        let addressed: Vec<Addressed> = to.iter().filter_map(addressed).collect();
        let count = addressed.len();
        let queued = if addressed.is_empty() {
            Vec::new()
        } else {
            let key = self.keys.next();
            let delivery = Delivery { key, envelope, message, to: addressed, as_of, begun };
            self.services.backend.put(delivery).await?
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
}

/// Returns the recipient in the form in which a backend stores it.
fn addressed(Recipient { path, endpoint, .. }: &Recipient) -> Option<Addressed> {
    let endpoint = endpoint.as_ref().ok()?.clone();
    Some(Addressed { recipient: path.to_string(), endpoint })
}

/// A source of delivery keys that no other gate uses.
pub(crate) struct DeliveryKeys {
    gate: u64,
    given: AtomicU64,
}

impl DeliveryKeys {
    pub(crate) fn new() -> Self {
        // Random: std seeds each `RandomState` from the system.
        Self { gate: RandomState::new().hash_one("gate"), given: AtomicU64::new(0) }
    }

    fn next(&self) -> DeliveryKey {
        DeliveryKey { gate: self.gate, n: self.given.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Returns the count of changes at which all recipients were endpoints that take `size` octets, if it is the same
/// for all.
fn found_at_rcpt(to: &PerRecipient<Recipient>, size: u64) -> Option<Changes> {
    let mut counts = to.iter().map(|recipient| {
        recipient.endpoint.as_ref().ok()?.takes(Some(size)).ok()?;
        recipient.as_of
    });
    let first = counts.next()??;
    counts.all(|count| count == Some(first)).then_some(first)
}

/// Formats a time as in RFC 5322 section 3.3, in UTC and without the optional day of the week.
pub(crate) fn mail_date(time: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 2026-11-23T09:18:36Z
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let month = text[5..7].parse::<usize>().map_or("Jan", |month| MONTHS[(month - 1) % 12]);
    format!("{} {month} {} {} +0000", &text[8..10], &text[..4], &text[11..19])
}
