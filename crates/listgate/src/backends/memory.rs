//! A backend in memory, for tests. It behaves like a remote database: each call yields before it answers, a call may
//! fail because the database is away, an answer may be lost after its commit, and depths may be out of date.

use super::addresses::Rooms;
use super::answer::Answer;
use super::backend::Backend;
use super::delivery::{Delivery, NotStored};
use super::intake_store::IntakeStore;
use super::key_admin::KeyAdmin;
use super::lease_store::{LeaseRequest, LeaseStore, Leased};
use super::members::Members;
use super::memory_held::HeldTable;
use super::memory_keys::KeyTable;
use super::memory_members::MemberTable;
use super::memory_posts::{Audience, PostTable};
use super::memory_requests::RequestTable;
use super::outbox::Outbox;
use super::posts::{EngineStore, Posts};
use super::queued::Queued;
use super::registry::Registry;
use super::stored_message::Messages;
use crate::file_error::During;
use crate::limits;
use crate::message::{Body, Style};
use crate::model::{
    About, Advance, Answered, Ban, BanPattern, BounceOf, Changes, Claimed, Clock, DeliveryKey, Depth, Due,
    Duplicate, Effect, Entry, EntryId, Evidence, Expect, Fingerprint, FormerMember, HeldId, HeldPost, Id,
    Joined, KeptId, Lease, LeaseId, List, ListAddress, ListNumber, ListSnapshot, ListState, Member,
    MemberAddress, MemberChange, MemberDelivery, MemberError, MemberRole, MessageId, MessageIdHash,
    ModerationNow, Msgdata, Name, Names, NewBounce, NewMember, NewNotice, NotStepped, Offer, OfferId,
    OfferedTo, OutgoingNow, QueueNow, Request, RequestId, RequestKind, Rotation, Seq, SiteKey, Space, Stale,
    State, Step, Stepped, StoreError, StoreErrorKind, Verdict, milliseconds, time_at,
};
use listgate_engine::token::KeyRing;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// What goes wrong in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The database does not answer, and has done nothing.
    Away,
    /// The request is carried out, but its answer is lost.
    LosesItsAnswer,
    /// The backend has a bug.
    Panics,
}

#[derive(Clone, Default)]
struct Tables {
    lists: BTreeMap<(String, String), Arc<List>>,
    /// The numbers of lists by list_id.
    numbers: BTreeMap<String, ListNumber>,
    last_list: i64,
    changes: i64,
    posts: PostTable,
    held: HeldTable,
    members: MemberTable,
    requests: RequestTable,
    site_keys: KeyTable,
    /// Messages by delivery number.
    messages: BTreeMap<i64, Vec<u8>>,
    keys: HashMap<DeliveryKey, Vec<(EntryId, Duplicate)>>,
    /// The entries that were stored when mail first came.
    seen: HashMap<[u8; Fingerprint::LEN], EntryId>,
    entries: BTreeMap<EntryId, Row>,
    kept: BTreeMap<KeptId, MessageId>,
    last_message: i64,
    last_kept: i64,
    /// The depths that were requested, and when.
    depths: HashMap<Name, (Instant, Depth)>,
}

#[derive(Clone)]
struct Row {
    entry: Entry,
    /// When it waits again, if it is leased or deferred.
    due: Option<Due>,
    fence: i64,
}

pub(crate) struct Memory {
    tables: Mutex<Tables>,
    trouble: Mutex<Vec<Trouble>>,
    clock: Clock,
    given_up: watch::Sender<bool>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Clock::default())
    }
}

impl Memory {
    pub(crate) fn new(clock: Clock) -> Self {
        let given_up = watch::Sender::new(false);
        Self { tables: Mutex::default(), trouble: Mutex::default(), clock, given_up }
    }

    pub(crate) fn create(&self, address: &str) {
        let address: ListAddress = address.parse().expect("the test's address is one");
        let list = List {
            list_id: address.list_id(),
            state: ListState::Open,
            max_size: None,
            alias: None,
            address: address.clone(),
        };
        let mut tables = self.tables();
        tables.last_list += 1;
        let number = ListNumber(tables.last_list);
        tables.numbers.insert(list.list_id.clone(), number);
        tables.lists.insert((address.domain, address.local), Arc::new(list));
        tables.changes += 1;
    }

    pub(crate) fn remove(&self, address: &str) {
        let address: ListAddress = address.parse().expect("the test's address is one");
        let mut tables = self.tables();
        let list = tables.lists.remove(&(address.domain, address.local)).expect("the list exists");
        let number = tables.numbers.remove(&list.list_id).expect("each list has a number");
        tables.members.forget(&list.list_id);
        tables.requests.forget(number);
        for kept in tables.posts.forget(number).into_iter().chain(tables.held.forget(number)) {
            tables.kept.remove(&kept);
        }
        tables.drop_messages();
        tables.changes += 1;
    }

    /// Does what opening does after the process that used the backend has ended.
    pub(crate) fn recover(&self) {
        let now = self.clock.milliseconds();
        self.tables().posts.recover(now);
    }

    /// Makes the next calls meet these troubles, one each, the last one first.
    pub(crate) fn expect(&self, trouble: impl IntoIterator<Item = Trouble>) {
        self.trouble.lock().expect("no test panics here").extend(trouble);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no test panics within the tables")
    }

    /// Yields, meets the next trouble if there is one, and runs `work`. If that fails, nothing changes.
    fn run<'a, T: Send + 'a, E: From<StoreError> + Send + 'a>(
        &'a self,
        operation: &'static str,
        work: impl FnOnce(&mut Tables) -> Result<T, E> + Send + 'a,
    ) -> Answer<'a, T, E> {
        Answer::of(async move {
            tokio::task::yield_now().await;
            let away = || E::from(StoreError::database(StoreErrorKind::Database, operation, "it is away"));
            if *self.given_up.borrow() {
                return Err(E::from(StoreError::closed()));
            }
            let trouble = self.trouble.lock().expect("no test panics here").pop();
            assert_ne!(trouble, Some(Trouble::Panics), "injected by a test");
            if trouble == Some(Trouble::Away) {
                return Err(away());
            }
            let mut tables = self.tables();
            let before = tables.clone();
            let answer = work(&mut tables);
            if answer.is_err() {
                *tables = before;
            }
            if trouble == Some(Trouble::LosesItsAnswer) { Err(away()) } else { answer }
        })
    }
}

impl Tables {
    fn find(&self, names: &Names) -> Option<Arc<List>> {
        let named = |local: &String| self.lists.get(&(names.domain.clone(), local.clone())).cloned();
        named(&names.whole).or_else(|| named(names.base.as_ref()?))
    }

    /// Returns the members of all lists, if there is a list with this list_id.
    fn members_of(&mut self, list_id: &str) -> Result<&mut MemberTable, MemberError> {
        let exists = self.lists.values().any(|list| list.list_id == list_id);
        exists.then_some(&mut self.members).ok_or_else(|| MemberError::NoList(list_id.to_owned()))
    }

    fn bans_of(&mut self, list_id: Option<&str>) -> Result<&mut MemberTable, MemberError> {
        match list_id {
            Some(list_id) => self.members_of(list_id),
            None => Ok(&mut self.members),
        }
    }

    fn put(&mut self, delivery: Delivery) -> Result<Vec<Queued>, NotStored> {
        if let Some(stored) = self.keys.get(&delivery.key) {
            return Ok(promise(stored));
        }
        if delivery.as_of.is_some_and(|as_of| as_of != Changes(self.changes)) {
            return Err(NotStored::Changed(Box::new(delivery)));
        }
        let stored = self.insert(&delivery);
        if stored.iter().any(|(_, again)| again.is_stored()) {
            self.messages.insert(self.last_message, octets(delivery.message.body)?);
        }
        let queued = promise(&stored);
        self.keys.insert(delivery.key, stored);
        Ok(queued)
    }

    /// Stores one entry for each distinct endpoint. Mail with a Received line that was received before gets its first
    /// entry instead.
    fn insert(&mut self, delivery: &Delivery) -> Vec<(EntryId, Duplicate)> {
        self.last_message += 1;
        let mut stored: Vec<(EntryId, Duplicate)> = Vec::new();
        let mut n = 0;
        for (at, addressed) in delivery.to.iter().enumerate() {
            let endpoint = &addressed.endpoint;
            let same = delivery.to[..at].iter().position(|other| other.endpoint == *endpoint);
            if let Some(same) = same {
                stored.push(stored[same]);
                continue;
            }
            let fingerprint = Fingerprint::new(&delivery.message.digest, endpoint).0;
            if let Some(first) = self.seen.get(&fingerprint)
                && delivery.message.facts.received_lines() > 0
            {
                let waits = self.entries.contains_key(first);
                stored.push((*first, if waits { Duplicate::Suppressed } else { Duplicate::Handled }));
                continue;
            }
            n += 1;
            let id = EntryId { delivery: self.last_message, n };
            let again = if self.seen.contains_key(&fingerprint) { Duplicate::Marked } else { Duplicate::No };
            self.seen.entry(fingerprint).or_insert(id);
            self.entries.insert(id, Row::new(id, delivery, at));
            stored.push((id, again));
        }
        stored
    }

    fn depth(&self, queue: Name) -> Depth {
        let in_it = self.entries.values().filter(|row| row.entry.queue == queue);
        let octets = in_it.clone().map(|row| row.entry.size).sum();
        Depth { entries: in_it.count() as u64, octets }
    }

    /// Returns a depth as old as the caller allows.
    fn depth_within(&mut self, queue: Name, age: Duration) -> Depth {
        match self.depths.get(&queue) {
            Some((at, depth)) if at.elapsed() < age => *depth,
            _ => {
                let depth = self.depth(queue);
                self.depths.insert(queue, (Instant::now(), depth));
                depth
            }
        }
    }

    fn lease(&mut self, request: &LeaseRequest, now: i64) -> Leased {
        for row in self.entries.values_mut() {
            if row.due.is_some_and(|due| due.is_over(now)) {
                let reason = match &row.entry.state {
                    State::Leased { .. } => Some("its lease lapsed"),
                    state => state.reason(),
                };
                row.become_due(reason.map(str::to_owned));
            }
        }
        let mut leased = Leased { leases: Vec::new(), turn: request.turn.clone() };
        while leased.leases.len() < request.max.min(limits::LEASED_AT_ONCE) {
            let Some((list, id)) = self.next(request, &leased.turn) else { break };
            let row = self.entries.get_mut(&id).expect("it was found");
            row.lease_until(Due::after(now, request.hold));
            row.fence += 1;
            row.entry.attempts += 1;
            leased.leases.push(Lease { entry: row.entry.clone(), fence: row.fence });
            leased.turn = list;
        }
        leased
    }

    /// Returns the first entry of the list whose turn it is.
    fn next(&self, request: &LeaseRequest, turn: &str) -> Option<(String, EntryId)> {
        let of_queue = || self.entries.iter().filter(|(_, row)| row.entry.queue == request.queue);
        let is_busy = |list: &str| {
            request.ordered && of_queue().any(|(_, row)| row.entry.list_id == list && row.due.is_some())
        };
        let waiting = of_queue().filter(|(_, row)| matches!(row.entry.state, State::Waiting { .. }));
        let lists: BTreeSet<&str> = waiting.clone().map(|(_, row)| row.entry.list_id.as_str()).collect();
        let after = lists.range::<str, _>((std::ops::Bound::Excluded(turn), std::ops::Bound::Unbounded));
        let list = *after.chain(&lists).find(|list| !is_busy(list))?;
        let (id, _) = waiting.clone().find(|(_, row)| row.entry.list_id == list)?;
        Some((list.to_owned(), *id))
    }

    fn leased(&mut self, lease: LeaseId) -> Result<&mut Row, Stale> {
        let row = self.entries.get_mut(&lease.entry).ok_or(Stale)?;
        let holds = matches!(row.entry.state, State::Leased { .. }) && row.fence == lease.fence;
        if holds { Ok(row) } else { Err(Stale) }
    }

    fn take(&mut self, step: &Step, now: i64) -> Result<Stepped, NotStepped> {
        let before = self.clone();
        let taken = self.apply(step, now);
        if taken.is_err() {
            *self = before;
        }
        taken
    }

    fn apply(&mut self, step: &Step, now: i64) -> Result<Stepped, NotStepped> {
        let holds = |expect: &Expect| self.holds(expect, now);
        let exists = |list| list == ListNumber::SITE || self.numbers.values().any(|number| *number == list);
        if !step.expects().iter().all(holds) || !step.effects().iter().filter_map(Effect::list).all(exists) {
            return Err(NotStepped::Outdated);
        }
        let mut stepped = Stepped::default();
        let mut effects: Vec<&Effect> = step.effects().iter().collect();
        effects.sort_by_key(|effect| effect.turn());
        for effect in effects {
            self.make(effect, &mut stepped, now)?;
        }
        if let Some((lease, verdict)) = step.settle() {
            self.settle(*lease, verdict, now).map_err(|Stale| NotStepped::Stale)?;
        }
        self.drop_messages();
        Ok(stepped)
    }

    fn holds(&self, expect: &Expect, now: i64) -> bool {
        match expect {
            Expect::Lists(changes) => *changes == Changes(self.changes),
            Expect::Kept(id) => self.kept.contains_key(id),
            Expect::NotPosted(list, message_id) => !self.posts.is_posted(*list, *message_id, now),
            Expect::Held(held) => self.held.get(*held).is_some(),
            Expect::Offered(list, id) => {
                let offer = self.offer(*list, *id);
                offer.is_some_and(|offer| offer.is_open())
            }
            Expect::Announced(list, count) => self.held.announced(*list, now) <= *count,
            Expect::NotMember(list, address) => {
                let roles = self.members.roles_of(self.list_id(*list), address);
                roles.iter().all(|member| member.role != MemberRole::Member)
            }
            Expect::Member(list, seq) => self.members.by_seq(self.list_id(*list), *seq).is_some(),
            Expect::Former(list, seq) => {
                self.members.former((*list, self.list_id(*list)), *seq, now).is_some()
            }
            Expect::Request(id, version) => {
                self.requests.get(*id, now).is_some_and(|request| request.version == *version)
            }
            Expect::NoRequest(list, address, kind) => {
                self.requests.find(*list, address, *kind, now).is_none()
            }
            Expect::Answered { to, account_day, domain_hour } => {
                let now = self.posts.answered(to, now);
                now.account_day <= *account_day && now.domain_hour <= *domain_hour
            }
        }
    }

    /// Returns the list_id of a list; an empty one if it was removed.
    fn list_id(&self, number: ListNumber) -> &str {
        self.numbers.iter().find(|(_, other)| **other == number).map_or("", |(list_id, _)| list_id)
    }

    fn offer(&self, list: ListNumber, id: OfferId) -> Option<Offer> {
        let offer = self.held.offered(list, id)?;
        let seq = offer.moderator?;
        let is_official = |member: &&Member| matches!(member.role, MemberRole::Owner | MemberRole::Moderator);
        let member = self.members.of(self.list_id(list)).filter(is_official).find(|member| member.seq == seq);
        let moderator = member.map(|member| member.address.clone());
        Some(Offer { id, held: offer.held, moderator, outcome: offer.outcome() })
    }

    fn moderation(&self, list: ListNumber, now: i64) -> ModerationNow {
        let of = |role: MemberRole| -> Vec<Member> {
            let receives = |member: &&Member| {
                member.role == role
                    && member.settings.delivery.at(now) == MemberDelivery::On
                    && !self.posts.answered(&member.address, now).bounced
            };
            let mut members: Vec<Member> =
                self.members.of(self.list_id(list)).filter(receives).cloned().collect();
            members.truncate(limits::MODERATORS);
            members
        };
        let mut moderators = of(MemberRole::Moderator);
        if moderators.is_empty() {
            moderators = of(MemberRole::Owner);
        }
        ModerationNow { moderators, waiting: self.held.of(list), announced: self.held.announced(list, now) }
    }

    /// Returns a request with its mails.
    fn with_mails(&self, request: Option<Request>, now: i64) -> Option<Request> {
        request.map(|request| Request { mailed: self.posts.mailed(request.id, now), ..request })
    }

    fn note_bounce(&mut self, bounce: &NewBounce, now: i64) {
        if let Evidence::Signed { about: BounceOf::Notice, subject } = bounce.evidence
            && bounce.class == "permanent"
        {
            self.posts.bounced(bounce.list, subject, now);
        }
    }

    fn notify(&mut self, notice: &NewNotice, stepped: &Stepped, now: i64) -> Result<(), NotStepped> {
        let missing =
            || StoreError::database(StoreErrorKind::Database, "take a step", "nothing is asked for");
        let about = match notice.about {
            About::Nothing => (None, None, None),
            About::Asked => {
                let request = stepped.asked.ok_or_else(missing)?;
                (Some(request.0), Some(request), None)
            }
            About::Request(request) => (Some(request.0), Some(request), None),
            About::Joined => (Some(stepped.joined.ok_or_else(missing)?.0), None, None),
            About::Former(seq) => (Some(seq.0), None, None),
            About::Held(to) => {
                let held = stepped.held.ok_or_else(missing)?;
                let OfferId(offer) = self.held.offer(notice.list, held, to, now);
                ((to != OfferedTo::SiteOwner).then_some(offer), None, Some(held))
            }
        };
        let audience = self.audience(notice.list);
        self.posts.notify(notice, about, &audience, now);
        Ok(())
    }

    fn make(&mut self, effect: &Effect, stepped: &mut Stepped, now: i64) -> Result<(), NotStepped> {
        match effect {
            Effect::Keep(message) => stepped.kept.push(self.keep(*message)?),
            Effect::LetGo(id) => drop(self.kept.remove(id)),
            Effect::Remember(list, message_id) => self.posts.remember(*list, *message_id, now),
            Effect::Distribute(post) => {
                let kept = self.keep(post.message)?;
                let audience = self.audience(post.list);
                self.posts.distribute(post, kept, &audience, now);
            }
            Effect::Hold(held) => {
                let kept = self.keep(held.message)?;
                let list_id = self.list_id(held.list).to_owned();
                let size = self.messages[&held.message.0].len() as u64;
                stepped.held = Some(self.held.hold(held, (&list_id, size, kept), now));
            }
            Effect::Unhold(held, outcome) => {
                if let Some(kept) = self.held.unhold(*held, *outcome, now) {
                    self.kept.remove(&kept);
                }
            }
            Effect::RecordDecision(_) => {}
            Effect::RecordBounce(bounce) => self.note_bounce(bounce, now),
            Effect::Join(..) | Effect::Leave(..) | Effect::Rejoin(..) => {
                self.change_members(effect, stepped, now).ok_or(NotStepped::Outdated)?;
            }
            Effect::Ask(new) => {
                let list_id = self.list_id(new.list).to_owned();
                stepped.asked = Some(self.requests.ask(new, &list_id, now));
            }
            Effect::MarkEarly(id) => drop(self.requests.mark_early(*id).ok_or(NotStepped::Outdated)?),
            Effect::ToModerator(id) => {
                self.requests.await_moderator(*id, now).ok_or(NotStepped::Outdated)?;
            }
            Effect::EndRequest(id) => drop(self.requests.end(*id).ok_or(NotStepped::Outdated)?),
            Effect::Notify(notice) => self.notify(notice, stepped, now)?,
        }
        Ok(())
    }

    /// Makes a change of members, if it is possible as things are now.
    fn change_members(&mut self, effect: &Effect, stepped: &mut Stepped, now: i64) -> Option<()> {
        let list_id = self.list_id(effect.list()?).to_owned();
        match effect {
            Effect::Join(_, new) => stepped.joined = Some(self.members.join(&list_id, new, now)?),
            Effect::Leave(_, seq) => drop(self.members.leave(&list_id, *seq, now)?),
            Effect::Rejoin(_, seq) => stepped.joined = Some(self.members.rejoin(&list_id, *seq, now)?),
            _ => {}
        }
        Some(())
    }

    fn keep(&mut self, message: MessageId) -> Result<KeptId, NotStepped> {
        if !self.messages.contains_key(&message.0) {
            let kind = StoreErrorKind::Database;
            return Err(StoreError::database(kind, "take a step", "the message does not exist").into());
        }
        self.last_kept += 1;
        self.kept.insert(KeptId(self.last_kept), message);
        Ok(KeptId(self.last_kept))
    }

    /// Returns a list with this number and its members; none if it was removed.
    fn audience(&self, number: ListNumber) -> Audience {
        let list = self.numbers.iter().find(|(_, other)| **other == number).map(|(list_id, _)| list_id);
        let list = list.and_then(|list_id| self.lists.values().find(|list| list.list_id == *list_id));
        let members = list.map(|list| self.members.of(&list.list_id).cloned().collect());
        Audience { list: list.cloned(), members: members.unwrap_or_default(), last: self.members.last() }
    }

    fn advance(&mut self, advance: &Advance, now: i64) -> Vec<Claimed> {
        let numbers = self.numbers.values().chain([&ListNumber::SITE]);
        let audiences = numbers.map(|number| (*number, self.audience(*number))).collect();
        let (claimed, finished) = self.posts.advance(advance, &audiences, now);
        for kept in finished {
            self.kept.remove(&kept);
        }
        self.drop_messages();
        claimed
    }

    fn snapshot(&self, list_id: &str) -> Option<ListSnapshot> {
        if let Some(list) = List::of_postmaster_by_id(list_id) {
            return Some(ListSnapshot::of_postmaster(list, Changes(self.changes)));
        }
        let list = self.lists.values().find(|list| list.list_id == list_id)?;
        let bans = [None, Some(list_id)].into_iter().flat_map(|scope| self.members.bans(scope));
        Some(ListSnapshot {
            number: self.numbers[list_id],
            list: List::clone(list),
            settings: Vec::new(),
            bans: bans.map(|ban| ban.pattern).collect(),
            changes: Changes(self.changes),
        })
    }

    fn settle(&mut self, lease: LeaseId, verdict: &Verdict, now: i64) -> Result<(), Stale> {
        let row = self.leased(lease)?;
        match verdict {
            Verdict::Done => drop(self.entries.remove(&lease.entry)),
            Verdict::Release => {
                let reason = row.entry.state.reason().map(str::to_owned);
                row.become_due(reason);
                row.entry.attempts -= 1;
            }
            Verdict::Retry { after, why } => {
                let due = Due::after(now, *after);
                row.due = Some(due);
                row.entry.state = State::Deferred { until: time_at(due.at), reason: Some(why.clone()) };
            }
            Verdict::Shunt { why } => {
                row.due = None;
                row.entry.state = State::Shunted { reason: Some(why.clone()) };
            }
        }
        Ok(())
    }

    /// Removes the messages that no entry and no reference needs any more.
    fn drop_messages(&mut self) {
        let Self { messages, entries, kept, .. } = self;
        messages.retain(|delivery, _| {
            entries.keys().any(|id| id.delivery == *delivery) || kept.values().any(|kept| kept.0 == *delivery)
        });
    }
}

impl Row {
    fn new(id: EntryId, delivery: &Delivery, at: usize) -> Self {
        let Delivery { envelope, message, to, .. } = delivery;
        let endpoint = &to[at].endpoint;
        let entry = Entry {
            id: Id::Entry(id),
            queue: endpoint.role.queue(),
            list_id: endpoint.list.list_id.clone(),
            recipient: Some(to[at].recipient.clone()),
            detail: endpoint.detail.clone(),
            received_at: envelope.received_at,
            state: State::Waiting { reason: None },
            attempts: 0,
            msgdata: Msgdata::new(),
            mail_from: Some(envelope.mail_from.to_string()),
            message_id: Some(message.message_id.clone()),
            peer: Some(envelope.peer.clone()),
            lhlo: Some(envelope.lhlo.clone()),
            transport: Some(envelope.transport.to_owned()),
            size: message.body.len(),
            received_lines: message.facts.received_lines(),
            from_list: message.facts.is_from(&endpoint.list),
            auto_submitted: message.facts.auto_submitted(),
            precedence: message.facts.precedence(),
            repeats: None,
        };
        Self { entry, due: None, fence: 0 }
    }

    fn become_due(&mut self, reason: Option<String>) {
        self.due = None;
        self.entry.state = State::Waiting { reason };
    }

    fn lease_until(&mut self, due: Due) {
        self.due = Some(due);
        let reason = self.entry.state.reason().map(str::to_owned);
        self.entry.state = State::Leased { until: time_at(due.at), reason };
    }
}

fn promise(stored: &[(EntryId, Duplicate)]) -> Vec<Queued> {
    stored.iter().map(|(id, again)| Queued::new(Id::Entry(*id), *again)).collect()
}

fn octets(body: Body) -> Result<Vec<u8>, StoreError> {
    match body {
        Body::Memory(octets) => Ok(octets),
        Body::Spooled(spooled) => Ok(fs::read(spooled.path()).during("read", spooled.path())?),
    }
}

impl Registry for Memory {
    fn changes(&self, _asked_at: Instant) -> Answer<'_, Option<Changes>> {
        self.run("look whether lists have changed", |tables| Ok(Some(Changes(tables.changes))))
    }

    fn find<'a>(&'a self, names: &'a Names, _asked_at: Instant) -> Answer<'a, Option<Arc<List>>> {
        self.run("look up the list", |tables| Ok(tables.find(names)))
    }

    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.run("look up the domain", move |tables| Ok(tables.lists.keys().any(|(name, _)| name == domain)))
    }

    fn domains(&self) -> Answer<'_, Vec<String>> {
        self.run("look up the domains", |tables| {
            let mut domains: Vec<String> = tables.lists.keys().map(|(domain, _)| domain.clone()).collect();
            domains.dedup();
            Ok(domains)
        })
    }

    fn count_lists(&self) -> Answer<'_, u64> {
        self.run("count the lists", |tables| Ok(tables.lists.len() as u64))
    }
}

impl Rooms for Memory {
    fn depth(&self, queue: Name, age: Duration) -> Answer<'_, Depth> {
        self.run("look how full the queue is", move |tables| Ok(tables.depth_within(queue, age)))
    }

    fn space(&self) -> Answer<'_, Space> {
        self.run("ask for the free space", |_| {
            Ok(Space { free: 1 << 40, unused: 0, log: u64::MAX, inodes: None })
        })
    }
}

impl IntakeStore for Memory {
    fn put(&self, delivery: Delivery) -> Answer<'_, Vec<Queued>, NotStored> {
        self.run("store the mail", |tables| tables.put(delivery))
    }

    fn backlog(&self) -> Answer<'_, Vec<QueueNow>> {
        self.run("look at the queues", |tables| {
            let now = |queue: Name| {
                let Depth { entries, octets } = tables.depth(queue);
                QueueNow { name: queue.as_str(), entries, octets, oldest: 0 }
            };
            Ok(Name::ALL.into_iter().map(now).collect())
        })
    }

    fn style(&self) -> Style {
        Style::Plain
    }

    fn takes_up(&self) -> Answer<'_, ()> {
        self.run("take up what waits", |_| Ok(()))
    }

    fn give_up(&self, _why: &StoreError) {
        self.given_up.send_replace(true);
    }

    fn given_up(&self) -> watch::Receiver<bool> {
        self.given_up.subscribe()
    }
}

impl Messages for Memory {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        self.run("read the message", move |tables| {
            let Some(octets) = tables.messages.get(&message.0) else { return Ok(None) };
            let begin = octets.len().min(usize::try_from(offset).expect("a test's offset fits"));
            let end = octets.len().min(begin.saturating_add(length));
            Ok(Some(octets[begin..end].to_vec()))
        })
    }
}

impl LeaseStore for Memory {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        let now = self.clock.milliseconds();
        self.run("lease entries", move |tables| Ok(tables.lease(&request, now)))
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        let due = Due::after(self.clock.milliseconds(), hold);
        self.run("extend leases", move |tables| {
            let extend = |lease| tables.leased(lease).map(|row| row.lease_until(due));
            Ok(leases.into_iter().map(extend).collect())
        })
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        let now = self.clock.milliseconds();
        self.run("take steps", move |tables| Ok(steps.iter().map(|step| tables.take(step, now)).collect()))
    }
}

impl KeyAdmin for Memory {
    fn site_keys(&self) -> Answer<'_, Vec<SiteKey>> {
        self.run("read the keys", |tables| Ok(tables.site_keys.all()))
    }

    fn memberships_before(&self, time: SystemTime) -> Answer<'_, u64> {
        self.run("count the members", move |tables| Ok(tables.members.joined_before(milliseconds(time))))
    }

    fn rotate_keys<'a>(&'a self, rotation: &'a Rotation) -> Answer<'a, bool> {
        let now = self.clock.milliseconds();
        self.run("change the key that signs", move |tables| Ok(tables.site_keys.rotate(rotation, now)))
    }
}

impl Members for Memory {
    fn add<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        new: &'a [NewMember],
    ) -> Answer<'a, Vec<Joined>, MemberError> {
        let now = self.clock.milliseconds();
        self.run("add the members", move |tables| {
            Ok(tables.members_of(list_id)?.add(list_id, role, new, now))
        })
    }

    fn remove<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        addresses: &'a [MemberAddress],
    ) -> Answer<'a, (), MemberError> {
        self.run("remove the members", move |tables| {
            tables.members_of(list_id)?.remove(list_id, role, addresses)
        })
    }

    fn roles_of<'a>(
        &'a self,
        list_id: &'a str,
        address: &'a MemberAddress,
    ) -> Answer<'a, Vec<Member>, MemberError> {
        self.run("look up the member", move |tables| {
            Ok(tables.members_of(list_id)?.roles_of(list_id, address))
        })
    }

    fn members_after<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        after: Seq,
        most: usize,
    ) -> Answer<'a, Vec<Member>, MemberError> {
        self.run("read the members", move |tables| {
            Ok(tables.members_of(list_id)?.after(list_id, role, after, most))
        })
    }

    fn change<'a>(
        &'a self,
        member: &'a Member,
        changes: &'a [MemberChange],
    ) -> Answer<'a, Member, MemberError> {
        let now = self.clock.milliseconds();
        self.run("change the member", move |tables| {
            tables.members.change(member.seq, member.version, changes, now)
        })
    }

    fn ban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, Vec<bool>, MemberError> {
        let now = self.clock.milliseconds();
        self.run("add the bans", move |tables| Ok(tables.bans_of(list_id)?.ban(list_id, patterns, now)))
    }

    fn unban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, (), MemberError> {
        self.run("remove the bans", move |tables| tables.bans_of(list_id)?.unban(list_id, patterns))
    }

    fn bans<'a>(&'a self, list_id: Option<&'a str>) -> Answer<'a, Vec<Ban>, MemberError> {
        self.run("read the bans", move |tables| Ok(tables.bans_of(list_id)?.bans(list_id)))
    }
}

impl Backend for Memory {
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>> {
        Some(self)
    }

    fn engine(self: Arc<Self>) -> Result<Option<Arc<dyn EngineStore>>, StoreError> {
        Ok(Some(self))
    }

    fn outgoing_now(&self) -> Answer<'_, Option<OutgoingNow>> {
        self.run("look at what leaves", |tables| {
            let held = tables.held.len() as u64;
            Ok(Some(OutgoingNow { held, ..tables.posts.outgoing() }))
        })
    }
}

impl Posts for Memory {
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>> {
        self.run("look up the list", move |tables| Ok(tables.snapshot(list_id)))
    }

    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>> {
        self.run("look up a member", move |tables| {
            let mut members = tables.audience(list).members;
            members.retain(|member| member.address.key() == address.key());
            Ok(members)
        })
    }

    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool> {
        let now = self.clock.milliseconds();
        self.run("look up a Message-ID", move |tables| Ok(tables.posts.is_posted(list, message_id, now)))
    }

    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool> {
        self.run("count held posts", move |tables| Ok(tables.held.of(list) >= limits::HELD_POSTS))
    }

    fn moderation(&self, list: ListNumber) -> Answer<'_, ModerationNow> {
        let now = self.clock.milliseconds();
        self.run("look up the moderators", move |tables| Ok(tables.moderation(list, now)))
    }

    fn offer(&self, list: ListNumber, id: OfferId) -> Answer<'_, Option<Offer>> {
        self.run("look up an offer", move |tables| Ok(tables.offer(list, id)))
    }

    fn held_post(&self, id: HeldId) -> Answer<'_, Option<HeldPost>> {
        self.run("read the held post", move |tables| Ok(tables.held.get(id).cloned()))
    }

    fn runs_by_default(&self) -> Answer<'_, bool> {
        self.run("look whether the engine runs", |_| Ok(true))
    }

    fn keys(&self) -> Answer<'_, KeyRing> {
        self.run("read the keys", |tables| Ok(tables.site_keys.ring()))
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<Request>> {
        let now = self.clock.milliseconds();
        self.run("look up a request", move |tables| Ok(tables.with_mails(tables.requests.get(id, now), now)))
    }

    fn asked(&self, id: RequestId) -> Answer<'_, Option<(MemberAddress, String)>> {
        self.run("look up a notice", move |tables| Ok(tables.posts.asked(id)))
    }

    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<Request>> {
        let now = self.clock.milliseconds();
        self.run("look up a request", move |tables| {
            Ok(tables.with_mails(tables.requests.find(list, address, kind, now), now))
        })
    }

    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize> {
        let now = self.clock.milliseconds();
        self.run("count requests", move |tables| Ok(tables.requests.to_join(list, now).min(most)))
    }

    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>> {
        self.run("look up a member", move |tables| {
            Ok(tables.members.by_seq(tables.list_id(list), seq).cloned())
        })
    }

    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>> {
        let now = self.clock.milliseconds();
        self.run("look up a former member", move |tables| {
            Ok(tables.members.former((list, tables.list_id(list)), seq, now))
        })
    }

    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered> {
        let now = self.clock.milliseconds();
        self.run("count the notices", move |tables| Ok(tables.posts.answered(to, now)))
    }

    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>> {
        self.run("read the members", move |tables| {
            Ok(tables.members.after(tables.list_id(list), MemberRole::Member, Seq(0), most))
        })
    }
}

impl Outbox for Memory {
    fn advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        let now = self.clock.milliseconds();
        self.run("advance", move |tables| Ok(tables.advance(&advance, now)))
    }

    fn left(&self) -> Answer<'_, u64> {
        let now = self.clock.milliseconds();
        self.run("count the recipients", move |tables| {
            Ok(tables.posts.left(|list| tables.audience(list), now))
        })
    }
}

impl EngineStore for Memory {
    fn is_own_domain<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.serves(domain)
    }
}
