//! Posts that wait for a moderator, and the record of what became of each message.

use super::member::{Member, Seq};
use super::member_address::MemberAddress;
use super::post::{ListNumber, MessageId};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// The number of a held post, which is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct HeldId(pub(crate) i64);

/// The error for a text that is not the number of a held post.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a held post has a number: `listgate held ls` lists them")]
pub(crate) struct NotAHeldId;

impl FromStr for HeldId {
    type Err = NotAHeldId;

    fn from_str(text: &str) -> Result<Self, NotAHeldId> {
        text.parse().map(Self).map_err(|_| NotAHeldId)
    }
}

impl fmt::Display for HeldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A post that is to be held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewHeldPost {
    pub(crate) list: ListNumber,
    pub(crate) message: MessageId,
    pub(crate) mail_from: String,
    pub(crate) message_id: String,
    /// The address in From, or nothing.
    pub(crate) author: String,
    pub(crate) subject: String,
    /// Why it is held, for people.
    pub(crate) reasons: Vec<String>,
    /// The addresses that get a notice about it.
    pub(crate) notified: Vec<String>,
}

/// A post that waits for a moderator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HeldPost {
    pub(crate) id: HeldId,
    /// The list_id of its list.
    pub(crate) list_id: String,
    pub(crate) message: MessageId,
    /// The size of the message in octets.
    pub(crate) size: u64,
    pub(crate) mail_from: String,
    pub(crate) message_id: String,
    pub(crate) author: String,
    pub(crate) subject: String,
    pub(crate) reasons: Vec<String>,
    /// The addresses that got a notice about it.
    pub(crate) notified: Vec<String>,
    pub(crate) held_at: SystemTime,
}

/// What is known about the moderation of a list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct ModerationNow {
    /// The moderators who get mail; if there are none, the owners who do. At most [`limits::MODERATORS`](crate::limits::MODERATORS), in the order of
    /// their seqs.
    pub(crate) moderators: Vec<Member>,
    /// How many posts wait.
    pub(crate) waiting: usize,
    /// How many held posts they were notified of in [`limits::HELD_NOTICES_TIME`](crate::limits::HELD_NOTICES_TIME).
    pub(crate) announced: usize,
}

/// The number of an offer, which tokens name. It is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct OfferId(pub(crate) i64);

/// A held post, as it was offered to one moderator. It is remembered for a time after the post is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Offer {
    pub(crate) id: OfferId,
    pub(crate) held: HeldId,
    /// The moderator or owner; `None` if they are not one any more.
    pub(crate) moderator: Option<MemberAddress>,
    /// What became of the post; `None` if it still waits.
    pub(crate) outcome: Option<DecisionOutcome>,
}

impl Offer {
    /// Returns whether the token of the offer still decides: the post waits, and the person is still a moderator or owner.
    pub(crate) fn is_open(&self) -> bool {
        self.moderator.is_some() && self.outcome.is_none()
    }
}

/// To whom a held post is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OfferedTo {
    /// A moderator, who decides by a token.
    Moderator(Seq),
    /// The owner of the site, who decides by commands.
    SiteOwner,
}

/// What became of a message to a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum DecisionOutcome {
    Accepted,
    Held,
    Rejected,
    Discarded,
    /// A command changed something.
    Done,
    /// A command waits for a confirmation or a moderator.
    Asked,
    /// A command got an answer.
    Answered,
    /// A command got none.
    Ignored,
}

impl DecisionOutcome {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Held,
        Self::Rejected,
        Self::Discarded,
        Self::Done,
        Self::Asked,
        Self::Answered,
        Self::Ignored,
    ];

    /// Returns the outcome of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
            Self::Done => "done",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Ignored => "ignored",
        }
    }
}

/// The record of a decision about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewDecision {
    pub(crate) list: ListNumber,
    pub(crate) message_id: String,
    pub(crate) mail_from: String,
    pub(crate) outcome: DecisionOutcome,
    /// Why, for people.
    pub(crate) reasons: Vec<String>,
}

/// The number of a decision. Later ones have higher numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct DecisionId(pub(crate) i64);

/// A decision about a message, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DecisionRecord {
    pub(crate) id: DecisionId,
    /// The list_id of its list.
    pub(crate) list_id: String,
    pub(crate) message_id: String,
    pub(crate) mail_from: String,
    pub(crate) outcome: DecisionOutcome,
    /// Why, for people.
    pub(crate) reasons: Vec<String>,
    pub(crate) decided_at: SystemTime,
}
