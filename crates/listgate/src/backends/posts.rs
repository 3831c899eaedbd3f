//! What the engine asks of a backend, besides leases and steps.

use super::answer::{Answer, at_once};
use super::lease_store::LeaseStore;
use super::outbox::Outbox;
use crate::model::{
    Answered, FormerMember, HeldId, HeldPost, ListNumber, ListSnapshot, Member, MemberAddress, MessageIdHash,
    ModerationNow, Name, Offer, OfferId, Request, RequestId, RequestKind, Seq,
};
use listgate_engine::token::KeyRing;

/// Lists, and what became of their posts.
pub(crate) trait Posts: Send + Sync {
    /// Returns what is known of the list with this list_id, or `None` if it does not exist. What stands in place of a list
    /// for mail to the postmaster of a domain is known even if the domain was removed.
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>>;

    /// Returns an address in each role that it has in a list.
    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>>;

    /// Returns whether the list has accepted or held a post with this Message-ID in recent days.
    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool>;

    /// Returns whether a list holds as many posts as it may ([`crate::limits::HELD_POSTS`]).
    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool>;

    /// Returns who decides about held posts of a list, how many it holds, and how many were announced recently. Those to whom a notice has bounced are left
    /// out.
    fn moderation(&self, list: ListNumber) -> Answer<'_, ModerationNow>;

    /// Returns a held post as it was offered to a moderator, or `None` if the list has no such offer.
    fn offer(&self, list: ListNumber, id: OfferId) -> Answer<'_, Option<Offer>>;

    /// Returns a held post, or `None` if there is none with this id.
    fn held_post(&self, id: HeldId) -> Answer<'_, Option<HeldPost>>;

    /// Returns whether the engine runs if the configuration does not say: not where an earlier version was used, because
    /// other programs may work the queues there.
    fn runs_by_default(&self) -> Answer<'_, bool>;

    /// Returns the keys that sign tokens.
    fn keys(&self) -> Answer<'_, KeyRing>;

    /// Returns a request that waits for an answer, or `None` if there is none with this id.
    fn request(&self, id: RequestId) -> Answer<'_, Option<Request>>;

    /// Returns the address that got the first notice about a request, and the template of the notice. The request may be
    /// over. `None`: there was no notice to an address, or it is forgotten.
    fn asked(&self, id: RequestId) -> Answer<'_, Option<(MemberAddress, String)>>;

    /// Returns the request of a kind that waits for an address, or `None` if there is none.
    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<Request>>;

    /// Returns how many requests to join a list wait. It counts up to `most`.
    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize>;

    /// Returns a member of a list, or `None` if there is none with this seq.
    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>>;

    /// Returns a former member who can still come back, or `None` if there is none with this seq.
    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>>;

    /// Returns how many counted notices were sent to the account and to the domain of an address, of all lists, and whether
    /// one to the address itself has bounced. If the clock was set back, those of later times count as well, but for no
    /// more than twice as long.
    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered>;

    /// Returns up to `most` members of a list, hidden ones as well, in the order in which they joined.
    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>>;
}

/// Everything that the engine and the outgoing side need.
pub(crate) trait EngineStore: LeaseStore + Posts + Outbox {
    /// Returns whether mail to a domain belongs to this site; this includes alias domains.
    fn is_own_domain<'a>(&'a self, domain: &'a str) -> Answer<'a, bool>;

    /// Frees what is leased of these queues, so that what an engine had leased when it was killed does not wait until the
    /// lease lapses. The lost lease does not count as an
    /// attempt, unless the entry was leased very often. A backend that several
    /// machines share does nothing.
    fn free_leases(&self, _queues: &'static [Name]) -> Answer<'_, ()> {
        at_once(Ok(()))
    }
}
