//! What the outgoing side asks of a backend, and what it reports: batches of recipients, and what became of them.

use super::list::ListAddress;
use super::member::Seq;
use super::notice::{ClaimedNotice, NOTICE, OWNER_NOTICE};
use super::post::{MessageId, PostId, PostKind};
use std::time::{Duration, SystemTime};

/// The number of a batch, which is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BatchId(pub(crate) i64);

/// One recipient of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recipient {
    /// The membership; 0 for an address that is not a member, such as the owner of the site.
    pub(crate) seq: Seq,
    /// The address as it was given.
    pub(crate) address: String,
}

/// A batch that was claimed: some recipients of a post, to whom it is sent next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Claimed {
    pub(crate) batch: BatchId,
    pub(crate) post: PostId,
    pub(crate) contents: Contents,
    pub(crate) list_id: String,
    pub(crate) list: ListAddress,
    /// The short name for addresses with tokens, if the list's own is too long.
    pub(crate) alias: Option<String>,
    /// Whether each recipient gets a copy of its own.
    pub(crate) personal: bool,
    /// Whether these are recipients who were deferred alone.
    pub(crate) is_retry: bool,
    /// In the order of their seqs; at least one.
    pub(crate) recipients: Vec<Recipient>,
    /// How often the mail server has deferred it.
    pub(crate) attempts: u32,
    /// How often a connection was lost when the message may have been accepted.
    pub(crate) doubts: u32,
}

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Contents {
    /// A stored message.
    Message {
        kind: PostKind,
        message: MessageId,
        /// Its size in octets.
        size: u64,
        /// The settings of the list when the post was accepted, as JSON.
        settings: String,
    },
    /// Mail that Listgate writes itself.
    Notice(Box<ClaimedNotice>),
}

impl Contents {
    /// Returns the name of the kind: `post`, `owner`, `notice` or `owner_notice`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Message { kind, .. } => kind.as_str(),
            Self::Notice(notice) => {
                if notice.to_owners {
                    OWNER_NOTICE
                } else {
                    NOTICE
                }
            }
        }
    }
}

/// What the outgoing side reports and asks for, in one commit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Advance {
    /// Refusals in batches that are not over. One that was recorded before changes nothing.
    pub(crate) refused: Vec<Refusal>,
    /// What became of batches, with all refusals. A result for a batch that was recorded before changes nothing.
    pub(crate) results: Vec<BatchResult>,
    /// Batches whose final dot is sent as soon as this is durable.
    pub(crate) sending: Vec<BatchId>,
    /// What to claim.
    pub(crate) claim: Option<ClaimRequest>,
    /// Whether the mail server refuses all mail, if that has changed.
    pub(crate) way_out: Option<WayOut>,
}

/// The refusal of one recipient, who is not offered again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) batch: BatchId,
    pub(crate) recipient: Recipient,
    /// The reply of the mail server.
    pub(crate) reply: String,
}

/// How much to claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClaimRequest {
    /// The maximum number of batches.
    pub(crate) batches: usize,
    /// The maximum number of recipients of a batch that shares one copy.
    pub(crate) bulk: usize,
    /// The maximum number of recipients of a batch in which each has a copy of its own.
    pub(crate) personal: usize,
}

/// Whether mail can leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum WayOut {
    /// Nothing is known about the mail server yet.
    Untried,
    /// The mail server takes mail. Recipients who wait only because it refused all mail are due at once.
    Open,
    /// The mail server refuses all mail, for this reason.
    Stopped(String),
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BatchResult {
    pub(crate) batch: BatchId,
    /// The recipients whom the mail server refused or deferred, one by one.
    pub(crate) exceptions: Vec<(Recipient, Exception)>,
    pub(crate) end: BatchEnd,
}

/// Why one recipient did not get the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Exception {
    /// It is not offered again.
    Refused {
        reply: String,
    },
    Deferred {
        reply: String,
        pause: Pause,
    },
    /// The message itself was refused, which is not held against the recipient.
    Rejected {
        reply: String,
    },
}

/// What became of the recipients of a batch that are not listed as exceptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BatchEnd {
    /// The mail server accepted the message for this many, and none is left.
    Done { sent: u64, reply: String },
    /// They are tried again.
    Again {
        /// The last recipient that is settled, in a batch of copies of their own: those up to here are not tried again.
        settled: Option<Seq>,
        /// How many were sent a copy, of those up to there.
        sent: u64,
        pause: Pause,
        why: String,
        /// How many may have got the message although no reply says so.
        doubted: u64,
    },
}

/// When something is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pause {
    AtOnce,
    /// After this time, which does not count towards the limit: the mail server was absent, or is not to blame.
    Free(Duration),
    /// After this time, because the mail server deferred it. It is given up when all such pauses together exceed
    /// [`limits::GIVE_UP`](crate::limits::GIVE_UP).
    Deferred(Duration),
}

/// What waits to leave, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct OutgoingNow {
    /// Posts that are not finished.
    pub(crate) posts: u64,
    /// Batches of posts that are being sent.
    pub(crate) sending: u64,
    /// Recipients of posts whom the mail server has deferred.
    pub(crate) deferred: u64,
    /// When the oldest post that is not finished was accepted.
    pub(crate) oldest: Option<SystemTime>,
    /// Recipients who may have got a post or a notice twice, of all that are remembered.
    pub(crate) doubted: u64,
    /// Since when the mail server refuses all mail, and why.
    pub(crate) stopped: Option<(SystemTime, String)>,
    /// Notices that are not finished. They count in nothing else but `doubted` and `reason`.
    pub(crate) notices: u64,
    /// The last reason of an unfinished post or notice.
    pub(crate) reason: Option<String>,
    /// Posts that wait for moderators.
    pub(crate) held: u64,
}
