//! Members of lists: who they are, in which roles, and what they want.

use super::ban::BanPattern;
use super::member_address::{DisplayName, MemberAddress, NamedAddress};
use super::member_change::MemberChange;
use super::member_delivery::MemberDelivery;
use super::store_error::StoreError;
use super::time::{Due, milliseconds, time_at};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// What an address is to a list. One address may have several roles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum MemberRole {
    /// Posts reach it.
    Member,
    Owner,
    Moderator,
    /// It is known to the list, but posts do not reach it.
    Nonmember,
}

impl MemberRole {
    pub(crate) const ALL: [Self; 4] = [Self::Member, Self::Owner, Self::Moderator, Self::Nonmember];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Owner => "owner",
            Self::Moderator => "moderator",
            Self::Nonmember => "nonmember",
        }
    }

    /// Returns the role with its article: `an owner`.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Self::Member => "a member",
            Self::Owner => "an owner",
            Self::Moderator => "a moderator",
            Self::Nonmember => "a nonmember",
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a text that is not a role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the roles are member, owner, moderator and nonmember")]
pub(crate) struct MemberRoleError;

impl FromStr for MemberRole {
    type Err = MemberRoleError;

    fn from_str(text: &str) -> Result<Self, MemberRoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(MemberRoleError)
    }
}

/// The number of a membership. It grows with each that is made, and is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Seq(pub(crate) i64);

/// What a member, or an operator for it, can change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MemberSettings {
    pub(crate) name: Option<DisplayName>,
    /// When the address was found to be its owner's; `None`: not yet.
    pub(crate) verified_at: Option<SystemTime>,
    pub(crate) delivery: MemberDelivery,
    /// Whether its own posts reach it.
    pub(crate) own_posts: bool,
    /// Whether it is left out when other members see the list of members.
    pub(crate) hidden: bool,
}

impl MemberSettings {
    /// Makes a change at `now`, in milliseconds since 1970.
    pub(crate) fn apply(&mut self, change: &MemberChange, now: i64) {
        match change {
            MemberChange::Name(name) => self.name.clone_from(name),
            MemberChange::Verified(false) => self.verified_at = None,
            MemberChange::Verified(true) => {
                self.verified_at.get_or_insert_with(|| time_at(now));
            }
            MemberChange::DeliveryOn => self.delivery = MemberDelivery::On,
            MemberChange::DeliveryOff { by, until } => {
                let due = |until: SystemTime| {
                    let lasts = until.duration_since(time_at(now)).unwrap_or_default();
                    Due { at: milliseconds(until), ..Due::after(now, lasts) }
                };
                self.delivery = MemberDelivery::Off { by: *by, until: until.map(due) };
            }
            MemberChange::OwnPosts(own_posts) => self.own_posts = *own_posts,
            MemberChange::Hidden(hidden) => self.hidden = *hidden,
        }
    }
}

/// An address in a role of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) seq: Seq,
    pub(crate) role: MemberRole,
    pub(crate) address: MemberAddress,
    pub(crate) joined_at: SystemTime,
    pub(crate) settings: MemberSettings,
    /// Grows with each change.
    pub(crate) version: i64,
}

/// An address that is to be added to a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewMember {
    pub(crate) named: NamedAddress,
    /// The settings that differ from those of every new member, in the order in which they apply.
    pub(crate) changes: Vec<MemberChange>,
}

impl NewMember {
    /// Returns the settings with which it joins at `now`, in milliseconds since 1970.
    pub(crate) fn settings(&self, now: i64) -> MemberSettings {
        let mut settings = MemberSettings {
            name: self.named.name.clone(),
            verified_at: None,
            delivery: MemberDelivery::On,
            own_posts: true,
            hidden: false,
        };
        self.changes.iter().for_each(|change| settings.apply(change, now));
        settings
    }
}

impl From<NamedAddress> for NewMember {
    fn from(named: NamedAddress) -> Self {
        Self { named, changes: Vec::new() }
    }
}

/// What came of an address that was to be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Joined {
    Added,
    /// It has this role already, and nothing was changed.
    Already,
}

/// How many addresses have each role.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct RoleCounts(pub(crate) [u64; MemberRole::ALL.len()]);

impl RoleCounts {
    pub(crate) fn of(&self, role: MemberRole) -> u64 {
        self.0[role as usize]
    }
}

/// The reason why members could not be looked up or changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error("the list with the list_id {0} does not exist")]
    NoList(String),
    #[error("{0} is not there")]
    Missing(MemberAddress),
    #[error("{0} is not banned here; `listgate ban ls` shows the bans")]
    NoBan(BanPattern),
    #[error("the member was changed at the same time: try again")]
    Outdated,
    #[error(transparent)]
    Store(#[from] StoreError),
}
