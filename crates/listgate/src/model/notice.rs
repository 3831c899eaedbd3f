//! Notices: mail that Listgate writes itself. They are stored as data, and composed when they are sent.

use super::held_post::{HeldId, OfferedTo};
use super::member::Seq;
use super::member_address::MemberAddress;
use super::post::{ListNumber, PostId};
use super::request::RequestId;
use std::time::SystemTime;

/// What a notice is about. Its token names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Nothing that a token could name.
    Nothing,
    /// The request that the same step stores.
    Asked,
    Request(RequestId),
    /// The membership that the same step makes.
    Joined,
    /// A membership that has ended.
    Former(Seq),
    /// The held post that the same step stores, as it is offered to somebody.
    Held(OfferedTo),
}

/// Whom a notice goes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NoticeTo {
    Address(MemberAddress),
    /// The owners and moderators of the list.
    Owners {
        /// The address that gets it if there are none.
        instead: Option<String>,
    },
}

/// A notice that is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewNotice {
    pub(crate) list: ListNumber,
    pub(crate) to: NoticeTo,
    pub(crate) about: About,
    /// Whether it counts towards the limits of mail that anyone can cause.
    pub(crate) counted: bool,
    /// The name of its template.
    pub(crate) template: &'static str,
    /// What it says, as JSON.
    pub(crate) content: String,
}

/// The kinds of posts that have no stored message, as they are named in the store.
pub(crate) const NOTICE: &str = "notice";
pub(crate) const OWNER_NOTICE: &str = "owner_notice";

impl NoticeTo {
    /// Returns the kind of post that it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => NOTICE,
            Self::Owners { .. } => OWNER_NOTICE,
        }
    }
}

/// A notice that was claimed, to be composed and sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClaimedNotice {
    /// Whether it goes to the owners and moderators of the list.
    pub(crate) to_owners: bool,
    /// The name of its template.
    pub(crate) template: String,
    /// What it says, as JSON.
    pub(crate) content: String,
    /// The number that its tokens name, of a request, a membership or an offer; `None`: it has no token.
    pub(crate) subject: Option<i64>,
    /// The request that it is about.
    pub(crate) request: Option<RequestId>,
    /// The held post that it asks about.
    pub(crate) held: Option<HeldId>,
    /// When it was stored.
    pub(crate) accepted_at: SystemTime,
}

impl ClaimedNotice {
    /// Returns the left side of its Message-ID.
    pub(crate) fn id(&self, post: PostId) -> String {
        notice_id(post, self.request)
    }
}

/// Returns the left side of the Message-ID of a notice, which names the request that it is about, if there is one. A reply
/// to it is recognized by that.
pub(crate) fn notice_id(post: PostId, request: Option<RequestId>) -> String {
    let request = request.map_or(0, |RequestId(id)| id);
    format!("notice.{post}.{request}")
}

/// How much counted mail there was, of all lists.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Answered {
    /// To an account (an address without its detail) in a day.
    pub(crate) account_day: u32,
    /// To a domain in an hour.
    pub(crate) domain_hour: u32,
    /// Whether a notice to this very address has bounced for good in recent days.
    pub(crate) bounced: bool,
}
