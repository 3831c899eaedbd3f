//! Errors of operations.

use crate::backends::mailman::SiteError;
use crate::backends::sqlite::DataError;
use crate::engine::NotDecided;
use crate::model::{
    BanPattern, ChangeError, HeldId, ListAddress, MemberAddress, MemberError, MemberRole, Name, NotStepped,
    PostId, RequestId, StoreError,
};

/// The reason why an operation failed. Each text names the cause, and says what to do next if that is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Mailman(#[from] SiteError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{what} of a Mailman site are Mailman's own: {instead}")]
    OfMailman { what: &'static str, instead: &'static str },
    #[error(
        "{address} could never be reached: what follows {delimiter:?} is a detail of the address; choose a name \
         without it"
    )]
    Unreachable { address: ListAddress, delimiter: char },
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("{address} is not {} of {list}; `listgate member ls {list} --role {role}` lists them", role.with_article())]
    NotThere { address: MemberAddress, role: MemberRole, list: ListAddress },
    #[error("{address} is banned by {pattern}; `listgate ban remove` ends that, for the list or for `site`")]
    Banned { address: MemberAddress, pattern: BanPattern },
    #[error("{0} is the list itself: its posts would come back to it")]
    ListItself(ListAddress),
    #[error(
        "the engine works the queue `{0}`; to work it with commands, set engine.enabled = false in the \
         configuration file and restart the gate"
    )]
    EngineWorks(Name),
    #[error(
        "no one would get mail to the owners of {0}: add --owner ADDRESS, or set site.owner in the configuration \
         file"
    )]
    NoOwner(ListAddress),
    #[error("the site has no domain yet: create a list first")]
    NoDomain,
    #[error("no held post has the number {0}; `listgate held ls` lists them")]
    NotHeld(HeldId),
    #[error("no post has the number {0}; `listgate post ls` lists them")]
    NoPost(PostId),
    #[error(
        "nothing is known about mail with the Message-ID {0}: decisions are kept for 30 days, and go with their list; \
         the log of the gate has a line for each message that it took or refused"
    )]
    NothingKnown(String),
    #[error("the data directory has no key yet: start `listgate serve`, which makes the first one")]
    NoKey,
    #[error("somebody else has changed the keys at the same time; look at `listgate key ls`, and try again")]
    KeysChanged,
    #[error("no request with the number {0} waits; `listgate request ls` lists them")]
    NoRequest(RequestId),
    #[error("the request {id} waits as before")]
    RequestUndecided { id: RequestId, source: NotDecided },
    #[error(
        "the request {id} does not wait for a moderator: {address} has to confirm it; `listgate member add` adds an \
         address without asking it"
    )]
    NotForModerators { id: RequestId, address: MemberAddress },
    #[error("{0} is a member already")]
    IsMember(MemberAddress),
    #[error(
        "{address} is not invited: the engine is off (engine.enabled), so the mail would not leave; `listgate member \
         add` adds an address without asking it"
    )]
    NoEngine { address: MemberAddress },
    #[error("{address} is not invited")]
    Invitation { address: MemberAddress, source: NotDecided },
    #[error("{address} is not invited")]
    NotInvited { address: MemberAddress, source: NotStepped },
    #[error("the request {id} waits as before")]
    RequestStays { id: RequestId, source: NotStepped },
    #[error("the held post {id} stays held")]
    Undecided { id: HeldId, source: NotDecided },
    #[error("the held post {id} stays held")]
    NotTaken { id: HeldId, source: NotStepped },
}
