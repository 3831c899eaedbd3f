//! What the engine asks of a backend, besides leases and steps.

use super::answer::{Answer, at_once};
use super::lease_store::LeaseStore;
use super::outbox::Outbox;
use crate::model::{ListNumber, ListSnapshot, Member, MemberAddress, MessageIdHash, Name};
use listgate_engine::token::KeyRing;

/// Lists, and what became of their posts.
pub(crate) trait Posts: Send + Sync {
    /// Returns what is known of the list with this list_id, or `None` if it does not exist.
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>>;

    /// Returns an address in each role that it has in a list.
    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>>;

    /// Returns whether the list has accepted or held a post with this Message-ID in recent days.
    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool>;

    /// Returns whether a list holds as many posts as it may ([`crate::limits::HELD_POSTS`]).
    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool>;

    /// Returns whether the engine runs if the configuration does not say: not where an earlier version was used, because
    /// other programs may work the queues there.
    fn runs_by_default(&self) -> Answer<'_, bool>;

    /// Returns the keys that sign tokens.
    fn keys(&self) -> Answer<'_, KeyRing>;
}

/// Everything that the engine and the outgoing side need.
pub(crate) trait EngineStore: LeaseStore + Posts + Outbox {
    /// Frees what is leased of these queues, so that what an engine had leased when it was killed does not wait until the
    /// lease lapses. A backend that several machines share does nothing.
    fn free_leases(&self, _queues: &'static [Name]) -> Answer<'_, ()> {
        at_once(Ok(()))
    }
}
