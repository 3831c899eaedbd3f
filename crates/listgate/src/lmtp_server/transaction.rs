//! One transaction, from an accepted MAIL to its outcome, and its one line in the log.

use super::shared::Shared;
use crate::backends::Queued;
use crate::capacity::Reservation;
use crate::intake::{Arrival, Recipient};
use crate::limits;
use crate::model::Duplicate;
use crate::services::Services;
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath, Sender};
use std::fmt::{self, Write};
use std::time::{Instant, SystemTime};

/// An open transaction.
pub(super) struct Transaction {
    pub(super) record: Record,
    /// The size that MAIL declared, in octets.
    pub(super) declared_size: Option<u64>,
    pub(super) message: Arriving,
    /// The room for the message, held until the outcome or until the message is dropped.
    pub(super) room: Reservation,
}

/// The facts about a transaction, collected from its start until it is logged.
pub(super) struct Record {
    started: Instant,
    pub(super) received_at: SystemTime,
    pub(super) mail_from: ReversePath,
    /// Octets of the message that have arrived.
    size: u64,
    /// The recipients that were refused at RCPT, as the log names them.
    refused: Vec<String>,
    more_refused: usize,
}

/// The message of a transaction while it arrives.
pub(super) enum Arriving {
    /// The part that has arrived so far.
    Taken(Arrival),
    /// We gave the message up: the rest is read and discarded, and its recipients get this refusal.
    GivenUp(Refusal),
    /// The session will refuse the message at its end, with a refusal of its own; the rest is read and discarded.
    Unwanted,
}

/// How a transaction ended.
pub(super) enum Ended<'d> {
    /// Each recipient has an outcome.
    Decided { recipients: &'d PerRecipient<Recipient>, message_id: &'d str },
    /// The session refused the message for all of these recipients.
    Refused { recipients: &'d [Recipient], why: &'d Refusal },
    /// There was no message for these recipients.
    Abandoned { recipients: &'d [Recipient] },
}

impl Transaction {
    pub(super) fn new(sender: Sender, arrival: Arrival, room: Reservation, now: SystemTime) -> Self {
        let record = Record {
            started: Instant::now(),
            received_at: now,
            mail_from: sender.path,
            size: 0,
            refused: Vec::new(),
            more_refused: 0,
        };
        Self { record, declared_size: sender.size, message: Arriving::Taken(arrival), room }
    }

    /// Drops what has arrived of the message. The rest will be read and discarded.
    pub(super) fn drop_message(&mut self, why: Arriving) {
        self.message = why;
        self.room.release();
    }
}

impl Record {
    /// Counts octets of the message that have arrived.
    pub(super) fn arrived(&mut self, octets: u64) {
        self.size += octets;
    }

    /// Records a recipient that was refused at RCPT.
    pub(super) fn refuses(&mut self, path: &ForwardPath, refusal: &Refusal, shared: &Shared) {
        if self.refused.len() < limits::LOGGED_REFUSALS {
            self.refused.push(format!("{} {refusal}", shared.services().named(path)));
        } else {
            self.more_refused += 1;
        }
    }

    /// Logs and counts how the transaction ended.
    pub(super) fn end(self, how: &Ended<'_>, peer: &str, shared: &Shared) {
        let (outcome, id, message_id) = match how {
            Ended::Decided { recipients, message_id } => {
                let first = recipients.iter().find_map(|to| to.outcome.as_ref()?.as_ref().ok());
                let id = first.map(Queued::delivery);
                (if id.is_some() { "queued" } else { "refused" }, id, *message_id)
            }
            Ended::Refused { .. } => ("refused", None, "-"),
            Ended::Abandoned { .. } => ("abandoned", None, "-"),
        };
        let mut to =
            Said { services: shared.services(), text: String::with_capacity(limits::LOGGED_RECIPIENTS) };
        match how {
            Ended::Decided { recipients, .. } => recipients.iter().for_each(|one| to.add_outcome(one)),
            Ended::Refused { recipients, why } => recipients.iter().for_each(|one| to.add_refused(one, why)),
            Ended::Abandoned { recipients } => recipients.iter().for_each(|one| to.add_name(one)),
        }
        for refused in &self.refused {
            to.add(format_args!("{refused}"));
        }
        if self.more_refused > 0 {
            to.add(format_args!("and {} more refused", self.more_refused));
        }
        shared.services().metrics.transaction(outcome, self.size);
        tracing::info!(
            id = id.as_deref().unwrap_or("-"),
            message_id,
            from = %shared.services().named(&self.mail_from),
            to = to.text,
            size = self.size,
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            peer,
            "{}",
            if matches!(how, Ended::Abandoned { .. }) { "abandoned" } else { "transaction" },
        );
    }
}

/// What the log says about the recipients of a transaction, separated by commas.
struct Said<'s> {
    services: &'s Services,
    text: String,
}

impl Said<'_> {
    fn add(&mut self, of_one: fmt::Arguments<'_>) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.write_fmt(of_one).expect("a String takes any text");
    }

    fn add_name(&mut self, recipient: &Recipient) {
        self.add(format_args!("{}", self.services.named(&recipient.path)));
    }

    /// Adds and counts a recipient that was refused after the data.
    fn add_refused(&mut self, recipient: &Recipient, refusal: &Refusal) {
        self.services.metrics.refused("data", refusal);
        self.add(format_args!("{} {refusal}", self.services.named(&recipient.path)));
    }

    /// Adds and counts what became of a recipient. One without an outcome is only named.
    fn add_outcome(&mut self, recipient: &Recipient) {
        match (&recipient.outcome, &recipient.endpoint) {
            (None, _) => self.add_name(recipient),
            (Some(Err(refusal)), _) => self.add_refused(recipient, refusal),
            (Some(Ok(queued)), Ok(endpoint)) => {
                self.services.metrics.queued(endpoint, queued.duplicate());
                let name = self.services.named(&recipient.path);
                self.add(format_args!("{name} {endpoint} {}{}", queued.id(), remark(queued)));
            }
            (Some(Ok(_)), Err(_)) => unreachable!("only an endpoint has an entry"),
        }
    }
}

/// Returns what the log adds about an entry that arrived before.
fn remark(queued: &Queued) -> &'static str {
    match queued.duplicate() {
        Duplicate::No => "",
        Duplicate::Marked => " (received before: queued again and marked)",
        Duplicate::Suppressed => " (received before: not queued again)",
        Duplicate::Handled => " (received and handled before: not queued again)",
    }
}
