//! Posts and their batches, as operators see them.

use super::member::Seq;
use super::outgoing::BatchId;
use super::post::{PostId, PostKind};
use std::time::SystemTime;

/// A post, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PostRecord {
    pub(crate) id: PostId,
    /// The list_id of its list.
    pub(crate) list_id: String,
    pub(crate) kind: PostKind,
    pub(crate) message_id: String,
    pub(crate) accepted_at: SystemTime,
    pub(crate) finished_at: Option<SystemTime>,
    /// Whether each recipient gets a copy of its own.
    pub(crate) personal: bool,
    pub(crate) state: PostState,
    /// When it is sent again, if it waits.
    pub(crate) due: Option<SystemTime>,
    /// The numbers of recipients: those whom the mail server accepted.
    pub(crate) sent: u64,
    /// Those whom it refused, or deferred for too long.
    pub(crate) refused: u64,
    /// Those for whom it refused the message itself.
    pub(crate) rejected: u64,
    /// Those who are tried again.
    pub(crate) deferred: u64,
    /// Those who may have got it twice.
    pub(crate) doubted: u64,
    /// Why it waits, or the last refusal.
    pub(crate) reason: Option<String>,
}

/// Whether a post is being sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PostState {
    /// Some recipients are being sent a copy.
    Sending,
    /// It can be sent, and waits for its turn or for the mail server.
    Ready,
    /// All that is left is tried again later.
    Waiting,
    Finished,
}

impl PostState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Finished => "finished",
        }
    }
}

/// A batch of a post, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BatchRecord {
    pub(crate) id: BatchId,
    pub(crate) state: BatchState,
    /// How many recipients it had when it was claimed last; as long as it is not over, without those who were refused since.
    pub(crate) recipients: u64,
    pub(crate) sent: u64,
    /// How often the mail server has deferred it.
    pub(crate) attempts: u32,
    /// How often a connection was lost when the message may have been accepted.
    pub(crate) doubts: u32,
    /// When it is tried again.
    pub(crate) due: Option<SystemTime>,
    /// The last reply of the mail server, or why the batch waits.
    pub(crate) reply: Option<String>,
}

/// What happens with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BatchState {
    Claimed,
    Sending,
    Later,
    Done,
}

impl BatchState {
    const ALL: [Self; 4] = [Self::Claimed, Self::Sending, Self::Later, Self::Done];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Later => "later",
            Self::Done => "done",
        }
    }

    /// Returns the state of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A recipient of a post who did not get it when it was offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RecipientRecord {
    pub(crate) seq: Seq,
    pub(crate) address: String,
    /// Whether it is tried again. Otherwise, the mail server has refused it.
    pub(crate) is_deferred: bool,
    pub(crate) reply: String,
    /// When the mail server replied.
    pub(crate) at: SystemTime,
    pub(crate) attempts: u32,
    /// When it is tried again.
    pub(crate) due: Option<SystemTime>,
}
