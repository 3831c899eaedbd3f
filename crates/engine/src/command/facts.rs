//! What a decision about a command depends on besides the mail.

use crate::comparable::Comparable;
use crate::token::KeyRing;
use listgate_lmtp::Mailbox;
use std::collections::BTreeMap;

/// A member of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The id of the membership, which tokens name. It is never used again.
    pub id: u64,
    /// The address, as it was given.
    pub address: Mailbox,
}

/// The standing of an address with a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The membership of the address.
    pub member: Option<Member>,
    /// Whether it is the address of an owner or moderator.
    pub is_official: bool,
}

/// A membership that has ended, and can be restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Former {
    /// The id that the membership had.
    pub id: u64,
    /// The address, as it was given.
    pub address: Mailbox,
    /// When it ended, in seconds since 1970. The mail by which it can be restored was handed over later, so a reply within
    /// [`limits::SOONEST_REPLY`](crate::limits::SOONEST_REPLY) of this is a program's. A program that answers a delayed mail
    /// is not recognized.
    pub left_at: u64,
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RequestKind {
    /// An address wants to join.
    Join,
    /// An address wants to leave.
    Leave,
    /// An owner has invited an address.
    Invite,
}

/// What an address was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// What it was to confirm.
    pub kind: RequestKind,
    /// The address.
    pub address: Mailbox,
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// The address has to confirm.
    Confirm,
    /// The address has agreed, and a moderator has to accept.
    Moderate,
}

/// A request that is pending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its id, which tokens name. It is never used again.
    pub id: u64,
    /// What was asked for.
    pub kind: RequestKind,
    /// What it waits for.
    pub phase: Phase,
    /// The address that it is about, as it was given.
    pub address: Mailbox,
    /// The name of the person, or an empty text.
    pub name: String,
    /// Whether the address was asked once more, because it had confirmed too soon.
    pub was_early: bool,
    /// How many mails about it were sent in the last hour.
    pub mails_in_hour: u32,
    /// How many mails about it were sent in the last day.
    pub mails_in_day: u32,
    /// When the mail server took the last one, in seconds since 1970; `None` if it has not yet.
    pub handed_over_at: Option<u64>,
}

/// What became of a held post.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ruling {
    /// It was sent to the members.
    Accepted,
    /// It was removed, and its author may know.
    Rejected,
    /// It was removed.
    Discarded,
}

impl Ruling {
    /// Returns the word for it, such as `accepted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
        }
    }
}

/// A held post, as it was offered to one moderator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The id of the offer, which tokens name. It is never used again.
    pub id: u64,
    /// The number of the held post, as people see it.
    pub held: u64,
    /// The address of the moderator; `None` if it is not one any more.
    pub moderator: Option<Mailbox>,
    /// What became of the post; `None` if it still waits.
    pub ruling: Option<Ruling>,
}

/// The mail that an address has got because someone asked for it without a token. The whole site counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// In the last day, to the address and all that differ from it in the text after a `+`.
    pub account_in_day: u32,
    /// In the last hour, to all addresses of its domain.
    pub domain_in_hour: u32,
    /// Whether such mail came back in recent days because the address cannot be delivered to.
    pub has_bounced: bool,
}

/// The members of a list, as people see them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roster {
    /// Their addresses, a line each. It may be cut.
    pub addresses: String,
    /// How many there are, such as `17` or `more than 3000`.
    pub count: String,
}

/// The facts about a command that are not in the mail itself.
#[derive(Clone, Debug)]
pub struct Facts<'k> {
    /// The keys that sign tokens.
    pub keys: &'k KeyRing,
    /// The time, in seconds since 1970 in UTC.
    pub now: u64,
    /// The name under which the site's mail server writes Authentication-Results (RFC 8601 section 2.5); `None`: none of
    /// these fields is trusted. The mail server must remove those of this name that come from outside.
    pub authserv_id: Option<&'k str>,
    /// The subjects of mails that ask for a confirmation. A reply is recognized by them.
    pub subjects: &'k [String],
    /// The answers to [`Question::Standing`].
    pub standings: BTreeMap<Comparable, Standing>,
    /// The answers to [`Question::Membership`].
    pub memberships: BTreeMap<u64, Option<Member>>,
    /// The answers to [`Question::Former`].
    pub formers: BTreeMap<u64, Option<Former>>,
    /// The answers to [`Question::Request`].
    pub requests: BTreeMap<u64, Option<Request>>,
    /// The answers to [`Question::Asked`].
    pub asked: BTreeMap<u64, Option<Asked>>,
    /// The answers to [`Question::Offer`].
    pub offers: BTreeMap<u64, Option<Offer>>,
    /// The answers to [`Question::Pending`].
    pub pending: BTreeMap<(Comparable, RequestKind), Option<Request>>,
    /// The answer to [`Question::Room`].
    pub has_room: Option<bool>,
    /// The answers to [`Question::Answered`].
    pub answered: BTreeMap<Comparable, Answered>,
    /// The answer to [`Question::Roster`].
    pub roster: Option<Roster>,
}

impl<'k> Facts<'k> {
    /// Returns the facts that are known before any question is answered.
    pub fn new(keys: &'k KeyRing, now: u64) -> Self {
        Self {
            keys,
            now,
            authserv_id: None,
            subjects: &[],
            standings: BTreeMap::new(),
            memberships: BTreeMap::new(),
            formers: BTreeMap::new(),
            requests: BTreeMap::new(),
            asked: BTreeMap::new(),
            offers: BTreeMap::new(),
            pending: BTreeMap::new(),
            has_room: None,
            answered: BTreeMap::new(),
            roster: None,
        }
    }

    pub(super) fn standing(&self, address: &Comparable) -> Result<&Standing, Question> {
        self.standings.get(address).ok_or_else(|| Question::Standing(address.clone()))
    }

    pub(super) fn membership(&self, id: u64) -> Result<Option<&Member>, Question> {
        self.memberships.get(&id).map(Option::as_ref).ok_or(Question::Membership(id))
    }

    pub(super) fn former(&self, id: u64) -> Result<Option<&Former>, Question> {
        self.formers.get(&id).map(Option::as_ref).ok_or(Question::Former(id))
    }

    pub(super) fn request(&self, id: u64) -> Result<Option<&Request>, Question> {
        self.requests.get(&id).map(Option::as_ref).ok_or(Question::Request(id))
    }

    pub(super) fn asked(&self, id: u64) -> Result<Option<&Asked>, Question> {
        self.asked.get(&id).map(Option::as_ref).ok_or(Question::Asked(id))
    }

    pub(super) fn offer(&self, id: u64) -> Result<Option<&Offer>, Question> {
        self.offers.get(&id).map(Option::as_ref).ok_or(Question::Offer(id))
    }

    pub(super) fn pending(
        &self,
        address: &Comparable,
        kind: RequestKind,
    ) -> Result<Option<&Request>, Question> {
        let known = self.pending.get(&(address.clone(), kind)).map(Option::as_ref);
        known.ok_or_else(|| Question::Pending(address.clone(), kind))
    }

    pub(super) fn has_room(&self) -> Result<bool, Question> {
        self.has_room.ok_or(Question::Room)
    }

    pub(super) fn answered(&self, address: &Comparable) -> Result<Answered, Question> {
        self.answered.get(address).copied().ok_or_else(|| Question::Answered(address.clone()))
    }

    pub(super) fn roster(&self, has_hidden: bool) -> Result<&Roster, Question> {
        self.roster.as_ref().ok_or(Question::Roster { has_hidden })
    }
}

/// A question that a decision depends on. Its answer belongs in [`Facts`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Question {
    /// The standing of this address with the list.
    Standing(Comparable),
    /// The member of the list with this id.
    Membership(u64),
    /// The membership of the list that had this id, if it ended in the last seven days.
    Former(u64),
    /// The pending request of the list with this id.
    Request(u64),
    /// Whom the mail about the request of the list with this id asked, also if the request is over; unknown is `None`.
    Asked(u64),
    /// The held post of the list that was offered under this id.
    Offer(u64),
    /// The pending request of this kind about an address.
    Pending(Comparable, RequestKind),
    /// Whether the list has room for one more request to join.
    Room,
    /// The mail that this address has got.
    Answered(Comparable),
    /// The members of the list.
    Roster {
        /// Whether those who are hidden belong to it.
        has_hidden: bool,
    },
}
