//! The queues, for whoever works them: a program leases entries, reads their messages, and settles each.
//!
//! [`Queue`] opens one queue of a data directory, beside the gate or without it. Everything here
//! blocks; each call is one short transaction. An asynchronous program calls it on a thread of its own.
//!
//! ```
//! use listgate::queue::{Name, Queue, Verdict};
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir()?;
//! # listgate::Gate::start(listgate::Config {
//! #     listen: vec!["127.0.0.1:0".parse()?], ..listgate::Config::new(dir.path()) })?.stop()?;
//! let mut queue = Queue::open(dir.path(), Name::Command)?;
//! for lease in queue.lease(10, Duration::from_secs(60))? {
//!     let message = std::io::read_to_string(queue.message(&lease)?)?;
//!     println!("{} has {} octets for {}", lease.entry.id, message.len(), lease.entry.recipient);
//!     queue.settle(&[(lease, Verdict::Done)])?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An entry is handled at least once: a lease that nobody settles in time lapses, and a power loss may
//! undo a settle. Whoever settles too late is told that its lease is [`Stale`].

mod consumer;

use crate::body::Body;
use crate::facts::Facts;
use crate::lists::Changes;
use crate::route::Endpoint;
use listgate_lmtp::{ForwardPath, PerRecipient, Refusal, ReversePath};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io,
    ops::RangeInclusive,
    str::FromStr,
    time::{Duration, SystemTime},
};

pub(crate) use crate::homes::Queued;
pub(crate) use crate::model::StoreError;
pub use consumer::{Error, Lease, Queue, Stale, Verdict};

/// The metadata dictionary of an entry, with Mailman's keys.
pub type Msgdata = BTreeMap<String, serde_json::Value>;

/// The name of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Name {
    /// Posts, and mail to the owners.
    In,
    /// Mail to `-request`, `-confirm`, `-join` and `-leave`.
    Command,
    /// Mail to `-bounces`.
    Bounces,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::In, Self::Command, Self::Bounces];

    /// `in`, `command` or `bounces`.
    pub fn as_str(self) -> &'static str {
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

/// What makes a delivery to one endpoint known again: some of a hash of the message and its sender, then
/// some of a hash of the endpoint, however it was addressed. In their order, those of a message lie beside
/// each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; Self::LEN]);

impl Fingerprint {
    pub(crate) const LEN: usize = Self::MESSAGE + 8;
    /// Octets of the message's part: to suppress another's mail, one would have to meet them.
    pub(crate) const MESSAGE: usize = 12;

    pub(crate) fn new(digest: &Digest, Endpoint { list, role, detail }: &Endpoint) -> Self {
        let mut endpoint =
            Sha256::new().chain_update(&list.list_id).chain_update([0]).chain_update(role.name());
        if let Some(detail) = detail {
            endpoint.update([0]);
            endpoint.update(detail);
        }
        let (message, endpoint) = (&digest[..Self::MESSAGE], endpoint.finalize());
        Self(std::array::from_fn(|at| {
            message.get(at).copied().unwrap_or_else(|| endpoint[at - message.len()])
        }))
    }

    /// Where the fingerprints of all deliveries of a message lie.
    pub(crate) fn all_of(digest: &Digest) -> RangeInclusive<Self> {
        let end = |fill| Self(std::array::from_fn(|at| if at < Self::MESSAGE { digest[at] } else { fill }));
        end(0)..=end(0xff)
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
    pub(crate) fingerprint: Fingerprint,
}

/// One transaction's message and its recipients: one body, N entries, one commit.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) envelope: Envelope,
    pub(crate) message: Message,
    pub(crate) to: PerRecipient<Result<Addressed, Refusal>>,
    /// The count of changes that every endpoint was found at, and is to be stored at. `None`: they were
    /// looked up after the data.
    pub(crate) as_of: Option<Changes>,
}

/// Why a delivery was not stored.
#[derive(Debug)]
pub(crate) enum NotStored {
    Store(StoreError),
    /// Lists or domains have changed since its endpoints were found: it is whole, and they are to be
    /// looked up again.
    Changed(Box<Delivery>),
}

impl From<StoreError> for NotStored {
    fn from(why: StoreError) -> Self {
        Self::Store(why)
    }
}

/// One outcome for each recipient of a delivery.
pub(crate) type Outcomes = PerRecipient<Result<Queued, Refusal>>;

/// The id of an entry: its delivery's number in hexadecimal, and its place in the delivery.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct EntryId {
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
pub enum Id {
    /// In the embedded home, such as `3f2a-1`: never another's.
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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, in replies, the log and the commands.
    pub id: Id,
    /// `in`, `command` or `bounces`.
    pub queue: String,
    /// The list, by the id that a rename keeps.
    pub list_id: String,
    /// The address as the mail server gave it.
    pub recipient: String,
    /// What follows the VERP delimiter: a confirmation's token, a bounce's address.
    pub detail: Option<String>,
    /// Milliseconds since 1970.
    pub received_at: i64,
    /// `waiting`, `leased`, `later`, `held` or `shunted`.
    pub state: String,
    /// When its lease ends, or its pause when it is put off, in milliseconds since 1970; none otherwise.
    pub available_at: Option<i64>,
    /// Why it is put off, held or shunted.
    pub reason: Option<String>,
    /// How often it was leased since it came or an operator had it retried.
    pub attempts: u32,
    /// With Mailman's keys, such as `listname` and `subaddress`.
    pub msgdata: Msgdata,
    /// The envelope sender; `<>` for the null sender.
    pub mail_from: String,
    /// With its angle brackets.
    pub message_id: String,
    /// Where the mail server connected from.
    pub peer: String,
    /// What it called itself with LHLO.
    pub lhlo: String,
    /// `LMTP` over TCP or a Unix socket.
    pub transport: String,
    /// Octets as stored.
    pub size: u64,
    /// How many Received lines the message has.
    pub received_lines: u32,
    /// Whether the message has the list's own List-Id or List-Post.
    pub from_list: bool,
    /// Its Auto-Submitted (RFC 3834).
    pub auto_submitted: Option<String>,
    /// Its Precedence.
    pub precedence: Option<String>,
    /// The id of the entry that it was before.
    pub repeats: Option<String>,
}

/// A message as it is stored, to be read from its beginning.
#[derive(Debug)]
pub enum Stored {
    /// Up to some 64 KiB.
    Memory(io::Cursor<Vec<u8>>),
    /// Larger. It stays readable while it is open, whatever becomes of its entry.
    File(File),
}

impl io::Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(octets) => octets.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

/// A time in milliseconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// An entry as it is counted.
pub(crate) struct Arrival<'a> {
    pub(crate) list_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) received_at: i64,
    pub(crate) state: &'a str,
}

/// What an operator does to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Hold,
    Release,
    /// Also counts its attempts from zero.
    Retry,
}

/// Why entries are not shown, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("there is no entry {0}; `listgate queue ls` lists them")]
    Missing(Id),
    #[error("{id} is {state}, so nothing was changed: {}", mend(state, *change))]
    State { id: EntryId, state: String, change: Change },
    #[error("the entries of a Mailman site are its runners': they can be looked at and removed here")]
    Mailmans,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can be done with an entry in `state` that `change` is not for.
fn mend(state: &str, change: Change) -> &'static str {
    match (state, change) {
        ("leased", _) => "a consumer has it now; try again when it is settled, or its lease has lapsed",
        ("held", _) => "`listgate queue release` lets it go",
        ("shunted", _) => "`listgate queue retry` has it handled again; until then it stays where it is",
        _ => "`listgate queue hold` holds it, and only what is held is released",
    }
}
