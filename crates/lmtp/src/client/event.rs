//! What a client reports to its caller.

use super::protocol::Protocol;
use crate::reply::Reply;
use std::fmt;
use std::sync::Arc;

/// The number of a transaction in its session, in the order of the calls of [`Client::send`](super::Client::send).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId(pub(super) u64);

/// What a client reports to its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Nothing is outstanding: call [`Client::send`](super::Client::send), [`Client::quit`](super::Client::quit), or
    /// another method that needs a session that is ready.
    Ready,
    /// The server waits for the message: call [`Client::body`](super::Client::body) and then
    /// [`Client::end_of_body`](super::Client::end_of_body).
    SendBody {
        /// The transaction whose message it is.
        transaction: TransactionId,
    },
    /// The outcome for one recipient. Each recipient gets exactly one, unless the session is
    /// [`Closed`](ClientEvent::Closed) first. A refusal of RCPT is reported when it is read. Replies arrive in order:
    /// the recipients before a refused one that have no outcome yet are accepted so far.
    Outcome {
        /// The transaction.
        transaction: TransactionId,
        /// The place of the recipient in [`Transaction::to`](super::Transaction::to), counted from 0.
        recipient: usize,
        /// What the reply is an answer to: [`Phase::Mail`], [`Phase::Rcpt`], [`Phase::Data`], [`Phase::Message`] or
        /// [`Phase::NotSent`]. A positive outcome is always that of the message.
        phase: Phase,
        /// The reply that decided the outcome. Recipients may share it.
        reply: Arc<Reply>,
    },
    /// The server waits for the handshake of TLS: write the output, do the handshake, and call
    /// [`Client::tls_started`](super::Client::tls_started). If the handshake fails, the connection is of no use.
    StartTls,
    /// The server has refused STARTTLS or AUTH. The session continues as it was before, and is ready.
    Refused {
        /// [`Phase::StartTls`] or [`Phase::Auth`].
        phase: Phase,
        /// The reply.
        reply: Reply,
    },
    /// The session is over.
    Closed {
        /// The reason.
        why: Closed,
        /// The transaction whose final dot has been handed out, and to which a reply is missing. The server may have
        /// taken its message for the recipients without an outcome, or not. It has not taken the message of any other
        /// transaction without an outcome.
        in_doubt: Option<TransactionId>,
    },
}

/// What a reply is an answer to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// The connection itself.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL: the refusal is for the whole transaction.
    Mail,
    /// The recipient's own RCPT.
    Rcpt,
    /// DATA: the refusal is for the recipients accepted so far.
    Data,
    /// The message, after its final dot.
    Message,
    /// Nothing: the reply is the client's own, 553 5.6.7, because an address needs SMTPUTF8 and the server does not
    /// announce it.
    NotSent,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

/// The reason why a client's session is over.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// The server answered [`Client::quit`](super::Client::quit).
    Quit,
    /// The server refused the session, or ended it (421).
    Refused {
        /// What the server refused, or `None` if it ended the session without a command to answer.
        phase: Option<Phase>,
        /// The reply.
        reply: Reply,
    },
    /// The server sent something other than a reply, or a reply that does not fit any command.
    Confused {
        /// The protocol that the server does not speak.
        protocol: Protocol,
        /// What it sent, as text for a log.
        said: String,
    },
    /// The server agreed to TLS and sent plaintext before the handshake. Someone between may have injected it
    /// (RFC 3207 section 6).
    Plaintext,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quit => f.write_str("the session has ended"),
            Self::Refused { reply, .. } => write!(f, "the server ended the session: {reply}"),
            Self::Confused { protocol, said } => write!(f, "the server does not speak {protocol}: {said}"),
            Self::Plaintext => f.write_str("the server sent plaintext before the handshake of TLS"),
        }
    }
}
