//! One transaction: message and recipients → endpoints → queue → one outcome for each.

use crate::body::Incoming;
use crate::config::RefuseAt;
use crate::homes::sqlite::Home;
use crate::queue::{Addressed, Delivery, Envelope, Outcomes, Queued, Unavailable};
use crate::route::{self, Endpoint, Rules};
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender};
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
    /// Octets of the file system that mail must leave free.
    pub(crate) min_free: u64,
    pub(crate) add_received: bool,
}

const NO_SPACE: Refusal = Refusal::new(452, 3, 1, "Insufficient system storage, try again later");

impl Intake {
    /// Whether there is room for a message of the declared size.
    pub(crate) fn admit(&self, sender: &Sender) -> Result<(), Refusal> {
        let free = self.home.free_space().map_err(|why| self.unavailable(&why))?;
        let wanted = self.min_free.saturating_add(sender.size.unwrap_or(0));
        if free < wanted {
            tracing::warn!("no room: {free} octets are free, and {wanted} are wanted (storage.min_free)");
            return Err(NO_SPACE);
        }
        Ok(())
    }

    /// Which endpoint an address is, looked up now, for a message of `size` octets.
    fn route(&self, path: &ForwardPath, size: Option<u64>) -> Result<Endpoint, Refusal> {
        let lookup = |why: Unavailable| self.unavailable(&why);
        route::route(
            path,
            size,
            &self.rules,
            |names| self.home.find(names).map_err(lookup),
            |domain| self.home.serves(domain).map_err(lookup),
        )
    }

    /// What RCPT answers for a message of the declared size. A doubt of ours is told at once, whatever
    /// `refuse_at` says.
    pub(crate) fn recipient(&self, path: &ForwardPath, size: Option<u64>) -> Result<(), Refusal> {
        match self.route(path, size) {
            Err(refusal) if refusal.is_temporary() || self.refuse_at == RefuseAt::Rcpt => Err(refusal),
            _ => Ok(()),
        }
    }

    /// A message begins to arrive.
    pub(crate) fn begin(&self, mail_from: &ReversePath, peer: &str, lhlo: &str) -> Incoming {
        let received = self.add_received.then(|| {
            let now = mail_date(SystemTime::now());
            format!("Received: from {lhlo} ({peer})\r\n\tby {} with LMTP; {now}\r\n", self.hostname)
        });
        Incoming::new(mail_from.to_string(), &self.hostname, received, self.home.spool())
    }

    /// The message is whole: it is stored for every recipient that is an endpoint now, which may not
    /// be all that were at RCPT. Dropped at an await, either all of it is stored or nothing.
    pub(crate) async fn deliver(
        &self,
        envelope: Envelope,
        incoming: Incoming,
        to: PerRecipient<ForwardPath>,
    ) -> Result<Delivered, Refusal> {
        let message = incoming.finish().await.map_err(|why| self.unavailable(&why))?;
        #[cfg(test)]
        assert!(!message.message_id.contains("panic"), "injected by a test");
        let original_size = message.original_size;
        let to = to.map(|recipient| {
            let endpoint = self.route(&recipient, Some(original_size))?;
            let msgdata = endpoint.msgdata(original_size, &self.owner);
            Ok(Addressed { recipient, endpoint, msgdata })
        });
        let endpoints = to.iter().map(|addressed| addressed.as_ref().ok().map(described)).collect();
        let message_id = message.message_id.clone();
        let outcomes = if to.iter().any(Result::is_ok) {
            let stored = self.home.put(Delivery { envelope, message, to }).await;
            stored.map_err(|why| why.refusal())?
        } else {
            to.map(|addressed| Err(addressed.expect_err("none is an endpoint")))
        };
        Ok(Delivered { outcomes, endpoints, message_id })
    }

    /// The refusal for a doubt of ours, after the log was told why.
    pub(crate) fn unavailable(&self, why: &Unavailable) -> Refusal {
        tracing::error!("{why}; the mail server will try again");
        self.home.condemn_if_final(why);
        why.refusal()
    }
}

/// A transaction that was decided.
pub(crate) struct Delivered {
    pub(crate) outcomes: Outcomes,
    /// The endpoint of each recipient as the log names it, in order.
    pub(crate) endpoints: Vec<Option<String>>,
    pub(crate) message_id: String,
}

impl Delivered {
    /// The id of the delivery, when something was stored.
    pub(crate) fn id(&self) -> Option<String> {
        self.outcomes.iter().flatten().next().map(Queued::delivery)
    }
}

fn described(Addressed { endpoint, .. }: &Addressed) -> String {
    format!("{}/{} {}", endpoint.role.queue(), endpoint.role.name(), endpoint.list.list_id)
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
