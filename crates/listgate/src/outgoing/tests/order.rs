//! The order of commits and final dots.

use super::{Site, runtime, target};
use crate::backends::{Answer, Around, EngineStore};
use crate::model::{Advance, Claimed, Personal};
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

impl Around for Watched {
    fn store(&self) -> &dyn EngineStore {
        &*self.store
    }

    fn around_advance(&self, advance: Advance) -> Answer<'_, Vec<Claimed>> {
        Answer::of(async move {
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
