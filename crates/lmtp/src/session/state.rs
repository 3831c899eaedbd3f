//! Where a session is, and what is known there.

use super::message::Message;
use std::time::Instant;

/// Where a session is. Each state has what is valid in it.
#[derive(Debug)]
pub(super) enum State<R> {
    /// LHLO has not been said.
    Greeting {
        /// As in [`State::Idle`].
        mail_failed: bool,
    },
    /// Between transactions.
    Idle {
        /// The last MAIL failed, so what was pipelined behind it fails too, and is not counted.
        mail_failed: bool,
    },
    /// The caller is asked about a MAIL.
    AskedMail {
        /// When the transaction ends at the latest; `None`, if no clock can reach that time.
        until: Option<Instant>,
    },
    /// MAIL was accepted; RCPT or DATA may follow.
    Envelope(Transaction<R>),
    /// The caller is asked about a RCPT.
    AskedRecipient(Transaction<R>),
    /// Between the reply 354 and the final dot.
    Data(Transaction<R>, Message),
    /// The caller is asked what became of the message.
    AskedOutcomes {
        /// For how many recipients.
        owed: usize,
    },
    /// The session is over.
    Closed,
}

impl<R> State<R> {
    /// Whether the session waits for its caller, and not for its peer.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self, Self::AskedMail { .. } | Self::AskedRecipient(_) | Self::AskedOutcomes { .. })
    }

    /// The open transaction, if there is one that has not ended with its data.
    pub(super) fn transaction(&self) -> Option<&Transaction<R>> {
        match self {
            Self::Envelope(open) | Self::AskedRecipient(open) | Self::Data(open, _) => Some(open),
            Self::Greeting { .. }
            | Self::Idle { .. }
            | Self::AskedMail { .. }
            | Self::AskedOutcomes { .. }
            | Self::Closed => None,
        }
    }

    /// Goes on to `next`, and gives the transaction that this ends, if one is open. Not for states that
    /// only an answer ends.
    pub(super) fn leave_for(&mut self, next: Self) -> Option<Transaction<R>> {
        match std::mem::replace(self, next) {
            Self::Envelope(open) | Self::Data(open, _) => Some(open),
            Self::Greeting { .. } | Self::Idle { .. } => None,
            Self::AskedMail { .. } | Self::AskedRecipient(_) | Self::AskedOutcomes { .. } => {
                unreachable!("a question is answered before the session goes on")
            }
            Self::Closed => unreachable!("nothing follows the end"),
        }
    }
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction<R> {
    /// When it ends at the latest; `None`, if no clock can reach that time.
    pub(super) until: Option<Instant>,
    /// The accepted recipients, in order.
    pub(super) accepted: Vec<R>,
}

impl<R> Transaction<R> {
    /// Takes it out of a state that the caller replaces at once.
    pub(super) fn take(&mut self) -> Self {
        Self { until: self.until, accepted: std::mem::take(&mut self.accepted) }
    }
}
