//! The protocols that a client speaks.

use std::fmt;

/// The protocol that a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// RFC 2033: LHLO, and after the final dot one reply for each accepted recipient.
    Lmtp,
    /// RFC 5321: EHLO or HELO, and after the final dot one reply for all recipients.
    Smtp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lmtp => "LMTP",
            Self::Smtp => "SMTP",
        })
    }
}
