//! The order of commits and final dots.

use super::{Site, runtime, target};
use crate::backends::{Answer, EngineStore, LeaseRequest, LeaseStore, Leased, Messages, Outbox, Posts};
use crate::model::{
    Advance, Answered, Claimed, FormerMember, LeaseId, ListNumber, ListSnapshot, Member, MemberAddress,
    MessageId, MessageIdHash, NotStepped, Personal, Request, RequestId, RequestKind, Seq, Stale, Step,
    Stepped,
};
use listgate_engine::token::KeyRing;
use listgate_test_support::smtp_server::{Manner, Moment, SmtpServer};
use listgate_test_support::until;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A store that delays commits, and notes them when they are done.
struct Watched {
    store: Arc<dyn EngineStore>,
    moments: Arc<Moments>,
    done: Arc<Mutex<Vec<Advance>>>,
}

/// What the mail server has read.
#[derive(Default)]
struct Moments {
    body: AtomicBool,
    dot: AtomicBool,
}

impl Outbox for Watched {
    fn advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        Box::pin(async move {
            let has_come = match () {
                // A mark: all recipients have got their replies by then.
                () if !advance.sending.is_empty() => &self.moments.body,
                () if !advance.refused.is_empty() => &self.moments.dot,
                () => &AtomicBool::new(true),
            };
            while !has_come.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let answer = self.store.advance(advance.clone()).await;
            self.done.lock().unwrap().push(advance);
            answer
        })
    }

    fn left(&self) -> Answer<'_, u64> {
        self.store.left()
    }
}

impl Messages for Watched {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        self.store.read(message, offset, length)
    }
}

impl LeaseStore for Watched {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        self.store.lease(request)
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        self.store.extend(leases, hold)
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        self.store.step(steps)
    }

    fn arrivals(&self) -> Option<tokio::sync::watch::Receiver<()>> {
        self.store.arrivals()
    }
}

impl Posts for Watched {
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>> {
        self.store.snapshot(list_id)
    }

    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>> {
        self.store.standing(list, address)
    }

    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool> {
        self.store.is_posted(list, message_id)
    }

    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool> {
        self.store.holds_too_many(list)
    }

    fn runs_by_default(&self) -> Answer<'_, bool> {
        self.store.runs_by_default()
    }

    fn keys(&self) -> Answer<'_, KeyRing> {
        self.store.keys()
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<Request>> {
        self.store.request(id)
    }

    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<Request>> {
        self.store.request_of(list, address, kind)
    }

    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize> {
        self.store.requests_to_join(list, most)
    }

    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>> {
        self.store.member_of_seq(list, seq)
    }

    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>> {
        self.store.former(list, seq)
    }

    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered> {
        self.store.answered(to)
    }

    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>> {
        self.store.roster(list, most)
    }
}

impl EngineStore for Watched {
    fn is_own_domain<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.store.is_own_domain(domain)
    }
}

/// The store answers the mark when the message is written, and the refusals when the server has read the final dot. The
/// server answers that when the refusals are stored.
#[test]
fn refusals_share_a_commit_and_are_stored_before_the_reply_to_the_message_and_no_dot_waits_for_them() {
    let mut site = Site::new(100);
    let (moments, done) = (Arc::new(Moments::default()), Arc::new(Mutex::new(Vec::<Advance>::new())));
    let (of_server, stored) = (Arc::clone(&moments), Arc::clone(&done));
    let act = move |_, at| {
        match at {
            Moment::InBody => of_server.body.store(true, Ordering::SeqCst),
            Moment::BeforeReply => {
                of_server.dot.store(true, Ordering::SeqCst);
                let is_stored = || stored.lock().unwrap().iter().any(|advance| !advance.refused.is_empty());
                until("the refusals are stored", is_stored);
            }
            _ => {}
        }
        None
    };
    let reply = |address: &str| {
        let is_dead = address.contains("5@");
        if is_dead { "550 5.1.1 unknown" } else { "250 2.1.5 Ok" }.to_owned()
    };
    let server = SmtpServer::scripted(Manner::default(), act, reply);
    site.store = Arc::new(Watched { store: Arc::clone(&site.store), moments, done: Arc::clone(&done) });
    runtime().block_on(site.post("Hello.\r\n", Personal::Never));
    let outgoing = site.send_to(target(&server));
    runtime().block_on(site.finished());
    outgoing.stop();
    assert_eq!(server.record().len(), 90);
    let done = done.lock().unwrap();
    let commits: Vec<_> = done
        .iter()
        .map(|advance| (advance.sending.len(), advance.refused.len(), advance.results.len()))
        .filter(|of_batch| *of_batch != (0, 0, 0))
        .collect();
    assert_eq!(commits, [(1, 0, 0), (0, 10, 0), (0, 0, 1)]);
}
