//! What a session knows of TLS (RFC 3207). The caller does the handshake.

use crate::reply::Refusal;

/// Whether STARTTLS is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tls {
    NotOffered,
    Offered,
    InUse,
}

/// Whether the peer may send mail.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may.
    Open,
    /// Not before a handshake.
    NeedsTls,
    /// It may not, even after the handshake.
    Refused(Refusal),
}

impl Admission {
    /// Returns the reply to MAIL and VRFY if the peer may not send mail.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Open => None,
            // RFC 3207 section 4 has 530, with which a mail server returns mail to its sender. That a mail server uses
            // no TLS is a mistake in a configuration, or a handshake that failed: the mail can wait.
            Self::NeedsTls => Some(Refusal::new(451, 7, 0, "Must issue a STARTTLS command first")),
            Self::Refused(why) => Some(why.clone()),
        }
    }
}

/// Returns why STARTTLS is refused, if it is. `alone` is false if it has a parameter.
pub(super) fn starttls_refusal(tls: Tls, alone: bool, in_transaction: bool) -> Option<Refusal> {
    match tls {
        Tls::NotOffered => Some(Refusal::new(502, 5, 1, "Command not implemented")),
        // RFC 3207 section 4.
        _ if !alone => Some(Refusal::new(501, 5, 4, "Syntax: STARTTLS")),
        Tls::InUse => Some(Refusal::new(503, 5, 1, "TLS is in use already")),
        Tls::Offered if in_transaction => {
            Some(Refusal::new(503, 5, 1, "A transaction is open: RSET ends it"))
        }
        Tls::Offered => None,
    }
}
