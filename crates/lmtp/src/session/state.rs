//! The states of a session, and what is known in each.

use super::message::Message;
use std::time::Instant;

/// The state of a session, with the data that is valid in it.
#[derive(Debug)]
pub(super) enum State<R> {
    /// The peer has not sent LHLO yet.
    Greeting {
        /// As in [`State::Idle`].
        mail_failed: bool,
    },
    /// Between transactions.
    Idle {
        /// The last MAIL failed, so the commands pipelined after it fail too, but are not counted as errors.
        mail_failed: bool,
    },
    /// The caller must answer a MAIL.
    AskedMail {
        /// When the transaction ends at the latest; `None` if the clock cannot represent that time.
        until: Option<Instant>,
    },
    /// MAIL was accepted; RCPT or DATA may follow.
    Envelope(Transaction<R>),
    /// The caller must answer a RCPT.
    AskedRecipient(Transaction<R>),
    /// Between the reply 354 and the final dot.
    Data(Transaction<R>, Message),
    /// The caller must supply the outcomes of the message.
    AskedOutcomes {
        /// The number of recipients.
        owed: usize,
    },
    /// The caller must do the TLS handshake.
    AskedTls,
    /// The session has been refused, and the caller knows. The end follows.
    Refused,
    /// The session is over.
    Closed,
}

impl<R> State<R> {
    /// Returns whether the session waits for its caller instead of its peer.
    pub(super) fn is_asking(&self) -> bool {
        matches!(
            self,
            Self::AskedMail { .. } | Self::AskedRecipient(_) | Self::AskedOutcomes { .. } | Self::AskedTls
        )
    }

    /// Returns whether the session neither reads nor waits any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Refused | Self::Closed)
    }

    /// Returns the open transaction, if there is one whose data has not ended.
    pub(super) fn transaction(&self) -> Option<&Transaction<R>> {
        match self {
            Self::Envelope(open) | Self::AskedRecipient(open) | Self::Data(open, _) => Some(open),
            Self::Greeting { .. }
            | Self::Idle { .. }
            | Self::AskedMail { .. }
            | Self::AskedOutcomes { .. }
            | Self::AskedTls
            | Self::Refused
            | Self::Closed => None,
        }
    }

    /// Changes to `next`, and returns the transaction that this ends, if one is open. Must not be called in a
    /// state that only an answer ends.
    pub(super) fn leave_for(&mut self, next: Self) -> Option<Transaction<R>> {
        match std::mem::replace(self, next) {
            Self::Envelope(open) | Self::Data(open, _) => Some(open),
            Self::Greeting { .. } | Self::Idle { .. } | Self::Refused => None,
            Self::AskedMail { .. }
            | Self::AskedRecipient(_)
            | Self::AskedOutcomes { .. }
            | Self::AskedTls => {
                unreachable!("a question is answered before the session goes on")
            }
            Self::Closed => unreachable!("nothing follows the end"),
        }
    }
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction<R> {
    /// When it ends at the latest; `None` if the clock cannot represent that time.
    pub(super) until: Option<Instant>,
    /// The accepted recipients, in order.
    pub(super) accepted: Vec<R>,
}

impl<R> Transaction<R> {
    /// Takes the transaction out of a state that the caller then replaces at once.
    pub(super) fn take(&mut self) -> Self {
        Self { until: self.until, accepted: std::mem::take(&mut self.accepted) }
    }
}
