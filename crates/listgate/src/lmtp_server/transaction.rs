//! One transaction, from an accepted MAIL to its outcome, and the one line that the log has about it.

use super::shared::Shared;
use crate::backends::Queued;
use crate::capacity::Reserved;
use crate::intake::Recipient;
use crate::limits;
use crate::message::Incoming;
use crate::model::Again;
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender};
use std::time::{Instant, SystemTime};

/// An open transaction.
pub(super) struct Transaction {
    pub(super) record: Record,
    /// Octets that MAIL declared.
    pub(super) declared_size: Option<u64>,
    pub(super) message: Arriving,
    /// Held until the outcome, or until the message is given up.
    pub(super) room: Reserved,
}

/// What is known of a transaction from its beginning to its line in the log.
pub(super) struct Record {
    started: Instant,
    pub(super) received_at: SystemTime,
    pub(super) mail_from: ReversePath,
    /// Octets of the message that have come.
    size: u64,
    /// Recipients that were refused at RCPT, as the log names them.
    refused: Vec<String>,
    more_refused: usize,
}

/// The message of a transaction while it arrives.
pub(super) enum Arriving {
    /// What there is of it so far.
    Taken(Box<Incoming>),
    /// We could not go on with it: the rest is read and forgotten, and this is the refusal of its recipients.
    GivenUp(Refusal),
    /// The session refuses it at its end, with a refusal of its own; the rest is read and forgotten.
    Unwanted,
}

/// How a transaction ended.
pub(super) enum Ended<'d> {
    /// Each recipient has an outcome.
    Decided { recipients: &'d PerRecipient<Recipient>, message_id: &'d str },
    /// The session refused the message, for all of these.
    Refused { recipients: &'d [Recipient], why: &'d Refusal },
    /// There was no message, for these.
    Abandoned { recipients: &'d [Recipient] },
}

impl Transaction {
    pub(super) fn new(sender: Sender, incoming: Box<Incoming>, room: Reserved, now: SystemTime) -> Self {
        let record = Record {
            started: Instant::now(),
            received_at: now,
            mail_from: sender.path,
            size: 0,
            refused: Vec::new(),
            more_refused: 0,
        };
        Self { record, declared_size: sender.size, message: Arriving::Taken(incoming), room }
    }

    /// What is left of the message is read and forgotten; what came of it is dropped now.
    pub(super) fn drop_message(&mut self, why: Arriving) {
        self.message = why;
        self.room.release();
    }
}

impl Record {
    /// Octets of the message have come.
    pub(super) fn arrived(&mut self, octets: u64) {
        self.size += octets;
    }

    /// A recipient was refused at RCPT.
    pub(super) fn refuses(&mut self, path: &ForwardPath, refusal: &Refusal, shared: &Shared) {
        if self.refused.len() < limits::LOGGED_REFUSALS {
            self.refused.push(format!("{} {refusal}", shared.services().named(&path.to_string())));
        } else {
            self.more_refused += 1;
        }
    }

    /// Logs and counts how it ended.
    pub(super) fn end(mut self, how: &Ended<'_>, peer: &str, shared: &Shared) {
        let (outcome, id, message_id) = match how {
            Ended::Decided { recipients, message_id } => {
                let first = recipients.iter().find_map(|to| to.outcome.as_ref()?.as_ref().ok());
                let id = first.map(Queued::delivery);
                (if id.is_some() { "queued" } else { "refused" }, id, *message_id)
            }
            Ended::Refused { .. } => ("refused", None, "-"),
            Ended::Abandoned { .. } => ("abandoned", None, "-"),
        };
        let mut to = recipients(how, shared);
        to.append(&mut self.refused);
        if self.more_refused > 0 {
            to.push(format!("and {} more refused", self.more_refused));
        }
        shared.services().metrics.transaction(outcome, self.size);
        tracing::info!(
            id = id.as_deref().unwrap_or("-"),
            message_id,
            from = %shared.services().named(&self.mail_from.to_string()),
            to = to.join(", "),
            size = self.size,
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            peer,
            "{}",
            if matches!(how, Ended::Abandoned { .. }) { "abandoned" } else { "transaction" },
        );
    }
}

/// What became of each accepted recipient. Those that have no outcome stand alone.
fn recipients(how: &Ended<'_>, shared: &Shared) -> Vec<String> {
    let name = |recipient: &Recipient| shared.services().named(&recipient.path.to_string());
    let refused = |recipient: &Recipient, refusal: &Refusal| {
        shared.services().metrics.refused("data", refusal);
        format!("{} {refusal}", name(recipient))
    };
    match how {
        Ended::Abandoned { recipients } => recipients.iter().map(name).collect(),
        Ended::Refused { recipients, why } => recipients.iter().map(|to| refused(to, why)).collect(),
        Ended::Decided { recipients, .. } => {
            let each = recipients.iter().map(|to| match (&to.outcome, &to.endpoint) {
                (None, _) => name(to),
                (Some(Err(refusal)), _) => refused(to, refusal),
                (Some(Ok(queued)), Ok(endpoint)) => {
                    shared.services().metrics.queued(endpoint, queued.again());
                    format!("{} {endpoint} {}{}", name(to), queued.id(), remark(queued))
                }
                (Some(Ok(_)), Err(_)) => unreachable!("only an endpoint has an entry"),
            });
            each.collect()
        }
    }
}

/// What the log adds about an entry that came before.
fn remark(queued: &Queued) -> &'static str {
    match queued.again() {
        Again::No => "",
        Again::Marked => " (came before: queued again, and marked)",
        Again::Suppressed => " (came before: not queued twice)",
        Again::Handled => " (came before and was handled: not queued again)",
    }
}
