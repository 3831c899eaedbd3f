//! What was decided about a command.

use super::facts::{Phase, RequestKind, Ruling};
use crate::automatic::Sign;
use crate::comparable::Comparable;
use crate::notice::Template;
use listgate_lmtp::Mailbox;
use std::collections::BTreeMap;

/// What a command does, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// What became of the mail, in a word.
    pub outcome: Outcome,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
    /// What changes, and the mail that is sent, in this order.
    pub effects: Vec<Effect>,
}

/// What became of the mail, in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// Nothing changes, and no one gets an answer.
    Ignored,
    /// It got an answer, and nothing else.
    Answered,
    /// Something now waits for a confirmation or a moderator.
    Asked,
    /// Someone joined or left, or a held post was decided.
    Done,
}

/// Why a command had its outcome.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// The address joined.
    Joined(Comparable),
    /// The address left.
    Left(Comparable),
    /// The address is a member again.
    Rejoined(Comparable),
    /// The address was asked to confirm.
    Asked(RequestKind, Comparable),
    /// A moderator was asked.
    AskedModerator(Comparable),
    /// A moderator accepted the held post with this number.
    Accepted(Comparable, u64),
    /// A moderator rejected the held post with this number.
    Rejected(Comparable, u64),
    /// The held post with this number was decided before.
    Ruled(u64, Ruling),
    /// The address to which the held post with this number was offered is not a moderator any more.
    NotModerator(u64),
    /// Help was asked for, or is of use.
    Help,
    /// The members were asked for.
    Roster,
    /// No command was understood.
    NotUnderstood,
    /// The header has more than [`limits::HEADER`](crate::limits::HEADER) octets.
    HeaderTooLarge,
    /// A program sent the mail.
    Automatic(Sign),
    /// The mail comes from the list itself.
    Loop,
    /// From does not have exactly one address.
    NoSender,
    /// The address is banned.
    Banned(Comparable),
    /// The address is a member already.
    Member(Comparable),
    /// The address is not a member.
    NotMember(Comparable),
    /// Nobody can join the list by mail.
    Closed,
    /// The members are not shown to this address.
    RosterHidden,
    /// The token is not valid: it has expired, was changed, is not one, or is for something else.
    BadToken,
    /// What the token is about does not exist: it is over, or the database is older.
    UnknownSubject,
    /// The mail has a token, but is not a reply to the mail that had it.
    NotAReply,
    /// The reply came too soon for a person, who is asked once more.
    Early,
    /// A reply came too soon again.
    EarlyAgain,
    /// A reply would undo leaving, and came too soon for a person.
    EarlyReturn,
    /// The request waits for a moderator already.
    Waiting(Comparable),
    /// As many requests to join are pending as may be.
    TooManyRequests,
    /// Mail to the address came back.
    Bounces(Comparable),
    /// The address has got as much mail as it may because of requests without a token.
    OverLimit(Limit, Comparable),
}

/// The limits of mail caused by requests without a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// Mail about one request, in an hour or a day.
    Request,
    /// Mail to one address in a day, from the whole site.
    Address,
    /// Mail to one domain in an hour, from the whole site.
    Domain,
}

/// A change, or a mail to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// An address that is not a member becomes one.
    Join {
        /// The address, as it was given.
        address: Mailbox,
        /// The name of the person, or an empty text.
        name: String,
    },
    /// A membership ends. It can be restored for seven days.
    Leave {
        /// Its id.
        member: u64,
    },
    /// A membership that had ended is restored, under a new id.
    Rejoin {
        /// The id that it had.
        former: u64,
    },
    /// A request is pending. If it was already, it was asked for once more.
    Ask {
        /// What is asked for.
        kind: RequestKind,
        /// What it waits for.
        phase: Phase,
        /// The address that it is about, as it was given.
        address: Mailbox,
        /// The name of the person, or an empty text.
        name: String,
    },
    /// A pending request was confirmed too soon, for the first time.
    MarkEarly {
        /// Its id.
        request: u64,
    },
    /// A pending request was confirmed, and waits for a moderator now.
    AwaitModerator {
        /// Its id.
        request: u64,
    },
    /// A pending request is over.
    End {
        /// Its id.
        request: u64,
    },
    /// A held post is sent to the members.
    Accept {
        /// The id of the offer.
        offer: u64,
    },
    /// A held post is removed, and its author may get a mail.
    Reject {
        /// The id of the offer.
        offer: u64,
    },
    /// A mail is sent.
    Send(Box<Sending>),
}

/// A mail to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sending {
    /// Who gets it.
    pub to: To,
    /// What the token in it is about.
    pub about: About,
    /// What it says.
    pub template: Template,
    /// The values that its text needs.
    pub values: BTreeMap<&'static str, String>,
    /// The Message-ID of the mail that it answers, with its angle brackets, if it goes to the person who sent it.
    pub in_reply_to: Option<String>,
    /// Whether it counts towards the limits, because no valid token asked for it.
    pub is_counted: bool,
}

/// Who gets a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// One address.
    Address(Mailbox),
    /// The owners and moderators of the list.
    Owners,
}

/// What the token in a mail is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// It has no token.
    Nothing,
    /// The request that the same decision makes pending.
    Asked,
    /// A request that was pending before.
    Request(u64),
    /// The membership that the same decision begins.
    Joined,
    /// A membership that has ended.
    Former(u64),
}
