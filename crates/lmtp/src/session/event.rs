//! The events that a session reports to its caller.

use crate::command::Sender;
use crate::foreign::ForeignProtocol;
use crate::mailbox::ForwardPath;
use crate::per_recipient::PerRecipient;
use crate::reply::Refusal;

/// What a session asks or tells its caller.
///
/// After `Mail` the session waits for [`accept_mail`](crate::Session::accept_mail) or
/// [`refuse`](crate::Session::refuse); after `Recipient` for [`accept`](crate::Session::accept) or `refuse`;
/// after `Complete` for [`finish`](crate::Session::finish) or [`refuse_message`](crate::Session::refuse_message);
/// after `StartTls` for [`encrypted`](crate::Session::encrypted).
/// An accepted `Mail` ends with exactly one of `Complete`, `Refused` for the message, `Abandoned` and `Close`.
///
/// Variants added later will need no answer: a caller may ignore events it does not know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'i, R> {
    /// The peer announces a message (RFC 5321 section 4.1.1.2). Needs an answer.
    Mail(Sender),
    /// The peer names a recipient (RFC 5321 section 4.1.1.3). Needs an answer.
    Recipient(ForwardPath),
    /// Octets of the message, with dots unstuffed, borrowed from the input.
    Body(&'i [u8]),
    /// The message is whole. Needs one outcome for each accepted recipient (RFC 2033 section 4.2).
    Complete(PerRecipient<R>),
    /// The message is too large or has bare newlines that are refused, and has not ended yet: discard what
    /// has arrived of it. `Refused` follows at its end, when it is known which of the two reasons applies.
    Unwanted,
    /// The session has refused something by itself, and the reply is in the output.
    Refused {
        /// What was refused.
        what: Refused,
        /// The refusal sent to the peer.
        why: Refusal,
    },
    /// The peer has given up the message (RSET, LHLO): discard what has arrived of it.
    Abandoned,
    /// The peer starts TLS (RFC 3207): write the output, do the handshake on the connection, and call
    /// [`encrypted`](crate::Session::encrypted); or close the connection, without another octet in the clear, if the
    /// handshake fails. Input behind the command has been discarded. No deadline runs: the caller limits the time.
    /// Occurs only after [`offer_starttls`](crate::Session::offer_starttls). Needs an answer.
    StartTls,
    /// Write the output now, before any more input is read (RFC 2920 section 3.2). This also follows the
    /// outcomes of a message.
    Flush,
    /// Write the output and close the connection. No event follows.
    Close,
}

/// What a session refuses by itself, because of its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A MAIL that declares a message that is too large, or whose peer may not send mail
    /// ([`require_tls`](crate::Session::require_tls), [`encrypted`](crate::Session::encrypted)).
    Mail(Sender),
    /// A recipient beyond the limit of a transaction.
    Recipient(ForwardPath),
    /// The session, because the peer speaks another protocol; [`Event::Close`] follows.
    Protocol(ForeignProtocol),
    /// The message, for every accepted recipient: it is too large, or has bare newlines.
    Message,
}
