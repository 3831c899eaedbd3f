//! One transaction, from an accepted MAIL to its outcome, and the one line that the log has about it.

use super::Shared;
use crate::backends::Queued;
use crate::capacity::Reserved;
use crate::intake::Delivered;
use crate::limits;
use crate::message::Incoming;
use crate::model::Again;
use listgate_lmtp::{ForwardPath, Refusal, ReversePath, Sender};
use std::time::{Instant, SystemTime};

pub(super) struct Transaction {
    started: Instant,
    pub(super) received_at: SystemTime,
    pub(super) mail_from: ReversePath,
    pub(super) declared_size: Option<u64>,
    /// The message so far, or why there will be no more of it.
    pub(super) incoming: Result<Box<Incoming>, Refusal>,
    /// Octets of the message that have come.
    pub(super) size: u64,
    /// Held until the outcome, or until the message is given up.
    pub(super) room: Reserved,
    /// Recipients as the log names them.
    accepted: Vec<String>,
    refused: Vec<String>,
    more_refused: usize,
}

/// How a transaction ended.
pub(super) enum Ended<'d> {
    /// Each recipient has an outcome.
    Decided(&'d Delivered),
    /// All have the same.
    Failed(&'d Refusal),
    /// There was no message.
    Abandoned,
}

impl Transaction {
    pub(super) fn new(sender: Sender, incoming: Box<Incoming>, room: Reserved) -> Self {
        Self {
            started: Instant::now(),
            received_at: SystemTime::now(),
            mail_from: sender.path,
            declared_size: sender.size,
            incoming: Ok(incoming),
            size: 0,
            room,
            accepted: Vec::new(),
            refused: Vec::new(),
            more_refused: 0,
        }
    }

    pub(super) fn accepts(&mut self, path: &ForwardPath, shared: &Shared) {
        self.accepted.push(shared.named(&path.to_string()));
    }

    pub(super) fn refuses(&mut self, path: &ForwardPath, refusal: &Refusal, shared: &Shared) {
        if self.refused.len() < limits::LOGGED_REFUSALS {
            self.refused.push(format!("{} {refusal}", shared.named(&path.to_string())));
        } else {
            self.more_refused += 1;
        }
    }

    /// What is left of the message is read and forgotten; what came of it is dropped now.
    pub(super) fn give_up(&mut self, why: Refusal) {
        self.incoming = Err(why);
        self.room.release();
    }

    /// Logs and counts how it ended; those who were accepted and have no outcome stand alone.
    pub(super) fn end(mut self, how: &Ended<'_>, peer: &str, shared: &Shared) {
        let (outcome, id, message_id) = match how {
            Ended::Decided(delivered) => (
                if delivered.id().is_some() { "queued" } else { "refused" },
                delivered.id(),
                &*delivered.message_id,
            ),
            Ended::Failed(_) => ("refused", None, "-"),
            Ended::Abandoned => ("abandoned", None, "-"),
        };
        let mut to = self.outcomes(how, shared);
        to.append(&mut self.refused);
        if self.more_refused > 0 {
            to.push(format!("and {} more refused", self.more_refused));
        }
        shared.metrics().transaction(outcome, self.size);
        tracing::info!(
            id = id.as_deref().unwrap_or("-"),
            message_id,
            from = %shared.named(&self.mail_from.to_string()),
            to = to.join(", "),
            size = self.size,
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            peer,
            "{}",
            if matches!(how, Ended::Abandoned) { "abandoned" } else { "transaction" },
        );
    }

    /// What became of each accepted recipient.
    fn outcomes(&mut self, how: &Ended<'_>, shared: &Shared) -> Vec<String> {
        let accepted = std::mem::take(&mut self.accepted);
        let metrics = shared.metrics();
        let refused = |to: String, refusal: &Refusal| {
            metrics.refused("data", refusal);
            format!("{to} {refusal}")
        };
        match how {
            Ended::Abandoned => accepted,
            Ended::Failed(refusal) => accepted.into_iter().map(|to| refused(to, refusal)).collect(),
            Ended::Decided(delivered) => {
                let outcomes = delivered.outcomes.iter().zip(&delivered.endpoints);
                let each = accepted.into_iter().zip(outcomes).map(|(to, outcome)| match outcome {
                    (Err(refusal), _) => refused(to, refusal),
                    (Ok(queued), None) => format!("{to} {queued}"),
                    (Ok(queued), Some(endpoint)) => {
                        metrics.queued(endpoint, queued.again());
                        format!("{to} {endpoint} {queued}{}", remark(queued))
                    }
                });
                each.collect()
            }
        }
    }
}

/// What the log adds about an entry that came before.
fn remark(queued: &Queued) -> &'static str {
    match queued.again() {
        Again::No => "",
        Again::Marked => " (came before: queued again, and marked)",
        Again::Suppressed => " (came before: not queued twice)",
    }
}
