//! Entries: what is in a queue.

use super::store_error::StoreError;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The metadata dictionary of an entry, with Mailman's keys.
pub type Msgdata = BTreeMap<String, serde_json::Value>;

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
        parse().ok_or_else(|| format!("{text:?} is not an id such as 3f2a-1; `listgate queue ls` lists them"))
    }
}

/// The name of an entry, as replies, the log and the commands have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Id {
    /// In the embedded backend, such as `3f2a-1`: never another's.
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
    /// When its lease ends, or the pause of a deferred entry, in milliseconds since 1970; `None` otherwise.
    pub available_at: Option<i64>,
    /// Why it is deferred, held or shunted.
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
    Retry {
        /// Also where a consumer has it, which then finds its lease stale.
        leased: bool,
    },
}

/// Why entries are not shown, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("there is no entry {0}; `listgate queue ls` lists them")]
    Missing(Id),
    #[error("{id} is {state}, so nothing was changed: {}", fix(state, *change))]
    State { id: EntryId, state: String, change: Change },
    #[error("the entries of a Mailman site are its runners': they can be looked at and removed here")]
    Mailmans,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can be done with an entry in `state` that `change` is not for.
fn fix(state: &str, change: Change) -> &'static str {
    match (state, change) {
        ("leased", Change::Retry { .. }) => {
            "a consumer has it now; if that will not come back, `listgate queue retry --leased` frees the entry"
        }
        ("leased", _) => "a consumer has it now; retry when it is settled, or its lease has lapsed",
        ("held", _) => "`listgate queue release` lets it go",
        ("waiting", _) => "it waits for a consumer, and only what is held is released",
        ("shunted", _) => "`listgate queue retry` has it handled again; until then it stays where it is",
        _ => "`listgate queue hold` holds it, and only what is held is released",
    }
}
