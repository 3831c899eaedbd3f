//! The queues.

use std::fmt;
use std::str::FromStr;

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

    /// Returns `in`, `command` or `bounces`.
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

/// The error for a text that is not the name of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the queues are in, command and bounces")]
#[non_exhaustive]
pub struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(NameError)
    }
}

/// The depth of a queue. A message counts once for each of its entries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Depth {
    pub(crate) entries: u64,
    pub(crate) octets: u64,
}

/// The current state of a queue.
pub(crate) struct QueueNow {
    pub(crate) name: &'static str,
    pub(crate) entries: u64,
    pub(crate) octets: u64,
    /// Seconds since its oldest entry arrived; 0 if it is empty.
    pub(crate) oldest: u64,
}
