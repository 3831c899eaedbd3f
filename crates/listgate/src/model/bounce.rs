//! Bounces: mail to `-bounces`.

use super::post::ListNumber;

/// A bounce that is to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewBounce {
    pub(crate) list: ListNumber,
    pub(crate) evidence: Evidence,
    /// The name of its class, such as `permanent`.
    pub(crate) class: &'static str,
    /// The enhanced status code (RFC 3463), such as `5.1.1`.
    pub(crate) status: Option<String>,
    /// What the mail server said, as far as the bounce quotes it.
    pub(crate) diagnostic: Option<String>,
}

/// What a bounce is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Evidence {
    /// Its address has a token that we signed: the purpose and the id in the token.
    Signed { about: BounceOf, subject: u64 },
    /// It has no valid token, so anyone may have sent it. The header is kept for people to read.
    Unsigned { header: Vec<u8> },
    /// A test message has come back. Its first octets are kept, to compare them with what was sent.
    Test { subject: u64, message: Vec<u8> },
}

/// What kind of mail has bounced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum BounceOf {
    /// A copy for one member, owner or moderator.
    Member,
    /// A copy for a batch of members.
    Batch,
    /// Generated mail.
    Notice,
}

impl BounceOf {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Batch => "batch",
            Self::Notice => "notice",
        }
    }
}
