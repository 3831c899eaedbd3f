//! What a session says to its caller.

use crate::command::Sender;
use crate::mailbox::ForwardPath;
use crate::per_recipient::PerRecipient;
use crate::reply::Refusal;

/// What a session asks or tells its caller.
///
/// After `Mail` and `Recipient` the session waits for [`accept_mail`](crate::Session::accept_mail) or
/// [`accept`](crate::Session::accept), or [`refuse`](crate::Session::refuse); after `Complete` for
/// [`finish`](crate::Session::finish) or [`refuse_message`](crate::Session::refuse_message). An accepted
/// `Mail` ends with exactly one of `Complete`, `Refused` of the message, `Abandoned`, `Close`.
///
/// A variant that is added later asks nothing: a caller may ignore events it does not know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'i, R> {
    /// A message is announced (RFC 5321 section 4.1.1.2). Asks.
    Mail(Sender),
    /// A recipient is named (RFC 5321 section 4.1.1.3). Asks.
    Recipient(ForwardPath),
    /// Octets of the message, dots unstuffed, straight from the input.
    Body(&'i [u8]),
    /// The message is whole. Asks for one outcome for each accepted recipient (RFC 2033 section 4.2).
    Complete(PerRecipient<R>),
    /// The message is too large, or refused for its newlines, and has not ended: drop what you have of
    /// it. `Refused` follows at its end, when it is known for which of the two.
    Unwanted,
    /// The session has refused something by itself, and its reply is in the output.
    Refused {
        /// What it was.
        what: Refused,
        /// What the peer is told.
        why: Refusal,
    },
    /// There will be no message (RSET, LHLO): drop what you have.
    Abandoned,
    /// Write the output now, before more of the input is looked at (RFC 2920 section 3.2). Also after
    /// the outcomes of a message.
    Flush,
    /// Write the output and close. Nothing follows.
    Close,
}

/// What a session refuses by itself, for its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A MAIL that declares too large a message.
    Mail(Sender),
    /// A recipient beyond those that a transaction may have.
    Recipient(ForwardPath),
    /// The message, for each accepted recipient: it is too large, or has bare newlines.
    Message,
}
