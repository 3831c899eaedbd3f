//! Endpoints: what the addresses of lists stand for.

use super::list::List;
use super::not_taken::NotTaken;
use super::queue::Name;
use std::fmt;
use std::sync::Arc;

/// The names under which a list could answer, in lower case, for a single lookup.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Names {
    /// The whole local part before the detail. A list with this name takes precedence.
    pub(crate) whole: String,
    /// The local part without its sub-address, if it has one.
    pub(crate) base: Option<String>,
    /// The domain as addressed; the backend replaces an alias domain.
    pub(crate) domain: String,
}

/// The role in which a list was addressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Role {
    Post,
    Owner,
    Bounces,
    Confirm,
    Join,
    Leave,
    Request,
}

impl Role {
    /// The sub-addresses of a list, and the role that each names.
    pub(crate) const SUBADDRESSES: [(&str, Self); 8] = [
        ("bounces", Self::Bounces),
        ("confirm", Self::Confirm),
        ("join", Self::Join),
        ("leave", Self::Leave),
        ("owner", Self::Owner),
        ("request", Self::Request),
        ("subscribe", Self::Join),
        ("unsubscribe", Self::Leave),
    ];

    /// Returns the role that a sub-address names; `None` if it is not a sub-address.
    pub(crate) fn of_subaddress(suffix: &str) -> Option<Self> {
        let named = Self::SUBADDRESSES.iter().find(|(name, _)| *name == suffix);
        named.map(|(_, role)| *role)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Owner => "owner",
            Self::Bounces => "bounces",
            Self::Confirm => "confirm",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Request => "request",
        }
    }

    pub(crate) fn queue(self) -> Name {
        match self {
            Self::Post | Self::Owner => Name::In,
            Self::Bounces => Name::Bounces,
            Self::Confirm | Self::Join | Self::Leave | Self::Request => Name::Command,
        }
    }
}

/// A list and the role it was addressed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Endpoint {
    pub(crate) list: Arc<List>,
    pub(crate) role: Role,
    /// The text after the VERP delimiter, as it was written.
    pub(crate) detail: Option<String>,
}

impl fmt::Display for Endpoint {
    /// Writes the endpoint as the log names it: `in/post mylist.example.com`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.role.queue(), self.role.name(), self.list.list_id)
    }
}

impl Endpoint {
    /// Checks whether its list takes a message of `size` octets, as far as the size is known. Mail to the owners is
    /// always taken, so that senders can ask why other mail is not. So are bounces, because they concern mail that
    /// the list has sent.
    ///
    /// # Errors
    /// The reason why the list does not take it.
    pub(crate) fn takes(&self, size: Option<u64>) -> Result<(), NotTaken> {
        if matches!(self.role, Role::Owner | Role::Bounces) { Ok(()) } else { self.list.takes(size) }
    }
}
