//! Tests of what claims cost, whatever the size of a list, and of what operators are shown.

use super::*;
use crate::backends::sqlite::{DataDir, lists, notices, posts};
use crate::limits;
use crate::model::{
    About, BatchEnd, BatchId, BatchResult, ClaimRequest, Claimed, Exception, ListNumber, MessageId,
    NewNotice, NewPost, NoticeTo, Pause, Personal, PostId, PostKind, PostRecord, Refusal, Stepped,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const REQUEST: ClaimRequest = ClaimRequest { batches: 1, bulk: 100, personal: 16 };

struct Rig {
    connection: Connection,
    /// How many steps SQLite's machine has made, in hundreds.
    steps: Arc<AtomicU64>,
    _dir: tempfile::TempDir,
}

impl Rig {
    /// Makes a database with a list of so many members. Delivery is off for the first `off` of them.
    fn new(members: u32, off: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = DataDir::new(dir.path()).open_or_create().unwrap();
        lists::create(&mut connection, &["a@b".parse().unwrap()], &[], 0).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF;
                 INSERT INTO delivery (id, received_at, mail_from, message_id, peer, lhlo, transport, original_size, size)
                 VALUES (1, 0, '<>', '<1@x>', '', '', '', 1, 1);
                 WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {members})
                 INSERT INTO member (list, role, address, joined_at, off, own_posts, hidden)
                 SELECT 1, 'member', n || '@x', 0, CASE WHEN n <= {off} THEN 'user' END, 1, 0 FROM n;"
            ))
            .unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        };
        connection.progress_handler(100, Some(count)).unwrap();
        Self { connection, steps, _dir: dir }
    }

    /// Runs `work`, and returns how many steps SQLite made for it.
    fn cost<T>(&self, work: impl FnOnce(&Connection) -> T) -> (T, u64) {
        let before = self.steps.load(Ordering::Relaxed);
        let done = work(&self.connection);
        (done, 100 * (self.steps.load(Ordering::Relaxed) - before))
    }

    fn distribute(&self) -> u64 {
        let post = NewPost {
            list: ListNumber(1),
            kind: PostKind::Post,
            message: MessageId(1),
            message_id: String::new(),
            size: 1,
            settings: String::new(),
            personal: Personal::Auto,
            skipped: None,
            instead_of_owners: None,
        };
        self.cost(|connection| posts::distribute(connection, &post, 0).unwrap()).1
    }

    fn advance(&self, results: Vec<BatchResult>) -> (Claims, u64) {
        let request = Advance { results, claim: Some(REQUEST), ..Advance::default() };
        self.cost(|connection| advance(connection, &request, 0).unwrap().unwrap())
    }

    fn claim_one(&self) -> Claimed {
        self.advance(Vec::new()).0.claimed.remove(0)
    }

    /// Records two refusals while the batch is being sent.
    fn refuse_two(&self, claimed: &Claimed) {
        let refusal = |at: usize| {
            let recipient = claimed.recipients[at].clone();
            Refusal { batch: claimed.batch, recipient, reply: "550 5.1.1 unknown".to_owned() }
        };
        let refused = vec![refusal(0), refusal(1)];
        let request = Advance { refused, sending: vec![claimed.batch], ..Advance::default() };
        advance(&self.connection, &request, 0).unwrap().unwrap();
    }

    fn post(&self) -> PostRecord {
        post(&self.connection, PostId(1)).unwrap().unwrap()
    }

    /// Returns the numbers of recipients of each batch, and of those who were sent a copy.
    fn batches(&self) -> Vec<(u64, u64)> {
        let batches = batches_after(&self.connection, PostId(1), BatchId(0), 9).unwrap();
        batches.iter().map(|batch| (batch.recipients, batch.sent)).collect()
    }

    /// Returns how many recipients are shown because they did not get the post.
    fn exceptions(&self) -> usize {
        exceptions_after(&self.connection, PostId(1), None, 99).unwrap().len()
    }
}

/// Returns the result of a batch of which the first three were refused.
fn three_refused(claimed: &Claimed) -> BatchResult {
    let refused = Exception::Refused { reply: "550 5.1.1 unknown".to_owned() };
    let exceptions = claimed.recipients[..3].iter().map(|one| (one.clone(), refused.clone())).collect();
    let end = BatchEnd::Done { sent: claimed.recipients.len() as u64 - 3, reply: "250 ok".to_owned() };
    BatchResult { batch: claimed.batch, exceptions, end }
}

#[test]
fn a_refusal_counts_once_whether_it_comes_alone_with_the_result_or_both() {
    let rig = Rig::new(10, 0);
    rig.distribute();
    let claimed = rig.claim_one();
    rig.refuse_two(&claimed);
    rig.refuse_two(&claimed);
    assert_eq!((rig.post().refused, rig.exceptions()), (2, 2));
    rig.advance(vec![three_refused(&claimed)]);
    rig.advance(vec![three_refused(&claimed)]);
    rig.refuse_two(&claimed);
    let post = rig.post();
    assert_eq!((post.sent, post.refused, post.doubted, post.deferred), (7, 3, 0, 0));
    assert_eq!((rig.batches(), rig.exceptions()), (vec![(10, 7)], 3));
    assert!(post.finished_at.is_some());
}

#[test]
fn a_refusal_that_was_recorded_before_a_crash_is_not_in_doubt() {
    let rig = Rig::new(10, 0);
    rig.distribute();
    rig.refuse_two(&rig.claim_one());
    recover(&rig.connection, 0).unwrap();
    let post = rig.post();
    assert_eq!((post.sent, post.refused, post.doubted, post.deferred), (0, 2, 8, 8));
    let rest = rig.claim_one();
    assert_eq!(rest.recipients.len(), 8);
    rig.advance(vec![three_refused(&rest)]);
    let post = rig.post();
    assert_eq!((post.sent, post.refused, post.doubted, post.deferred), (5, 5, 8, 0));
    assert_eq!((rig.batches(), rig.exceptions()), (vec![(8, 5)], 5));
    assert!(post.finished_at.is_some());
}

#[test]
fn a_recipient_who_got_a_post_after_a_deferral_is_not_shown() {
    let rig = Rig::new(10, 0);
    rig.distribute();
    let claimed = rig.claim_one();
    let deferred = Exception::Deferred { reply: "450 later".to_owned(), pause: Pause::AtOnce };
    let exceptions = vec![(claimed.recipients[0].clone(), deferred)];
    let end = BatchEnd::Done { sent: 9, reply: "250 ok".to_owned() };
    let (mut claims, _) = rig.advance(vec![BatchResult { batch: claimed.batch, exceptions, end }]);
    assert_eq!((rig.post().deferred, rig.exceptions()), (1, 1));
    let alone = claims.claimed.remove(0);
    let end = BatchEnd::Done { sent: 1, reply: "250 ok".to_owned() };
    rig.advance(vec![BatchResult { batch: alone.batch, exceptions: Vec::new(), end }]);
    assert_eq!((rig.post().sent, rig.post().deferred, rig.exceptions()), (10, 0, 0));
}

fn again(batch: BatchId) -> BatchResult {
    let pause = Pause::Free(Duration::from_secs(3600));
    let end = BatchEnd::Again { settled: None, sent: 0, pause, why: String::new(), doubted: 0 };
    BatchResult { batch, exceptions: Vec::new(), end }
}

#[test]
fn a_claim_costs_the_same_in_a_list_of_any_size() {
    let costs = [5_000, 200_000].map(|members| {
        let rig = Rig::new(members, 0);
        let accepted = rig.distribute();
        let mut highest = 0;
        for _ in 0..20 {
            let (claims, cost) = rig.advance(Vec::new());
            assert_eq!(claims.claimed[0].recipients.len(), 100);
            highest = highest.max(cost);
        }
        (accepted, highest)
    });
    let [(few, claim_of_few), (many, claim_of_many)] = costs;
    assert!(many <= few + 500, "{costs:?}");
    assert!(claim_of_many <= claim_of_few + 500, "{costs:?}");
}

#[test]
fn a_claim_looks_at_a_limited_number_of_members() {
    let rig = Rig::new(100_050, 100_000);
    let accepted = rig.distribute();
    let most = 40 * limits::SCANNED_AT_ONCE as u64;
    assert!(accepted < most, "{accepted}");
    let mut turns = 0;
    let claimed = loop {
        let (Claims { mut claimed, is_cut_short }, cost) = rig.advance(Vec::new());
        assert!(cost < most, "{cost}");
        turns += 1;
        match claimed.pop() {
            Some(claimed) => break claimed,
            None => assert!(is_cut_short),
        }
    };
    assert_eq!(turns, 100_000 / limits::SCANNED_AT_ONCE + 1);
    assert_eq!((claimed.recipients.len(), claimed.personal), (50, false));
}

#[test]
fn a_claim_costs_the_same_beside_any_number_of_batches_that_wait() {
    let rig = Rig::new(60_000, 0);
    rig.distribute();
    let (mut claims, first) = rig.advance(Vec::new());
    let mut last = 0;
    for _ in 0..550 {
        let (next, cost) = rig.advance(vec![again(claims.claimed[0].batch)]);
        (claims, last) = (next, cost);
    }
    assert!(last < first + 2000, "{first} {last}");
    let (_, looked) = rig.cost(|connection| assert!(has_something(connection, 0).unwrap()));
    assert!(looked <= 200, "{looked}");
}

#[test]
fn what_a_notice_says_is_forgotten_once_it_has_left() {
    let rig = Rig::new(1, 0);
    let notice = NewNotice {
        list: ListNumber(1),
        to: NoticeTo::Address("anne@example.org".parse().unwrap()),
        about: About::Nothing,
        counted: false,
        template: "roster",
        content: "secret".to_owned(),
    };
    notices::notify(&rig.connection, &notice, &Stepped::default(), 0).unwrap();
    let stored = || -> (String, String) {
        let sql = "SELECT settings, message_id FROM post";
        rig.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let message_id = "<notice.1.0@b>".to_owned();
    assert_eq!(stored(), ("secret".to_owned(), message_id.clone()));
    let (claims, _) = rig.advance(Vec::new());
    let end = BatchEnd::Done { sent: 1, reply: String::new() };
    rig.advance(vec![BatchResult { batch: claims.claimed[0].batch, exceptions: Vec::new(), end }]);
    assert_eq!(stored(), (String::new(), message_id));
}
