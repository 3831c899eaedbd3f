//! Tests of commits: what joins them, and what happens if something fails.

use super::*;
use crate::backends::begun::BegunMail;
use crate::backends::sqlite::leasing::Round;
use crate::backends::sqlite::work::{PendingRequest, Request, Work};
use crate::backends::sqlite::{DataDir, lists};
use crate::limits;
use crate::message::Message;
use crate::model::{
    Addressed, Changes, Clock, DeliveryKey, Effect, Endpoint, Envelope, Expect, LeaseId, MessageId,
    NotStepped, Role, Step, Stepped, Verdict,
};
use listgate_lmtp::Refusal;
use listgate_test_support::PATIENCE;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

fn delivery(size: usize) -> (PendingDelivery, oneshot::Receiver<Result<Promised, NotStored>>) {
    let list = Arc::new(crate::model::List {
        list_id: "a.b".to_owned(),
        address: "a@b".parse().unwrap(),
        state: crate::model::ListState::Open,
        max_size: None,
        alias: None,
    });
    let to = [None, None, Some("c".to_owned())].map(|detail| Addressed {
        recipient: "a@b".to_owned(),
        endpoint: Endpoint { list: list.clone(), role: Role::Post, detail },
    });
    let envelope = Envelope {
        mail_from: listgate_lmtp::ReversePath::Null,
        peer: String::new(),
        lhlo: String::new(),
        transport: "LMTP",
        received_at: SystemTime::now(),
    };
    let message = Message {
        body: Body::Memory(vec![b'x'; size]),
        original_size: 0,
        message_id: String::new(),
        facts: crate::message::Facts::default(),
        digest: [0; 32],
    };
    let (answer, answered) = oneshot::channel();
    static KEYS: AtomicU64 = AtomicU64::new(0);
    let key = DeliveryKey { gate: 0, n: KEYS.fetch_add(1, Ordering::Relaxed) };
    (
        PendingDelivery {
            delivery: Box::new(Delivery { key, envelope, message, to: to.into(), as_of: None, begun: None }),
            answer,
        },
        answered,
    )
}

fn ids(answered: oneshot::Receiver<Result<Promised, NotStored>>) -> Result<Vec<String>, Refusal> {
    let Promised { queued, .. } = answered.blocking_recv().unwrap().map_err(|why| match why {
        NotStored::Store(why) => why.refusal(),
        NotStored::Changed(_) => panic!("no list has changed"),
    })?;
    Ok(queued.iter().map(|queued| queued.id().to_string()).collect())
}

/// A writer on a new database with the list `a@b`.
struct Rig {
    writer: Writer,
    sender: mpsc::Sender<Work>,
    waiting: Waiting,
    begun: BegunMail,
    data: DataDir,
    /// Pages of the new database.
    pages: u32,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let mut connection = data.open_or_create().unwrap();
        lists::create(&mut connection, &["a@b".parse().unwrap()], &[], 0).unwrap();
        let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let (redelivery, owner, clock) = (crate::Redelivery::Off, String::new(), Clock::default());
        let watched = Watched {
            held: data.held(None).unwrap().into(),
            fail_stop: FailStop::default(),
            depths: Arc::default(),
            metrics: Arc::default(),
            arrived: watch::Sender::new(()),
            posted: watch::Sender::new(()),
        };
        let choices = Choices { redelivery, owner, clock };
        let writer = Writer::new(connection, data.clone(), choices, watched).unwrap();
        let (sender, work) = mpsc::channel();
        let begun = BegunMail::default();
        let waiting = Waiting::new(work, begun.clone());
        Self { writer, sender, waiting, begun, data, pages, _dir: dir }
    }

    fn allow_pages(&self, more: u32) {
        self.writer.connection.pragma_update(None, "max_page_count", self.pages + more).unwrap();
    }

    /// Writes a batch, and the work that comes meanwhile.
    fn write_batch(&mut self, batch: Batch) {
        self.writer.write(batch, &mut self.waiting);
    }

    /// Writes deliveries and requests in one commit, and returns the replies.
    fn write<const N: usize>(
        &mut self,
        deliveries: Vec<PendingDelivery>,
        requests: [Request; N],
    ) -> [Result<Reply, StoreError>; N] {
        let answers = requests.map(|request| {
            let (answer, answered) = oneshot::channel();
            self.sender.send(Work::Request(PendingRequest { request, answer })).unwrap();
            answered
        });
        let mut batch = Batch::of(deliveries);
        self.waiting.join(&mut batch);
        self.write_batch(batch);
        let replies: Vec<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
        replies.try_into().unwrap_or_else(|_| panic!("a reply to each"))
    }

    /// Stores messages in a commit of their own, leases their entries, and returns the leases of their first
    /// entries.
    fn lease(&mut self, count: usize) -> Vec<LeaseId> {
        let (deliveries, answers): (Vec<_>, Vec<_>) = (0..count).map(|_| delivery(10)).unzip();
        let [] = self.write(deliveries, []);
        answers.into_iter().for_each(|answer| drop(ids(answer).unwrap()));
        let lease = Request::Lease {
            round: Round::new(crate::model::Name::In, false, ""),
            max: 2 * count,
            hold: Duration::from_secs(60),
        };
        let [Ok(Reply::Leased { leases, .. })] = self.write(Vec::new(), [lease]) else { panic!("no lease") };
        leases.iter().map(crate::model::Lease::id).filter(|lease| lease.entry.n == 1).collect()
    }

    fn entries(&self) -> u64 {
        let sql = "SELECT count(*) FROM entry";
        self.data.open().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn stepped(reply: &Result<Reply, StoreError>) -> &[Result<Stepped, NotStepped>] {
    match reply {
        Ok(Reply::Stepped(stepped)) => stepped,
        Ok(_) => panic!("the reply does not answer steps"),
        Err(why) => panic!("{}", Chain(why)),
    }
}

#[test]
fn a_failed_step_affects_no_delivery_and_no_other_step_of_the_commit() {
    let mut rig = Rig::new();
    let leases = rig.lease(4);
    let done = |at: usize| Step::settling(leases[at], Verdict::Done);
    let stale = LeaseId { fence: leases[1].fence + 1, ..leases[1] };
    let steps = [
        done(0),
        // Its second reference breaks a constraint, after the first was made.
        done(1).with(Effect::Keep(MessageId(1))).unwrap().with(Effect::Keep(MessageId(99))).unwrap(),
        Step::settling(stale, Verdict::Done).with(Effect::Keep(MessageId(1))).unwrap(),
        done(2).expecting(Expect::Lists(Changes(-1))).unwrap(),
        done(3),
    ];
    let before = rig.entries();
    let (first, first_taken) = delivery(10);
    let (second, second_taken) = delivery(10);
    let [reply] = rig.write(vec![first, second], [Request::Step(steps.to_vec())]);
    assert_eq!(ids(first_taken).unwrap().len() + ids(second_taken).unwrap().len(), 6);
    let [Ok(_), Err(broken), Err(stale), Err(outdated), Ok(_)] = stepped(&reply) else { panic!() };
    assert!(matches!(broken, NotStepped::Store(why) if !why.is_final()), "{broken:?}");
    assert!(matches!((stale, outdated), (NotStepped::Stale, NotStepped::Outdated)));
    assert_eq!(rig.entries(), before + 4 - 2, "two entries for each message, and two steps");
    let kept = "SELECT count(*) FROM kept";
    assert_eq!(rig.data.open().unwrap().query_row(kept, [], |row| row.get(0)), Ok(0));
}

#[test]
fn a_panic_in_a_decision_affects_no_delivery_and_the_entry_is_leased_again() {
    let mut rig = Rig::new();
    let [lease] = rig.lease(1)[..] else { panic!() };
    // A decision is made in the consumer's thread, and only its result reaches the writer.
    let decision = std::thread::spawn(|| -> Step { panic!("injected by a test") });
    let (beside, taken) = delivery(10);
    let [] = rig.write(vec![beside], []);
    assert!(decision.join().is_err());
    assert!(ids(taken).is_ok() && !rig.writer.fail_stop.is_set());
    let release = Request::Step(vec![Step::settling(lease, Verdict::Release)]);
    let [reply] = rig.write(Vec::new(), [release]);
    assert!(stepped(&reply)[0].is_ok(), "its lease is what it was");
}

#[test]
fn mail_is_stored_even_without_space_for_the_steps() {
    let mut rig = Rig::new();
    let leases = rig.lease(30);
    rig.allow_pages(0);
    let used: u32 = rig.writer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    // There is room for a message, but not for the reasons of thirty steps.
    rig.allow_pages(used - rig.pages + 3);
    let why = "w".repeat(limits::REASON);
    let shunt = |lease: &LeaseId| Step::settling(*lease, Verdict::Shunt { why: why.clone() });
    let steps = || Request::Step(leases.iter().map(shunt).collect());
    let (beside, taken) = delivery(10);
    let [reply] = rig.write(vec![beside], [steps()]);
    assert_eq!(ids(taken).unwrap().len(), 3);
    let why = reply.err().expect("there is no room for the steps");
    assert!(why.to_string().contains("store the mail") && !why.is_final(), "{why}");
    assert!(!rig.writer.fail_stop.is_set());
    rig.allow_pages(10_000);
    let [reply] = rig.write(Vec::new(), [steps()]);
    assert!(stepped(&reply).iter().all(Result::is_ok), "nothing of them had happened");
}

#[test]
fn a_full_database_is_a_451_and_recovers_and_gives_no_id_twice() {
    let mut rig = Rig::new();
    rig.allow_pages(8);

    let (small, taken) = delivery(10);
    rig.write_batch(Batch::of(vec![small]));
    assert_eq!(ids(taken), Ok(vec!["1-1".to_owned(), "1-1".to_owned(), "1-2".to_owned()]));
    let (large, refused_large) = delivery(60_000);
    let (beside, refused_small) = delivery(10);
    rig.write_batch(Batch::of(vec![beside, large]));
    for refused in [refused_large, refused_small] {
        let refusal = ids(refused).unwrap_err();
        assert_eq!(refusal.to_string(), "451 4.3.1 Requested action aborted: no space, try again later");
    }
    assert!(!rig.writer.fail_stop.is_set());
    rig.allow_pages(100);
    let (again, taken) = delivery(60_000);
    let (gone, _) = delivery(10);
    rig.write_batch(Batch::of(vec![gone, again]));
    assert_eq!(ids(taken).unwrap()[0], "2-1", "a delivery whose receiver was dropped is not stored");

    let ids = Ids::read(&rig.data.open().unwrap()).unwrap();
    assert!(ids.next > 2);
}

#[test]
fn mail_that_comes_while_rows_are_written_shares_their_commit() {
    let mut rig = Rig::new();
    let (first, taken_first) = delivery(10);
    let (second, taken_second) = delivery(10);
    let (mut outdated, returned) = delivery(10);
    let now = lists::changes(&rig.writer.connection).unwrap();
    outdated.delivery.as_of = Some(Changes(now.0 - 1));
    let (gone, _) = delivery(10);
    for pending in [outdated, gone, second] {
        rig.sender.send(Work::Delivery(pending)).unwrap();
    }
    rig.write_batch(Batch::of(vec![first]));
    assert!(rig.waiting.next(Duration::ZERO).is_err(), "all of it has joined");
    assert_eq!(ids(taken_first).unwrap()[0], "1-1");
    assert_eq!(ids(taken_second).unwrap()[0], "2-1");
    assert!(matches!(returned.blocking_recv(), Ok(Err(NotStored::Changed(_)))));
}

/// Room is checked for the messages of a batch before its transaction begins, and not for those that would join it.
#[test]
fn no_mail_joins_a_commit_while_space_is_scarce() {
    for (is_scarce, in_commit) in [(true, 1), (false, 2)] {
        let mut rig = Rig::new();
        rig.writer.is_scarce = is_scarce;
        let [(first, _first_answer), (second, _second_answer)] = [delivery(10), delivery(10)];
        rig.sender.send(Work::Delivery(second)).unwrap();
        let mut batch = Batch::of(vec![first]);
        let (stored, _) = rig.writer.commit(&mut batch, &mut rig.waiting).unwrap();
        assert_eq!((stored.len(), batch.deliveries.len()), (in_commit, in_commit));
        assert_eq!(rig.waiting.next(Duration::ZERO).is_ok(), is_scarce, "the other is in the next commit");
    }
}

/// Returns a batch of this many messages.
fn batch_of(messages: usize) -> Batch {
    Batch::of((0..messages).map(|_| delivery(10).0).collect())
}

#[test]
fn a_commit_waits_for_messages_that_have_begun() {
    let mut rig = Rig::new();
    let slower: Vec<_> = (1..limits::MAIL_WORTH_A_WAIT - 1).map(|_| rig.begun.begin()).collect();
    let (mut pending, _answered) = delivery(10);
    pending.delivery.begun = Some(rig.begun.begin());
    let sender = rig.sender.clone();
    let session = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        sender.send(Work::Delivery(pending)).unwrap();
    });
    let mut batch = batch_of(1);
    rig.waiting.join_or_wait(&mut batch, Instant::now() + PATIENCE);
    assert_eq!(batch.deliveries.len(), 2);
    assert_eq!(rig.begun.count(), slower.len(), "what has come is not waited for");
    session.join().unwrap();
}

#[test]
fn messages_that_do_not_come_in_time_are_not_waited_for_again() {
    let mut rig = Rig::new();
    let _slow: Vec<_> = (0..limits::MAIL_WORTH_A_WAIT).map(|_| rig.begun.begin()).collect();
    let mut batch = batch_of(1);
    rig.waiting.join_or_wait(&mut batch, Instant::now());
    assert_eq!((batch.deliveries.len(), rig.begun.count()), (1, 0));
}

#[test]
fn a_commit_does_not_wait_for_few_messages_and_not_if_it_has_enough() {
    let mut rig = Rig::new();
    let (too_few, none, many) = (limits::MAIL_WORTH_A_WAIT - 2, 0, limits::MAIL_WORTH_A_WAIT);
    for (come, begun) in [(1, too_few), (limits::MAIL_WORTH_A_WAIT, none), (limits::ENOUGH_MAIL, many)] {
        let begun: Vec<_> = (0..begun).map(|_| rig.begun.begin()).collect();
        let since = Instant::now();
        let mut batch = batch_of(come);
        rig.waiting.join_or_wait(&mut batch, since + PATIENCE);
        assert!(since.elapsed() < PATIENCE, "{come} and {}", begun.len());
        assert_eq!(rig.begun.count(), begun.len());
    }
}
