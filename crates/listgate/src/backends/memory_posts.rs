//! Posts, notices and their batches in the backend for tests. Each post has its recipients one by one, unlike in the other
//! backends, so that the contract does not compare two copies of the same code.

use crate::limits;
use crate::model::{
    Advance, Answered, BatchEnd, BatchId, BatchResult, ClaimRequest, Claimed, ClaimedNotice, Contents, Due,
    Exception, HeldId, KeptId, List, ListNumber, Mailed, Member, MemberAddress, MemberDelivery, MemberRole,
    MessageIdHash, NewNotice, NewPost, NoticeTo, OutgoingNow, Pause, Personal, PostId, PostKind, Recipient,
    Refusal, RequestId, Seq, WayOut, time_at,
};
use listgate_engine::bounce::{Class, class_of_reply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A list and its members.
pub(super) struct Audience {
    /// `None` if it was removed.
    pub(super) list: Option<Arc<List>>,
    pub(super) members: Vec<Member>,
    /// The highest seq of any list.
    pub(super) last: Seq,
}

impl Audience {
    /// Returns the current recipients of a post with these contents up to a cutoff, in the order of their seqs.
    fn recipients(&self, contents: &Sent, cutoff: Seq, now: i64) -> Vec<Recipient> {
        let mut found: Vec<(String, Recipient)> = Vec::new();
        let skipped = contents.skipped();
        for member in &self.members {
            let has_role = match contents.is_for_owners() {
                false => member.role == MemberRole::Member,
                true => matches!(member.role, MemberRole::Owner | MemberRole::Moderator),
            };
            let receives = member.settings.delivery.at(now) == MemberDelivery::On;
            let key = member.address.key();
            let is_new = found.iter().all(|(other, _)| *other != key);
            if has_role && receives && is_new && member.seq <= cutoff && skipped != Some(member.seq) {
                let address = member.address.to_string();
                found.push((key.to_owned(), Recipient { seq: member.seq, address }));
            }
        }
        found.into_iter().map(|(_, recipient)| recipient).collect()
    }
}

#[derive(Clone, Default)]
pub(super) struct PostTable {
    posts: BTreeMap<PostId, PostRow>,
    posted: BTreeMap<(ListNumber, MessageIdHash), Due>,
    stopped: Option<(i64, String)>,
    last_post: i64,
    last_batch: i64,
    last_turn: u64,
}

/// What becomes of one recipient.
#[derive(Clone, PartialEq)]
enum Fate {
    /// In this batch, which was claimed.
    In(BatchId),
    Later(Due),
    /// Sent or refused.
    Settled,
}

#[derive(Clone)]
struct Row {
    recipient: Recipient,
    fate: Fate,
    attempts: u32,
    waited: Duration,
    doubts: u32,
}

/// What a post sends.
#[derive(Clone)]
enum Sent {
    Post(NewPost),
    Notice(NoticeRow),
}

#[derive(Clone)]
struct NoticeRow {
    notice: NewNotice,
    subject: Option<i64>,
    request: Option<RequestId>,
    held: Option<HeldId>,
    bounced_at: Option<i64>,
}

impl Sent {
    fn list(&self) -> ListNumber {
        match self {
            Self::Post(post) => post.list,
            Self::Notice(row) => row.notice.list,
        }
    }

    fn is_for_owners(&self) -> bool {
        match self {
            Self::Post(post) => post.kind == PostKind::Owner,
            Self::Notice(row) => matches!(row.notice.to, NoticeTo::Owners { .. }),
        }
    }

    fn skipped(&self) -> Option<Seq> {
        match self {
            Self::Post(post) => post.skipped,
            Self::Notice(_) => None,
        }
    }

    /// Returns the notice that it is, and the address that gets it.
    fn to_address(&self) -> Option<(&NoticeRow, &MemberAddress)> {
        match self {
            Self::Notice(row) => match &row.notice.to {
                NoticeTo::Address(address) => Some((row, address)),
                NoticeTo::Owners { .. } => None,
            },
            Self::Post(_) => None,
        }
    }

    /// Notes that a recipient was refused.
    fn refused(&mut self, reply: &str, now: i64) {
        if self.to_address().is_some()
            && class_of_reply(reply) == Class::Permanent
            && let Self::Notice(row) = self
        {
            row.bounced_at = Some(now);
        }
    }

    /// Returns them as they are claimed.
    fn claimed(&self, accepted_at: i64) -> Contents {
        match self {
            Self::Post(post) => Contents::Message {
                kind: post.kind,
                message: post.message,
                size: post.size,
                settings: post.settings.clone(),
            },
            Self::Notice(row) => Contents::Notice(Box::new(ClaimedNotice {
                to_owners: self.is_for_owners(),
                template: row.notice.template.to_owned(),
                content: row.notice.content.clone(),
                subject: row.subject,
                request: row.request,
                held: row.held,
                accepted_at: time_at(accepted_at),
            })),
        }
    }
}

#[derive(Clone)]
struct PostRow {
    contents: Sent,
    kept: Option<KeptId>,
    finished_at: Option<i64>,
    sent: u64,
    accepted_at: i64,
    personal: bool,
    cutoff: Seq,
    /// Up to which seq the members have a row.
    cursor: Seq,
    turn: u64,
    rows: BTreeMap<Seq, Row>,
    /// The batches that are claimed, and whether they are being sent.
    batches: BTreeMap<BatchId, bool>,
    doubted: u64,
    reason: Option<String>,
}

impl PostTable {
    pub(super) fn is_posted(&self, list: ListNumber, message_id: MessageIdHash, now: i64) -> bool {
        self.posted.get(&(list, message_id)).is_some_and(|due| !due.is_over(now))
    }

    pub(super) fn remember(&mut self, list: ListNumber, message_id: MessageIdHash, now: i64) {
        self.posted.insert((list, message_id), Due::after(now, limits::POSTED_REMEMBERED));
    }

    /// Removes everything of a list, and returns the references that end.
    pub(super) fn forget(&mut self, list: ListNumber) -> Vec<KeptId> {
        let posts = self.posts.extract_if(.., |_, row| row.contents.list() == list);
        let ended = posts.filter_map(|(_, row)| row.kept).collect();
        self.posted.retain(|(of, _), _| *of != list);
        ended
    }

    pub(super) fn distribute(&mut self, post: &NewPost, kept: KeptId, audience: &Audience, now: i64) {
        let contents = Sent::Post(post.clone());
        let recipients = audience.recipients(&contents, audience.last, now).len() as u64;
        let is_cheap = recipients <= limits::PERSONAL_RECIPIENTS
            && recipients.saturating_mul(post.size) <= limits::PERSONAL_OCTETS;
        let personal = match (post.personal, post.kind) {
            (Personal::Always, _) | (_, PostKind::Owner) => true,
            (Personal::Never, PostKind::Post) => false,
            (Personal::Auto, PostKind::Post) => is_cheap,
        };
        let instead = post.instead_of_owners.as_ref().filter(|_| recipients == 0);
        self.insert(contents, (Some(kept), personal, audience.last), instead.cloned(), now);
    }

    /// Stores a notice with the number that its token names, and the request or the held post that it is about.
    pub(super) fn notify(
        &mut self,
        notice: &NewNotice,
        (subject, request, held): (Option<i64>, Option<RequestId>, Option<HeldId>),
        audience: &Audience,
        now: i64,
    ) {
        let bounced_at = None;
        let contents = Sent::Notice(NoticeRow { notice: notice.clone(), subject, request, held, bounced_at });
        let (cutoff, alone) = match &notice.to {
            NoticeTo::Address(address) => (Seq(0), Some(address.to_string())),
            NoticeTo::Owners { instead } => {
                let has_none = audience.recipients(&contents, audience.last, now).is_empty();
                (audience.last, instead.clone().filter(|_| has_none))
            }
        };
        self.insert(contents, (None, true, cutoff), alone, now);
    }

    /// Stores a post, with a recipient who is not a member if there is one.
    fn insert(
        &mut self,
        contents: Sent,
        (kept, personal, cutoff): (Option<KeptId>, bool, Seq),
        alone: Option<String>,
        now: i64,
    ) {
        self.last_post += 1;
        self.last_turn += 1;
        let mut row = PostRow {
            contents,
            kept,
            finished_at: None,
            sent: 0,
            accepted_at: now,
            personal,
            cutoff,
            cursor: Seq(0),
            turn: self.last_turn,
            rows: BTreeMap::new(),
            batches: BTreeMap::new(),
            doubted: 0,
            reason: None,
        };
        if let Some(address) = alone {
            row.add(Recipient { seq: Seq(0), address }, Due::after(now, Duration::ZERO));
        }
        self.posts.insert(PostId(self.last_post), row);
    }

    /// Notes that a notice of a list has bounced for good.
    pub(super) fn bounced(&mut self, list: ListNumber, subject: u64, now: i64) {
        let post = i64::try_from(subject).ok().and_then(|id| self.posts.get_mut(&PostId(id)));
        if let Some(PostRow { contents: Sent::Notice(row), .. }) = post
            && row.notice.list == list
        {
            row.bounced_at = Some(now);
        }
    }

    pub(super) fn answered(&self, to: &MemberAddress, now: i64) -> Answered {
        let notices = || self.posts.values().filter_map(|row| Some((row, row.contents.to_address()?)));
        let counted = |same: &dyn Fn(&MemberAddress) -> bool, length| {
            let counts = |row: &PostRow, notice: &NoticeRow, address| {
                notice.notice.counted && same(address) && is_within(row.accepted_at, length, now)
            };
            let counted = notices().filter(|(row, (notice, address))| counts(row, notice, address));
            u32::try_from(counted.count()).expect("a test has few notices")
        };
        let has_bounced = |at| is_within(at, limits::NOTICE_BOUNCE, now);
        Answered {
            account_day: counted(&|other| other.account() == to.account(), limits::ANSWERS_TO_ACCOUNT),
            domain_hour: counted(&|other| other.domain() == to.domain(), limits::ANSWERS_TO_DOMAIN),
            bounced: notices().any(|(_, (notice, address))| {
                address.key() == to.key() && notice.bounced_at.is_some_and(has_bounced)
            }),
        }
    }

    /// Returns the address that got the first notice about a request, and its template.
    pub(super) fn asked(&self, request: RequestId) -> Option<(MemberAddress, String)> {
        let mut notices = self.posts.values().filter_map(|row| row.contents.to_address());
        let (row, address) = notices.find(|(row, _)| row.request == Some(request))?;
        Some((MemberAddress::stored(address.key().to_owned(), None), row.notice.template.to_owned()))
    }

    /// Returns the mails to its address that a request has caused.
    pub(super) fn mailed(&self, request: RequestId, now: i64) -> Mailed {
        let is_of_it = |row: &&PostRow| {
            row.contents.to_address().is_some_and(|(notice, _)| notice.request == Some(request))
        };
        let mails = || self.posts.values().filter(is_of_it);
        let within = |length| {
            let count = mails().filter(|row| is_within(row.accepted_at, length, now)).count();
            u32::try_from(count).expect("a test has few notices")
        };
        let handed_over = mails().filter(|row| row.sent > 0).filter_map(|row| row.finished_at).max();
        Mailed {
            hour: within(limits::ANSWERS_TO_DOMAIN),
            day: within(limits::ANSWERS_TO_ACCOUNT),
            handed_over_at: handed_over.map(time_at),
        }
    }

    /// Returns what was claimed, and the references of posts that are finished.
    pub(super) fn advance(
        &mut self,
        advance: &Advance,
        audiences: &BTreeMap<ListNumber, Audience>,
        now: i64,
    ) -> (Vec<Claimed>, Vec<KeptId>) {
        for refusal in &advance.refused {
            self.posts.values_mut().for_each(|row| row.refuse(refusal, now));
        }
        for result in &advance.results {
            let holds = |row: &&mut PostRow| row.batches.contains_key(&result.batch);
            if let Some(row) = self.posts.values_mut().find(holds) {
                row.record(result, now);
            }
        }
        for batch in &advance.sending {
            for row in self.posts.values_mut() {
                row.batches.entry(*batch).and_modify(|sending| *sending = true);
            }
        }
        match &advance.way_out {
            None => {}
            Some(WayOut::Untried) => self.stopped = None,
            Some(WayOut::Open) => {
                self.stopped = None;
                self.posts
                    .values_mut()
                    .flat_map(|row| row.rows.values_mut())
                    .for_each(|row| row.set_free(now));
            }
            Some(WayOut::Stopped(reason)) => {
                self.stopped.get_or_insert((now, String::new())).1.clone_from(reason);
            }
        }
        let claimed = advance.claim.map(|request| self.claim(request, audiences, now));
        let mut finished = Vec::new();
        for row in self.posts.values_mut() {
            let has_all = row.cursor == row.cutoff && row.rows.values().all(|row| row.fate == Fate::Settled);
            if has_all && row.batches.is_empty() && row.is_open() {
                row.finished_at = Some(now);
                finished.extend(row.kept.take());
            }
        }
        (claimed.unwrap_or_default(), finished)
    }

    fn claim(
        &mut self,
        request: ClaimRequest,
        audiences: &BTreeMap<ListNumber, Audience>,
        now: i64,
    ) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        for (_, row) in self.posts.iter_mut().filter(|(_, row)| row.is_open()) {
            row.look_up(&audiences[&row.contents.list()], now);
        }
        while claimed.len() < request.batches {
            let ready = self.posts.iter_mut().filter(|(_, row)| row.has_due(now));
            let Some((id, row)) = ready.min_by_key(|(_, row)| row.turn) else { break };
            self.last_turn += 1;
            self.last_batch += 1;
            row.turn = self.last_turn;
            let list = match &row.contents {
                Sent::Post(post) if post.list == ListNumber::SITE => List::of_postmaster_post(&post.settings),
                contents => audiences[&contents.list()].list.as_deref().cloned(),
            };
            let list = list.expect("posts go with their list");
            claimed.push(row.claim(*id, BatchId(self.last_batch), &list, request, now));
        }
        claimed
    }

    /// Makes batches free that a process had when it ended.
    pub(super) fn recover(&mut self, now: i64) {
        for row in self.posts.values_mut() {
            for (batch, sending) in std::mem::take(&mut row.batches) {
                let mine = row.rows.values_mut().filter(|row| row.fate == Fate::In(batch));
                for of_batch in mine {
                    of_batch.fate = Fate::Later(Due::after(now, Duration::ZERO));
                    of_batch.doubts += u32::from(sending);
                    row.doubted += u64::from(sending);
                }
            }
        }
    }

    pub(super) fn left(&self, audience: impl Fn(ListNumber) -> Audience, now: i64) -> u64 {
        let left = |row: &PostRow| match row.cursor < row.cutoff {
            true => audience(row.contents.list()).recipients(&row.contents, row.cutoff, now).len(),
            false => row.rows.values().filter(|row| row.is_new()).count(),
        };
        let is_post =
            |row: &&PostRow| matches!(&row.contents, Sent::Post(post) if post.kind == PostKind::Post);
        let open = self.posts.values().filter(|row| row.is_open()).filter(is_post);
        open.map(|row| left(row) as u64).sum()
    }

    pub(super) fn outgoing(&self) -> OutgoingNow {
        let all = || self.posts.values().filter(|row| row.is_open());
        let is_post = |row: &&PostRow| matches!(row.contents, Sent::Post(_));
        let open = || all().filter(is_post);
        let is_deferred = |row: &&Row| matches!(row.fate, Fate::Later(_));
        OutgoingNow {
            posts: open().count() as u64,
            notices: (all().count() - open().count()) as u64,
            sending: open().map(|row| row.batches.len() as u64).sum(),
            deferred: open().map(|row| row.rows.values().filter(is_deferred).count() as u64).sum(),
            oldest: open().map(|row| time_at(row.accepted_at)).min(),
            doubted: self.posts.values().map(|row| row.doubted).sum(),
            stopped: self.stopped.as_ref().map(|(since, reason)| (time_at(*since), reason.clone())),
            reason: all().find_map(|row| row.reason.clone()),
            held: 0,
        }
    }
}

/// Returns whether something at a time counts that is counted for so long, even if the clock was set back.
fn is_within(at: i64, length: Duration, now: i64) -> bool {
    let length = i64::try_from(length.as_millis()).expect("it is short");
    at > now - length && at <= now + length
}

impl PostRow {
    fn is_open(&self) -> bool {
        self.finished_at.is_none()
    }

    fn add(&mut self, recipient: Recipient, due: Due) {
        let fate = Fate::Later(due);
        let row = Row { recipient, fate, attempts: 0, waited: Duration::ZERO, doubts: 0 };
        self.rows.insert(row.recipient.seq, row);
    }

    /// Drops recipients who have left or turned delivery off.
    fn look_up(&mut self, audience: &Audience, now: i64) {
        let current = audience.recipients(&self.contents, self.cutoff, now);
        let is_current = |seq: Seq| seq == Seq(0) || current.iter().any(|recipient| recipient.seq == seq);
        self.rows.retain(|seq, row| !matches!(row.fate, Fate::Later(_)) || is_current(*seq));
        if self.cursor < self.cutoff {
            let due = Due::after(now, Duration::ZERO);
            current.into_iter().for_each(|recipient| self.add(recipient, due));
            self.cursor = self.cutoff;
        }
    }

    fn has_due(&self, now: i64) -> bool {
        self.is_open() && self.rows.values().any(|row| row.is_due(now))
    }

    fn claim(
        &mut self,
        post: PostId,
        batch: BatchId,
        list: &List,
        request: ClaimRequest,
        now: i64,
    ) -> Claimed {
        let most = if self.personal { request.personal } else { request.bulk };
        let first = self.rows.values().find(|row| row.is_due(now)).expect("one is due");
        let (attempts, doubts) = (first.attempts, first.doubts);
        let alike = |row: &&mut Row| row.is_due(now) && (row.attempts, row.doubts) == (attempts, doubts);
        let taken = self.rows.values_mut().filter(alike).take(most);
        let recipients = taken.map(|row| {
            row.fate = Fate::In(batch);
            row.recipient.clone()
        });
        let recipients = recipients.collect();
        self.batches.insert(batch, false);
        Claimed {
            batch,
            post,
            contents: self.contents.claimed(self.accepted_at),
            list_id: list.list_id.clone(),
            list: list.address.clone(),
            alias: None,
            personal: self.personal,
            is_retry: attempts > 0,
            recipients,
            attempts,
            doubts,
        }
    }

    /// Returns the row of a recipient, if it is in this batch.
    fn of_batch(&mut self, recipient: &Recipient, batch: BatchId) -> Option<&mut Row> {
        self.rows.get_mut(&recipient.seq).filter(|row| row.fate == Fate::In(batch))
    }

    fn refuse(&mut self, refusal: &Refusal, now: i64) {
        if let Some(row) = self.of_batch(&refusal.recipient, refusal.batch) {
            row.fate = Fate::Settled;
            self.contents.refused(&refusal.reply, now);
        }
    }

    fn record(&mut self, result: &BatchResult, now: i64) {
        self.batches.remove(&result.batch);
        for (recipient, exception) in &result.exceptions {
            if let Some(row) = self.of_batch(recipient, result.batch) {
                match exception {
                    Exception::Refused { .. } | Exception::Rejected { .. } => row.fate = Fate::Settled,
                    Exception::Deferred { pause, .. } => row.wait(*pause, now),
                }
                if let Exception::Refused { reply } = exception {
                    self.contents.refused(reply, now);
                }
            }
        }
        let of_batch = self.rows.values_mut().filter(|row| row.fate == Fate::In(result.batch));
        match &result.end {
            BatchEnd::Done { sent, .. } => {
                of_batch.for_each(|row| row.fate = Fate::Settled);
                self.sent += sent;
            }
            BatchEnd::Again { settled, sent, pause, why, doubted } => {
                for row in of_batch {
                    if settled.is_some_and(|settled| row.recipient.seq <= settled) {
                        row.fate = Fate::Settled;
                    } else {
                        row.doubts += u32::from(*doubted > 0);
                        row.wait(*pause, now);
                    }
                }
                self.sent += sent;
                self.doubted += doubted;
                self.reason = Some(why.clone());
            }
        }
    }
}

impl Row {
    /// Returns whether it has not been in any batch, as far as is known.
    fn is_new(&self) -> bool {
        matches!(self.fate, Fate::Later(_)) && (self.attempts, self.doubts) == (0, 0)
    }

    /// Makes it due if neither a deferral nor a doubt is the reason why it waits.
    fn set_free(&mut self, now: i64) {
        if matches!(self.fate, Fate::Later(_)) && self.waited.is_zero() && self.doubts == 0 {
            self.fate = Fate::Later(Due::after(now, Duration::ZERO));
        }
    }

    fn is_due(&self, now: i64) -> bool {
        matches!(self.fate, Fate::Later(due) if due.is_over(now))
    }

    fn wait(&mut self, pause: Pause, now: i64) {
        let length = match pause {
            Pause::AtOnce => Duration::ZERO,
            Pause::Free(length) => length,
            Pause::Deferred(length) => {
                self.attempts += 1;
                self.waited += length;
                length
            }
        };
        let is_given_up = self.waited > limits::GIVE_UP;
        self.fate = if is_given_up { Fate::Settled } else { Fate::Later(Due::after(now, length)) };
    }
}
