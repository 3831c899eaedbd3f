//! A store around another one, for tests that watch or delay what it does.

use super::answer::Answer;
use super::lease_store::{LeaseRequest, LeaseStore, Leased};
use super::outbox::Outbox;
use super::posts::{EngineStore, Posts};
use super::stored_message::Messages;
use crate::model::{
    Advance, Answered, Claimed, FormerMember, HeldId, HeldPost, LeaseId, ListNumber, ListSnapshot, Member,
    MemberAddress, MessageId, MessageIdHash, ModerationNow, Name, NotStepped, Offer, OfferId, Request,
    RequestId, RequestKind, Seq, Stale, Step, Stepped,
};
use listgate_engine::token::KeyRing;
use std::time::Duration;
use tokio::sync::watch;

/// A store that passes each call on to another one. A test replaces the methods whose names begin with
/// `around_`, to watch or delay these calls.
pub(crate) trait Around: Send + Sync {
    /// Returns the other store.
    fn store(&self) -> &dyn EngineStore;

    fn around_read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        self.store().read(message, offset, length)
    }

    fn around_step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        self.store().step(steps)
    }

    fn around_standing<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
    ) -> Answer<'a, Vec<Member>> {
        self.store().standing(list, address)
    }

    fn around_advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        self.store().advance(advance)
    }
}

impl<T: Around> Messages for T {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        self.around_read(message, offset, length)
    }
}

impl<T: Around> LeaseStore for T {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        self.store().lease(request)
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        self.store().extend(leases, hold)
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        self.around_step(steps)
    }

    fn stop_waiting_for_locks(&self) {
        self.store().stop_waiting_for_locks();
    }

    fn arrivals(&self) -> Option<watch::Receiver<()>> {
        self.store().arrivals()
    }
}

impl<T: Around> Posts for T {
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>> {
        self.store().snapshot(list_id)
    }

    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>> {
        self.around_standing(list, address)
    }

    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool> {
        self.store().is_posted(list, message_id)
    }

    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool> {
        self.store().holds_too_many(list)
    }

    fn moderation(&self, list: ListNumber) -> Answer<'_, ModerationNow> {
        self.store().moderation(list)
    }

    fn offer(&self, list: ListNumber, id: OfferId) -> Answer<'_, Option<Offer>> {
        self.store().offer(list, id)
    }

    fn held_post(&self, id: HeldId) -> Answer<'_, Option<HeldPost>> {
        self.store().held_post(id)
    }

    fn runs_by_default(&self) -> Answer<'_, bool> {
        self.store().runs_by_default()
    }

    fn keys(&self) -> Answer<'_, KeyRing> {
        self.store().keys()
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<Request>> {
        self.store().request(id)
    }

    fn asked(&self, id: RequestId) -> Answer<'_, Option<(MemberAddress, String)>> {
        self.store().asked(id)
    }

    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<Request>> {
        self.store().request_of(list, address, kind)
    }

    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize> {
        self.store().requests_to_join(list, most)
    }

    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>> {
        self.store().member_of_seq(list, seq)
    }

    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>> {
        self.store().former(list, seq)
    }

    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered> {
        self.store().answered(to)
    }

    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>> {
        self.store().roster(list, most)
    }
}

impl<T: Around> Outbox for T {
    fn advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        self.around_advance(advance)
    }

    fn posts(&self) -> Option<watch::Receiver<()>> {
        self.store().posts()
    }

    fn left(&self) -> Answer<'_, u64> {
        self.store().left()
    }
}

impl<T: Around> EngineStore for T {
    fn free_leases(&self, queues: &'static [Name]) -> Answer<'_, ()> {
        self.store().free_leases(queues)
    }

    fn is_own_domain<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.store().is_own_domain(domain)
    }
}
