//! Posts: messages that go to the members of a list, or to its owners and moderators.

use super::ban::BanPattern;
use super::list::{Changes, List};
use super::member::Seq;
use std::fmt;
use std::str::FromStr;

/// The number of a list. It is never used again for another list, even one of the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ListNumber(pub(crate) i64);

impl ListNumber {
    /// The number of what belongs to no list but to the site: mail to the postmasters of its domains.
    pub(crate) const SITE: Self = Self(0);
}

/// A stored message, identified by the number of its delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MessageId(pub(crate) i64);

/// The number of a post, which is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct PostId(pub(crate) i64);

/// The error for a text that is not the number of a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a post has a number: `listgate post ls` lists them")]
pub(crate) struct NotAPostId;

impl FromStr for PostId {
    type Err = NotAPostId;

    fn from_str(text: &str) -> Result<Self, NotAPostId> {
        text.parse().map(Self).map_err(|_| NotAPostId)
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom a post goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PostKind {
    /// The members of the list.
    Post,
    /// Its owners and moderators.
    Owner,
}

impl PostKind {
    const ALL: [Self; 2] = [Self::Post, Self::Owner];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Owner => "owner",
        }
    }

    /// Returns the kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Whether each recipient of a post gets a copy of its own, or many recipients share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Personal {
    /// Copies of their own where that is cheap: up to [`limits::PERSONAL_RECIPIENTS`](crate::limits::PERSONAL_RECIPIENTS)
    /// recipients, and [`limits::PERSONAL_OCTETS`](crate::limits::PERSONAL_OCTETS) in all copies together.
    #[default]
    Auto,
    Always,
    Never,
}

/// A hash of a Message-ID, by which a list recognizes a post that it has received before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct MessageIdHash(pub(crate) [u8; 16]);

impl MessageIdHash {
    /// Returns the hash of a Message-ID as it is in the header, on one line.
    pub(crate) fn of(message_id: &str) -> Self {
        let hash = blake3::hash(message_id.trim().as_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 octets");
        Self(*first)
    }
}

/// A message that is to be distributed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewPost {
    pub(crate) list: ListNumber,
    pub(crate) kind: PostKind,
    pub(crate) message: MessageId,
    pub(crate) message_id: String,
    /// The size of the message in octets.
    pub(crate) size: u64,
    /// The settings of the list, as JSON. They are those of the distribution, even if the list's change meanwhile.
    pub(crate) settings: String,
    pub(crate) personal: Personal,
    /// The author, if they do not get their own posts.
    pub(crate) skipped: Option<Seq>,
    /// The address that gets a message to the owners of a list which has none.
    pub(crate) instead_of_owners: Option<String>,
}

/// What is known of a list when something is decided for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListSnapshot {
    pub(crate) number: ListNumber,
    pub(crate) list: List,
    /// The settings that differ from the defaults, by key.
    pub(crate) settings: Vec<(String, String)>,
    /// The bans of the list and those of all lists.
    pub(crate) bans: Vec<BanPattern>,
    /// The count at which all of this is valid.
    pub(crate) changes: Changes,
}

impl ListSnapshot {
    /// Returns what is known of what stands in place of a list for mail to a postmaster.
    pub(crate) fn of_postmaster(list: List, changes: Changes) -> Self {
        Self { number: ListNumber::SITE, list, settings: Vec::new(), bans: Vec::new(), changes }
    }
}
