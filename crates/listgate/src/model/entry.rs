//! Entries of the queues.

use super::queue::Name;
use super::store_error::StoreError;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// The metadata dictionary of an entry, with Mailman's keys.
pub type Msgdata = BTreeMap<String, serde_json::Value>;

/// The id of an entry: the number of its delivery in hexadecimal, and its place in the delivery.
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

/// The error for a text that is not the name of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write an id such as 3f2a-1; `listgate queue ls` lists them")]
#[non_exhaustive]
pub struct IdError;

impl FromStr for EntryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (delivery, n) = text.split_once('-')?;
            Some(Self { delivery: i64::from_str_radix(delivery, 16).ok()?, n: n.parse().ok()? })
        };
        parse().ok_or(IdError)
    }
}

/// The name of an entry in replies, the log and the commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Id {
    /// The name in the embedded backend, such as `3f2a-1`. It is never used for another entry.
    Entry(EntryId),
    /// The name in a Mailman site: that of its file, without `.pck`.
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
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
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

/// An entry and what is known about its message, without the message itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, in replies, the log and the commands.
    pub id: Id,
    /// The queue that it is in.
    pub queue: Name,
    /// The id of the list, which stays the same when the list is renamed. It is empty if a Mailman site's file
    /// names no list.
    pub list_id: String,
    /// The address as the mail server gave it. A Mailman site does not store it.
    pub recipient: Option<String>,
    /// The text after the VERP delimiter: a confirmation's token, a bounce's address.
    pub detail: Option<String>,
    /// The time when its message arrived, to the millisecond. It is the start of 1970 if the name of a Mailman
    /// site's file has no time.
    pub received_at: SystemTime,
    /// Its state: what happens to it next, and why.
    pub state: State,
    /// How often it was leased since it arrived, or since an operator had it retried.
    pub attempts: u32,
    /// Metadata with Mailman's keys, such as `listname` and `subaddress`.
    pub msgdata: Msgdata,
    /// The envelope sender; `<>` for the null sender. Some files of a Mailman site do not have it.
    pub mail_from: Option<String>,
    /// The Message-ID with its angle brackets. Some files of a Mailman site have none.
    pub message_id: Option<String>,
    /// The origin of the mail server's connection. A Mailman site does not store it.
    pub peer: Option<String>,
    /// The name that the mail server gave with LHLO. A Mailman site does not store it.
    pub lhlo: Option<String>,
    /// `LMTP` over TCP or a Unix socket. A Mailman site does not store it.
    pub transport: Option<String>,
    /// The size of the message in octets, as stored.
    pub size: u64,
    /// How many Received lines the message has.
    pub received_lines: u32,
    /// Whether the message has the list's own List-Id or List-Post.
    pub from_list: bool,
    /// The value of its Auto-Submitted field (RFC 3834).
    pub auto_submitted: Option<String>,
    /// The value of its Precedence field.
    pub precedence: Option<String>,
    /// The id of the first entry, if the same mail was received before.
    pub repeats: Option<String>,
}

/// The state of an entry: what happens to it next. A `reason` is what the last attempt left: why it failed, or that
/// its lease lapsed. It is missing before the first attempt, and if a consumer in another language gave none.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum State {
    /// It waits for a consumer to lease it.
    Waiting {
        /// The reason from the last attempt, if there was one.
        reason: Option<String>,
    },
    /// A consumer has leased it.
    Leased {
        /// The end of the lease, unless it is extended.
        until: SystemTime,
        /// The reason from the last attempt, if there was one.
        reason: Option<String>,
    },
    /// It waits for a pause to end. Commands and JSON call this `later`.
    Deferred {
        /// The end of the pause.
        until: SystemTime,
        /// Why the last attempt failed.
        reason: Option<String>,
    },
    /// An operator holds it.
    Held {
        /// The reason from the last attempt, if there was one.
        reason: Option<String>,
    },
    /// It could not be handled, and stays until an operator has it retried or removes it.
    Shunted {
        /// Why it could not be handled.
        reason: Option<String>,
    },
    /// It is a file of a Mailman site that Listgate cannot read.
    Unreadable {
        /// Why it cannot be read.
        reason: String,
    },
}

impl State {
    /// Returns only the name of the state.
    pub(crate) fn name(&self) -> StateName {
        match self {
            Self::Waiting { .. } => StateName::Waiting,
            Self::Leased { .. } => StateName::Leased,
            Self::Deferred { .. } => StateName::Later,
            Self::Held { .. } => StateName::Held,
            Self::Shunted { .. } => StateName::Shunted,
            Self::Unreadable { .. } => StateName::Unreadable,
        }
    }

    /// Returns when the lease or the pause ends; `None` in the other states.
    #[must_use]
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Leased { until, .. } | Self::Deferred { until, .. } => Some(*until),
            Self::Waiting { .. } | Self::Held { .. } | Self::Shunted { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// Returns why it is in this state, or what the last attempt left.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Waiting { reason }
            | Self::Leased { reason, .. }
            | Self::Deferred { reason, .. }
            | Self::Held { reason }
            | Self::Shunted { reason } => reason.as_deref(),
            Self::Unreadable { reason } => Some(reason),
        }
    }
}

/// The name of a [`State`] in the database, the commands and JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StateName {
    Waiting,
    Leased,
    Later,
    Held,
    Shunted,
    Unreadable,
}

impl StateName {
    /// The states that a database stores.
    const STORED: [Self; 5] = [Self::Waiting, Self::Leased, Self::Later, Self::Held, Self::Shunted];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Later => "later",
            Self::Held => "held",
            Self::Shunted => "shunted",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a text that does not name a stored state.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the state of an entry")]
pub(crate) struct NoSuchState(String);

impl FromStr for StateName {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        let known = Self::STORED.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| NoSuchState(text.to_owned()))
    }
}

/// The data of an entry that counting it needs.
pub(crate) struct Arrival<'a> {
    pub(crate) list_id: &'a str,
    pub(crate) received_at: SystemTime,
    pub(crate) state: StateName,
}

/// A change that an operator makes to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Hold,
    Release,
    /// Has it handled again, and resets its attempts to zero.
    Retry {
        /// Whether to retry it even if a consumer has it. That consumer's lease is then stale.
        leased: bool,
    },
}

/// The reason why entries are not shown, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("the entry {0} does not exist; `listgate queue ls` shows all entries")]
    Missing(Id),
    #[error("{id} is {state}, so nothing was changed: {}", fix(*state, *change))]
    State { id: EntryId, state: StateName, change: Change },
    #[error("the entries of a Mailman site are its runners': they can be looked at and removed here")]
    Mailmans,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns what can be done with an entry in `state` if `change` does not apply to it.
fn fix(state: StateName, change: Change) -> &'static str {
    match (state, change) {
        (StateName::Leased, Change::Retry { .. }) => {
            "a consumer has it now; if that will not come back, `listgate queue retry --leased` frees the entry"
        }
        (StateName::Leased, _) => "a consumer has it now; retry when it is settled, or its lease has lapsed",
        (StateName::Held, _) => "`listgate queue release` lets it go",
        (StateName::Waiting, _) => "it waits for a consumer, and only what is held is released",
        (StateName::Shunted, _) => "`listgate queue retry` retries it; until then it stays where it is",
        (StateName::Later, _) => "`listgate queue hold` holds it, and only what is held is released",
        (StateName::Unreadable, _) => unreachable!("Mailman's own entries are not changed here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_state_is_known_by_its_name() {
        for name in StateName::STORED {
            assert_eq!(name.as_str().parse::<StateName>().unwrap(), name);
        }
        for unknown in ["leasing", "unreadable", ""] {
            assert!(unknown.parse::<StateName>().is_err());
        }
    }
}
