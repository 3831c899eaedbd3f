//! The embedded backend as the engine and the outgoing side use it: steps and batches go through the gate's writer, and
//! lookups have a connection of their own, so that they do not wait for those of sessions.

use super::backend::Sqlite;
use super::connection::{self, Use};
use super::errors::failed;
use super::work::{Reply, Request};
use super::{former_members, lists, members, notices, offers, outbox, posts, queues, requests, site_keys};
use crate::backends::answer::{Answer, at_once};
use crate::backends::backend::Backend;
use crate::backends::lease_store::{LeaseRequest, LeaseStore, Leased};
use crate::backends::outbox::Outbox;
use crate::backends::posts::{EngineStore, Posts};
use crate::backends::stored_message::Messages;
use crate::model::{
    Advance, Answered, Claimed, FormerMember, HeldId, HeldPost, LeaseId, ListNumber, ListSnapshot, Member,
    MemberAddress, MessageId, MessageIdHash, ModerationNow, Name, NotStepped, Offer, OfferId, OutgoingNow,
    Request as WaitingRequest, RequestId, RequestKind, Seq, Stale, Step, Stepped, StoreError, StoreErrorKind,
};
use listgate_engine::token::KeyRing;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

pub(super) struct Engine {
    gate: Arc<Sqlite>,
    reader: Mutex<Connection>,
}

impl Engine {
    /// Opens the connection for lookups.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub(super) fn open(gate: Arc<Sqlite>) -> Result<Self, connection::OpenError> {
        let reader = connection::open(&gate.data_dir().database(), Use::Lookup)?;
        Ok(Self { gate, reader: Mutex::new(reader) })
    }

    fn query<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Answer<'a, T> {
        if self.gate.has_failed() {
            return at_once(Err(StoreError::closed()));
        }
        // A panic in another lookup leaves nothing half done, because lookups only read.
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        at_once(query(&reader).map_err(failed(operation)))
    }
}

impl Messages for Engine {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        if self.gate.has_failed() {
            return at_once(Err(StoreError::closed()));
        }
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        at_once(queues::read(&reader, &self.gate.data_dir().spool(), message, offset, length))
    }
}

impl LeaseStore for Engine {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        self.gate.lease(request)
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        self.gate.extend(leases, hold)
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        self.gate.step(steps)
    }

    fn arrivals(&self) -> Option<watch::Receiver<()>> {
        self.gate.arrivals()
    }
}

impl Posts for Engine {
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>> {
        self.query("look up the list", |reader| posts::snapshot(reader, list_id))
    }

    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>> {
        self.query("look up a member", |reader| members::standing(reader, list, address))
    }

    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool> {
        let now = self.gate.now();
        self.query("look up a Message-ID", |reader| posts::is_posted(reader, list, message_id, now))
    }

    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool> {
        self.query("count held posts", |reader| posts::holds_too_many(reader, list))
    }

    fn moderation(&self, list: ListNumber) -> Answer<'_, ModerationNow> {
        let now = self.gate.now();
        self.query("look up the moderators", |reader| offers::moderation(reader, list, now))
    }

    fn offer(&self, list: ListNumber, id: OfferId) -> Answer<'_, Option<Offer>> {
        self.query("look up an offer", |reader| offers::offer(reader, list, id))
    }

    fn held_post(&self, id: HeldId) -> Answer<'_, Option<HeldPost>> {
        self.query("read the held post", |reader| posts::held_post(reader, id))
    }

    fn runs_by_default(&self) -> Answer<'_, bool> {
        self.query("look whether the engine runs", posts::runs_by_default)
    }

    fn keys(&self) -> Answer<'_, KeyRing> {
        self.query("read the keys", site_keys::ring)
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<WaitingRequest>> {
        let now = self.gate.now();
        self.query("look up a request", |reader| requests::request(reader, id, now))
    }

    fn asked(&self, id: RequestId) -> Answer<'_, Option<(MemberAddress, String)>> {
        self.query("look up a notice", |reader| notices::asked(reader, id))
    }

    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<WaitingRequest>> {
        let now = self.gate.now();
        self.query("look up a request", |reader| requests::request_of(reader, list, address, kind, now))
    }

    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize> {
        let now = self.gate.now();
        self.query("count requests", |reader| requests::to_join(reader, list, most, now))
    }

    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>> {
        self.query("look up a member", |reader| members::by_seq(reader, list, seq))
    }

    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>> {
        let now = self.gate.now();
        self.query("look up a former member", |reader| former_members::former(reader, list, seq, now))
    }

    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered> {
        let now = self.gate.now();
        self.query("count the notices", |reader| notices::answered(reader, to, now))
    }

    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>> {
        self.query("read the members", |reader| members::roster(reader, list, most))
    }
}

impl Outbox for Engine {
    fn advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        Answer::of(async move {
            let claim = advance.claim;
            let only_claims = Advance { claim, ..Advance::default() };
            let now = self.gate.now();
            // Otherwise the writer would never be idle while the outgoing side looks for work.
            if advance == only_claims
                && !self.query("look what leaves", |reader| outbox::has_something(reader, now)).await?
            {
                return Ok(Vec::new());
            }
            let mut request = advance;
            loop {
                let Reply::Advanced(claims) = self.gate.request(Request::Advance(Box::new(request))).await?
                else {
                    unreachable!("an advance was asked for")
                };
                let claims = claims?;
                if !claims.is_cut_short {
                    return Ok(claims.claimed);
                }
                // Only the claim goes on, in another commit, so that arriving mail does not wait.
                request = Advance { claim, ..Advance::default() };
            }
        })
    }

    fn posts(&self) -> Option<watch::Receiver<()>> {
        Some(self.gate.posts())
    }

    fn left(&self) -> Answer<'_, u64> {
        self.query("count the recipients", outbox::left)
    }
}

impl EngineStore for Engine {
    fn is_own_domain<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.query("look up the domain", |reader| lists::serves(reader, domain))
    }

    fn free_leases(&self, queues: &'static [Name]) -> Answer<'_, ()> {
        Answer::of(async move { self.gate.request(Request::Free(queues)).await.map(drop) })
    }
}

impl Backend for Sqlite {
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>> {
        Some(self)
    }

    fn engine(self: Arc<Self>) -> Result<Option<Arc<dyn EngineStore>>, StoreError> {
        let opened = Engine::open(self);
        let opened = opened.map_err(|why| StoreError::database(StoreErrorKind::Database, "open", why))?;
        Ok(Some(Arc::new(opened)))
    }

    fn outgoing_now(&self) -> Answer<'_, Option<OutgoingNow>> {
        at_once(self.query("look at what leaves", |connection, _| outbox::now(connection)).map(Some))
    }
}
