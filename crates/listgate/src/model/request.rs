//! Requests to join or leave a list, which wait for an answer.

use super::member_address::{DisplayName, MemberAddress};
use super::post::ListNumber;
use crate::limits;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// The number of a request. Tokens name it, so it is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RequestId(pub(crate) i64);

/// The error for a text that is not the number of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a request has a number: `listgate request ls` lists them")]
pub(crate) struct NotARequestId;

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, NotARequestId> {
        text.parse().map(Self).map_err(|_| NotARequestId)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum RequestKind {
    /// Somebody wants to join.
    Join,
    /// A member wants to leave.
    Leave,
    /// An operator wants somebody to join.
    Invite,
}

impl RequestKind {
    const ALL: [Self; 3] = [Self::Join, Self::Leave, Self::Invite];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Invite => "invite",
        }
    }

    /// Returns the kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RequestPhase {
    /// The person whose address it is has to confirm it.
    Confirm,
    /// A moderator has to decide.
    Moderate,
}

impl RequestPhase {
    pub(crate) const ALL: [Self; 2] = [Self::Confirm, Self::Moderate];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Moderate => "moderate",
        }
    }

    /// Returns the phase of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// Returns how long a request waits in this phase.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::Confirm => limits::CONFIRMATION_AWAITED,
            Self::Moderate => limits::MODERATION_AWAITED,
        }
    }
}

/// A request that is to be stored. If one for this list, address and kind waits already, that one is counted again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewRequest {
    pub(crate) list: ListNumber,
    pub(crate) kind: RequestKind,
    pub(crate) phase: RequestPhase,
    pub(crate) address: MemberAddress,
    pub(crate) name: Option<DisplayName>,
    /// Whether the person whose address it is has agreed.
    pub(crate) confirmed: bool,
}

/// A request that waits for an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) list: ListNumber,
    pub(crate) list_id: String,
    pub(crate) kind: RequestKind,
    pub(crate) phase: RequestPhase,
    pub(crate) address: MemberAddress,
    pub(crate) name: Option<DisplayName>,
    /// Whether the person whose address it is has agreed.
    pub(crate) confirmed: bool,
    /// When it was made first.
    pub(crate) asked_at: SystemTime,
    /// How often it was made.
    pub(crate) asked: u32,
    /// Whether a reply came so early that it was asked for again, which happens once.
    pub(crate) early: bool,
    /// Grows with each change.
    pub(crate) version: i64,
    /// When it is forgotten.
    pub(crate) forget_at: SystemTime,
    pub(crate) mailed: Mailed,
}

/// The mails to the address of a request that were caused by it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Mailed {
    /// How many there were in the last hour.
    pub(crate) hour: u32,
    /// How many there were in the last day.
    pub(crate) day: u32,
    /// When the mail server last took one; `None`: it has taken none so far.
    pub(crate) handed_over_at: Option<SystemTime>,
}
