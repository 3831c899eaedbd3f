//! Requests that wait for an answer in the backend for tests.

use crate::model::{
    Due, ListNumber, Mailed, MemberAddress, NewRequest, Request, RequestId, RequestKind, RequestPhase,
    time_at,
};
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub(super) struct RequestTable {
    /// The requests, and when they are forgotten.
    rows: BTreeMap<RequestId, (Request, Due)>,
    last: i64,
}

impl RequestTable {
    /// Returns a request that waits, without its mails.
    pub(super) fn get(&self, id: RequestId, now: i64) -> Option<Request> {
        let (request, due) = self.rows.get(&id)?;
        (!due.is_over(now)).then(|| request.clone())
    }

    pub(super) fn find(
        &self,
        list: ListNumber,
        address: &MemberAddress,
        kind: RequestKind,
        now: i64,
    ) -> Option<Request> {
        let is_it = |request: &&Request| {
            (request.list, request.kind) == (list, kind) && request.address.key() == address.key()
        };
        let waiting = self.rows.values().filter(|(_, due)| !due.is_over(now)).map(|(request, _)| request);
        waiting.into_iter().find(is_it).cloned()
    }

    /// Returns how many requests to join a list wait.
    pub(super) fn to_join(&self, list: ListNumber, now: i64) -> usize {
        let waits = |(request, due): &&(Request, Due)| {
            (request.list, request.kind) == (list, RequestKind::Join) && !due.is_over(now)
        };
        self.rows.values().filter(waits).count()
    }

    /// Stores a request, or counts the one that waits already.
    pub(super) fn ask(&mut self, new: &NewRequest, list_id: &str, now: i64) -> RequestId {
        if let Some(waiting) = self.find(new.list, &new.address, new.kind, now) {
            return self.change(waiting.id, now, |request| request.asked += 1).expect("it was found");
        }
        self.last += 1;
        let id = RequestId(self.last);
        let due = Due::after(now, new.phase.lasts());
        let request = Request {
            id,
            list: new.list,
            list_id: list_id.to_owned(),
            kind: new.kind,
            phase: new.phase,
            address: new.address.clone(),
            name: new.name.clone(),
            confirmed: new.confirmed,
            asked_at: time_at(now),
            asked: 1,
            early: false,
            version: 1,
            forget_at: time_at(due.at),
            mailed: Mailed::default(),
        };
        self.rows.insert(id, (request, due));
        id
    }

    pub(super) fn mark_early(&mut self, id: RequestId) -> Option<RequestId> {
        let (request, _) = self.rows.get_mut(&id)?;
        request.early = true;
        request.version += 1;
        Some(id)
    }

    pub(super) fn await_moderator(&mut self, id: RequestId, now: i64) -> Option<RequestId> {
        self.change(id, now, |request| {
            (request.phase, request.confirmed) = (RequestPhase::Moderate, true);
        })
    }

    /// Changes a request, and lets it wait for as long as its phase lasts.
    fn change(&mut self, id: RequestId, now: i64, change: impl FnOnce(&mut Request)) -> Option<RequestId> {
        let (request, due) = self.rows.get_mut(&id)?;
        change(request);
        *due = Due::after(now, request.phase.lasts());
        request.forget_at = time_at(due.at);
        request.version += 1;
        Some(id)
    }

    pub(super) fn end(&mut self, id: RequestId) -> Option<RequestId> {
        self.rows.remove(&id).map(|_| id)
    }

    /// Removes everything of a list.
    pub(super) fn forget(&mut self, list: ListNumber) {
        self.rows.retain(|_, (request, _)| request.list != list);
    }
}
