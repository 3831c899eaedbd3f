//! Tests of the worker's scheduling, with functions as processors and a store in memory.

use super::body::Body;
use super::error::WorkError;
use super::plan::{Plan, Stop};
use super::processor::{Outcome, Processor};
use super::worker::Worker;
use crate::backends::memory::{Memory, Trouble};
use crate::backends::{Backend, Delivery, LeaseRequest, LeaseStore, Leased};
use crate::message::{Incoming, Spool, Style};
use crate::model::{
    Addressed, Changes, Clock, DeliveryKey, Endpoint, Envelope, Expect, Lease, List, ListState, Name, Role,
    State, Step, Verdict,
};
use listgate_lmtp::ReversePath;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

type Processed = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A processor that is a function.
struct Double<F>(F);

impl<F> Processor for Double<F>
where
    F: Fn(&Lease, Body, oneshot::Receiver<()>) -> Processed + Send + Sync + 'static,
{
    fn process(
        &self,
        lease: &Lease,
        body: Body,
        stopped: oneshot::Receiver<()>,
    ) -> impl Future<Output = Outcome> + Send {
        (self.0)(lease, body, stopped)
    }
}

fn double<F>(process: F) -> Double<F>
where
    F: Fn(&Lease, Body, oneshot::Receiver<()>) -> Processed + Send + Sync + 'static,
{
    Double(process)
}

/// Returns the decision that the entry is done.
fn done(lease: &Lease) -> Outcome {
    Outcome::Decided(Step::settling(lease.id(), Verdict::Done))
}

/// Creates a store whose clock follows the runtime's, with one message for each of these lists, in order.
async fn store(lists: &[&str]) -> Arc<Memory> {
    store_ahead(lists, Arc::default()).await
}

/// Creates the same store with a clock that is `ahead` seconds ahead.
async fn store_ahead(lists: &[&str], ahead: Arc<AtomicUsize>) -> Arc<Memory> {
    let (base, began) = (SystemTime::now(), Instant::now());
    let now = move || base + began.elapsed() + Duration::from_secs(ahead.load(Ordering::Relaxed) as u64);
    let memory = Memory::new(Clock::new(now));
    let dir = tempfile::tempdir().unwrap();
    for (n, list) in lists.iter().enumerate() {
        let spool = Spool::new(dir.path());
        let mut incoming = Incoming::new(Style::Plain, "<>".to_owned(), "host", None, spool);
        incoming.push(format!("Subject: {n}\r\n\r\nbody {n}\r\n").as_bytes()).await.unwrap();
        let list = List {
            list_id: format!("{list}.example.com"),
            address: format!("{list}@example.com").parse().unwrap(),
            state: ListState::Open,
            max_size: None,
            alias: None,
        };
        let endpoint = Endpoint { list: Arc::new(list), role: Role::Post, detail: None };
        let envelope = Envelope {
            mail_from: ReversePath::Null,
            peer: "127.0.0.1:1".to_owned(),
            lhlo: "client.example".to_owned(),
            transport: "LMTP/TCP",
            received_at: base,
        };
        let delivery = Delivery {
            key: DeliveryKey { gate: 1, n: n as u64 },
            envelope,
            message: incoming.finish().await.unwrap(),
            to: vec![Addressed { recipient: "x@example.com".to_owned(), endpoint }],
            as_of: None,
            begun: None,
        };
        (&memory as &dyn Backend).put(delivery).await.unwrap();
    }
    Arc::new(memory)
}

fn plan(jobs: usize) -> Plan {
    Plan {
        queue: Name::In,
        ordered: false,
        jobs,
        max_attempts: 3,
        lease: Duration::from_secs(60),
        drain: true,
        progress: None,
    }
}

/// Runs a worker that is not asked to end.
async fn drained(store: &Arc<Memory>, plan: Plan, processor: impl Processor) -> Result<(), WorkError> {
    let (_sender, requested) = watch::channel(Stop::default());
    Worker::new(store.clone(), processor, plan, requested).run().await
}

/// Leases what waits, as the next consumer would.
async fn waiting(store: &Memory) -> Vec<Lease> {
    let request = LeaseRequest {
        queue: Name::In,
        ordered: false,
        max: 64,
        hold: Duration::from_secs(1),
        turn: String::new(),
    };
    let Leased { leases, .. } = store.lease(request).await.unwrap();
    leases
}

async fn queued(store: &Memory) -> u64 {
    (store as &dyn Backend).backlog().await.unwrap()[0].entries
}

#[tokio::test(start_paused = true)]
async fn as_many_entries_are_processed_at_once_as_there_are_jobs() {
    let store = store(&["a"; 10]).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let processor = double(move |lease, mut body, _stopped| {
        let (outcome, now, most) = (done(lease), Arc::clone(&now), Arc::clone(&most));
        Box::pin(async move {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            assert!(body.next().await.unwrap().starts_with(b"Subject: "));
            assert!(body.next().await.unwrap().is_empty());
            sleep(Duration::from_secs(1)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            outcome
        })
    });
    drained(&store, plan(3), processor).await.unwrap();
    assert_eq!((queued(&store).await, seen.load(Ordering::Relaxed)), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn lists_take_turns_and_in_order_one_entry_of_each_is_processed_at_a_time() {
    for (ordered, jobs, expected) in [
        (false, 1, [("1-1", 0), ("4-1", 1), ("2-1", 2), ("3-1", 3)]),
        (true, 4, [("1-1", 0), ("4-1", 0), ("2-1", 1), ("3-1", 2)]),
    ] {
        let store = store(&["a", "a", "a", "b"]).await;
        let began = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&order);
        let processor = double(move |lease, _body, _stopped| {
            seen.lock().unwrap().push((lease.entry.id.to_string(), began.elapsed().as_secs()));
            let outcome = done(lease);
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                outcome
            })
        });
        drained(&store, Plan { ordered, ..plan(jobs) }, processor).await.unwrap();
        assert_eq!(*order.lock().unwrap(), expected.map(|(id, at)| (id.to_owned(), at)));
    }
}

/// This happens when the machine sleeps while a request for leases is under way.
#[tokio::test(start_paused = true)]
async fn an_entry_leased_again_during_processing_continues_under_the_new_lease() {
    let ahead = Arc::new(AtomicUsize::new(0));
    let store = store_ahead(&["a"], Arc::clone(&ahead)).await;
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let processor = double(move |lease, _body, _stopped| {
        times.fetch_add(1, Ordering::Relaxed);
        let (outcome, ahead) = (done(lease), Arc::clone(&ahead));
        Box::pin(async move {
            ahead.store(61, Ordering::Relaxed);
            sleep(Duration::from_secs(5)).await;
            outcome
        })
    });
    drained(&store, plan(2), processor).await.unwrap();
    assert_eq!((queued(&store).await, seen.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_entry_is_retried_after_a_pause_and_finally_shunted() {
    let store = store(&["a"]).await;
    let began = Instant::now();
    let at = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&at);
    let processor = double(move |_lease, _body, _stopped| {
        seen.lock().unwrap().push(began.elapsed().as_secs());
        Box::pin(async { Outcome::Failed { why: "broken".to_owned() } })
    });
    let (sender, requested) = watch::channel(Stop::default());
    let worker = Worker::new(store.clone(), processor, Plan { drain: false, ..plan(1) }, requested).run();
    let end = async {
        sleep(Duration::from_secs(120)).await;
        sender.send_replace(Stop::Finish);
    };
    assert!(tokio::join!(worker, end).0.is_ok());
    assert_eq!(*at.lock().unwrap(), [0, 10, 30]);
    assert_eq!((waiting(&store).await.len(), queued(&store).await), (0, 1), "it is shunted");
}

#[tokio::test(start_paused = true)]
async fn an_outdated_decision_is_made_again() {
    let store = store(&["a"]).await;
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let processor = double(move |lease, _body, _stopped| {
        let changes = if times.fetch_add(1, Ordering::Relaxed) == 0 { 99 } else { 0 };
        let step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(Changes(changes)));
        Box::pin(async move { Outcome::Decided(step.unwrap()) })
    });
    drained(&store, plan(1), processor).await.unwrap();
    assert_eq!((queued(&store).await, seen.load(Ordering::Relaxed)), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_decisions_are_always_outdated_is_retried_later() {
    let store = store(&["a"]).await;
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let processor = double(move |lease, _body, _stopped| {
        times.fetch_add(1, Ordering::Relaxed);
        let step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(Changes(99)));
        Box::pin(async move { Outcome::Decided(step.unwrap()) })
    });
    drained(&store, plan(1), processor).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 4, "it is decided once, and three times again");
    assert!(waiting(&store).await.is_empty(), "it does not wait before the pause is over");
    sleep(Duration::from_secs(10)).await;
    let lease = waiting(&store).await.remove(0);
    assert_eq!(
        (lease.entry.attempts, lease.entry.state.reason()),
        (2, Some("what its decision relied on kept changing"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_store_is_asked_again() {
    let store = store(&["a", "b"]).await;
    store.expect([Trouble::Away, Trouble::Away, Trouble::Away]);
    let processor = double(move |lease, _body, _stopped| {
        let outcome = done(lease);
        Box::pin(async move { outcome })
    });
    drained(&store, plan(1), processor).await.unwrap();
    assert_eq!(queued(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_lasts_as_long_as_its_entry_is_processed() {
    let store = store(&["a"]).await;
    let processor = double(move |lease, _body, _stopped| {
        assert_eq!(lease.entry.attempts, 1);
        let outcome = done(lease);
        Box::pin(async move {
            sleep(Duration::from_secs(600)).await;
            outcome
        })
    });
    let other = async {
        sleep(Duration::from_secs(300)).await;
        assert!(waiting(&store).await.is_empty(), "nobody else gets it");
    };
    let (done, ()) = tokio::join!(drained(&store, plan(1), processor), other);
    done.unwrap();
    assert_eq!(queued(&store).await, 0);
}

/// Processes two entries of three, each for 20 seconds, and asks the worker to end after five.
async fn run_with_stop(stop: Stop) -> (Arc<Memory>, Result<(), WorkError>) {
    let store = store(&["a", "b", "c"]).await;
    let processor = double(move |lease, _body, stopped| {
        let outcome = done(lease);
        Box::pin(async move {
            tokio::select! {
                () = sleep(Duration::from_secs(20)) => outcome,
                Ok(()) = stopped => Outcome::Released,
            }
        })
    });
    let (sender, requested) = watch::channel(Stop::default());
    let worker = Worker::new(store.clone(), processor, plan(2), requested).run();
    let end = async {
        sleep(Duration::from_secs(5)).await;
        sender.send_replace(stop);
    };
    let (ended, ()) = tokio::join!(worker, end);
    (store, ended)
}

#[tokio::test(start_paused = true)]
async fn after_a_request_to_finish_no_entry_is_started() {
    let (store, ended) = run_with_stop(Stop::Finish).await;
    ended.unwrap();
    assert_eq!(waiting(&store).await.len(), 1, "the third was not begun");
    assert_eq!(queued(&store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_end_at_once_releases_all_leases() {
    let (store, ended) = run_with_stop(Stop::AtOnce).await;
    assert_eq!(ended.unwrap_err().to_string(), "stopped at once; what ran waits again");
    let waiting = waiting(&store).await;
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter().all(|lease| lease.entry.attempts == 1), "they were not begun before");
}

#[tokio::test(start_paused = true)]
async fn a_broken_processor_ends_the_worker_and_all_entries_wait() {
    let store = store(&["a", "b"]).await;
    let processor = double(|_lease, _body, _stopped| Box::pin(async { Outcome::Broken("no engine".into()) }));
    let ended = drained(&store, plan(1), processor).await;
    assert_eq!(ended.unwrap_err().to_string(), "no engine");
    let waiting = waiting(&store).await;
    assert!(waiting.len() == 2 && waiting.iter().all(|lease| lease.entry.attempts == 1));
    assert!(waiting.iter().all(|lease| matches!(lease.entry.state, State::Leased { reason: None, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_processor_is_a_failure() {
    let store = store(&["a"]).await;
    let processor = double(|_lease, _body, _stopped| Box::pin(async { panic!("a bug") }));
    drained(&store, plan(1), processor).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let lease = waiting(&store).await.remove(0);
    assert!(lease.entry.state.reason().unwrap().contains("panicked"), "{:?}", lease.entry.state);
}
