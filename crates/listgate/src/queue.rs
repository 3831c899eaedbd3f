//! What goes into a queue, and the proof that it did.

use crate::body::Body;
use crate::facts::Facts;
use crate::route::Endpoint;
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt, io, path::PathBuf, str::FromStr, time::SystemTime};

pub(crate) use crate::homes::Queued;

/// The metadata dictionary of an entry, with Mailman's keys.
pub(crate) type Msgdata = BTreeMap<String, serde_json::Value>;

/// A queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Name {
    In,
    Command,
    Bounces,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::In, Self::Command, Self::Bounces];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Command => "command",
            Self::Bounces => "bounces",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| format!("there is no queue {text:?}: the queues are in, command and bounces"))
    }
}

/// How full a queue is. A message counts in each of its entries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Depth {
    pub(crate) entries: u64,
    pub(crate) octets: u64,
}

/// What is known of a message besides its octets: the sender, and the trace that is kept as data.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) mail_from: ReversePath,
    /// Where the mail server connected from.
    pub(crate) peer: String,
    /// What it called itself with LHLO.
    pub(crate) lhlo: String,
    /// `LMTP` over TCP or a Unix socket.
    pub(crate) transport: &'static str,
    pub(crate) received_at: SystemTime,
}

/// A whole message, ready to be stored.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: Body,
    /// Octets as received, dots unstuffed, before anything was added or removed.
    pub(crate) original_size: u64,
    pub(crate) message_id: String,
    pub(crate) facts: Facts,
    pub(crate) digest: Digest,
}

/// A hash of a message's sender and of all octets received.
pub(crate) type Digest = [u8; 32];

/// What makes a delivery to one recipient known again: the message, its sender, the recipient.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; 16]);

impl Fingerprint {
    /// Half of a SHA-256 is enough: to suppress another's mail, one would have to meet it.
    pub(crate) fn new(digest: &Digest, recipient: &str) -> Self {
        let hash = Sha256::new().chain_update(digest).chain_update(recipient).finalize();
        Self(std::array::from_fn(|at| hash[at]))
    }
}

/// Whether the mail to one recipient came before, and what was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Again {
    /// Not as far as is known.
    No,
    /// It is queued, and names the entry that it was before.
    Marked,
    /// It is not queued twice: the entry that it was before is its answer.
    Suppressed,
}

/// One recipient that is an endpoint.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) recipient: ForwardPath,
    pub(crate) endpoint: Endpoint,
    pub(crate) msgdata: Msgdata,
    pub(crate) fingerprint: Fingerprint,
}

/// One transaction's message and its recipients: one body, N entries, one commit.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) envelope: Envelope,
    pub(crate) message: Message,
    pub(crate) to: PerRecipient<Result<Addressed, Refusal>>,
}

/// One outcome for each recipient of a delivery.
pub(crate) type Outcomes = PerRecipient<Result<Queued, Refusal>>;

/// The id of an entry: its delivery's number in hexadecimal, and its place in the delivery.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct EntryId {
    pub(crate) delivery: i64,
    pub(crate) n: i64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.delivery, self.n)
    }
}

impl FromStr for EntryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (delivery, n) = text.split_once('-')?;
            Some(Self { delivery: i64::from_str_radix(delivery, 16).ok()?, n: n.parse().ok()? })
        };
        parse().ok_or_else(|| format!("{text:?} is no id such as 3f2a-1; `listgate queue ls` lists them"))
    }
}

/// The name of an entry, as replies, the log and the commands have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Id {
    Entry(EntryId),
    /// In a Mailman site: the name of its file, without `.pck`.
    File(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => id.fmt(f),
            Self::File(name) => name.fmt(f),
        }
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |(time, digest): (&str, &str)| {
            time.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.')
                && digest.bytes().all(|octet| octet.is_ascii_hexdigit())
        };
        match text.split_once('+') {
            Some(parts) if is_name(parts) => Ok(Self::File(text.to_owned())),
            _ => text.parse().map(Self::Entry),
        }
    }
}

/// An entry and what is known of its message, without the message itself.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) queue: String,
    pub(crate) list_id: String,
    pub(crate) recipient: String,
    pub(crate) detail: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) received_at: i64,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) msgdata: Msgdata,
    pub(crate) mail_from: String,
    pub(crate) message_id: String,
    pub(crate) peer: String,
    pub(crate) lhlo: String,
    pub(crate) transport: String,
    /// Octets as stored.
    pub(crate) size: u64,
    pub(crate) received_lines: u32,
    /// Whether the message has the list's own List-Id or List-Post.
    pub(crate) from_list: bool,
    pub(crate) auto_submitted: Option<String>,
    pub(crate) precedence: Option<String>,
    /// The id of the entry that it was before.
    pub(crate) repeats: Option<String>,
}

/// Why entries are not shown or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("there is no entry {0}; `listgate queue ls` lists them")]
    Missing(Id),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why nothing can be stored or looked up now. Always 4xx: a retry finds things as they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("cannot {operation}: {source}")]
    Database { operation: &'static str, source: rusqlite::Error },
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    /// What the disk holds is unknown, and asking again may be answered with a lie.
    #[error("the disk failed to {operation} {}: {source}", path.display())]
    Sync { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("the store is closed after a failed sync")]
    Closed,
    /// Another's, which knows the lists.
    #[error(transparent)]
    Away(#[from] crate::homes::mailman::database::Away),
}

impl Unavailable {
    /// Whether no further statement may follow: a failed sync.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Sync { .. } => true,
            Self::Database { source, .. } => crate::homes::is_sync_failure(source),
            Self::File { .. } | Self::Closed | Self::Away(_) => false,
        }
    }

    /// In one word, to be counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Away(_) => "database",
            Self::File { .. } => "file",
            Self::Sync { .. } => "sync",
            Self::Closed => "closed",
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let full = match self {
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Database { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            Self::Sync { .. } | Self::Closed | Self::Away(_) => false,
        };
        if full {
            Refusal::new(451, 3, 1, "Requested action aborted: no space, try again later")
        } else {
            Refusal::new(451, 3, 0, "Requested action aborted: error in processing, try again later")
        }
    }
}
