//! The contract of a backend: one test suite, run on each of them. What a trait promises is tested here and nowhere
//! else.
//!
//! A rig is a new backend with the means to use it. The suite assumes nothing about how a backend does its work: a
//! depth may be as old as the caller allows, and every call may yield.

mod browse;
mod crashes;
mod intake;
mod join_crashes;
mod keys;
mod leases;
mod members;
mod model;
mod moderation;
mod notices;
mod outbox;
mod outbox_crashes;
mod outbox_model;
mod posts;
mod registry;
mod requests;
mod rigs;
mod steps;
mod trouble;

use super::browse::BrowseStore;
use super::{Backend, Delivery, EngineStore, KeyAdmin, LeaseRequest, LeaseStore, Leased, Members, Queued};
use crate::message::{Incoming, Spool};
use crate::model::{
    Addressed, Clock, DeliveryKey, Endpoint, Envelope, LeaseId, List, ListState, Name, NotStepped,
    OutgoingNow, Role, Step, Stepped,
};
use listgate_lmtp::ReversePath;
use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// A clock that moves only when a test moves it, in seconds since the start of 2026.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        const YEAR_2026: u64 = 1_767_225_600;
        let seconds = Arc::clone(&self.0);
        Clock::new(move || {
            let since = i64::try_from(YEAR_2026).unwrap() + seconds.load(Ordering::Relaxed);
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(since).unwrap())
        })
    }
}

/// A backend, and what the suite needs to use it.
struct Rig {
    backend: Arc<dyn Backend>,
    /// `None` if other programs work its queues.
    leases: Option<Arc<dyn LeaseStore>>,
    /// The operators' view of the backend; `None` if it has none.
    browse: Option<Box<dyn BrowseStore>>,
    /// What the engine and the outgoing side use; `None` if another program does their work.
    engine: Option<Arc<dyn EngineStore>>,
    /// The members of its lists; `None` if another program keeps them.
    members: Option<Arc<dyn Members>>,
    /// The keys that sign tokens, as operators change them; `None` if another program writes the mail of lists.
    keys: Option<Arc<dyn KeyAdmin>>,
    /// Creates a list and its domain.
    create: Box<dyn Fn(&str)>,
    /// Removes a list.
    remove: Box<dyn Fn(&str)>,
    /// Opens the backend again, after all else of the rig was dropped.
    reopen: Box<dyn FnOnce() -> Rig>,
    /// Whether the backend recognizes mail that is sent again.
    remembers: bool,
    /// Whether the backend keeps a spool file where it is, as its own.
    keeps_spooled_files: bool,
    clock: TestClock,
    spool: Spool,
    spool_dir: PathBuf,
    /// The directory of the backend's files. Dropped last.
    dir: Option<TempDir>,
}

/// One thing that a backend must do.
type Check = fn(Rig) -> Pin<Box<dyn Future<Output = ()>>>;

/// Makes a [`Check`] from each asynchronous function.
macro_rules! checks {
    ($($check:path),* $(,)?) => {
        &[$((stringify!($check), (|rig| Box::pin($check(rig))) as super::Check)),*]
    };
}
use checks;

/// Runs each check on a rig of its own. It prints each name to standard error, so that the last one names the check
/// that failed.
fn run(rig: fn() -> Rig, checks: &[&[(&str, Check)]]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, check) in checks.iter().copied().flatten() {
        eprintln!("contract: {name}");
        runtime.block_on(check(rig()));
    }
}

#[test]
fn sqlite_satisfies_the_contract() {
    let all = [registry::ALL, intake::ALL, leases::ALL, steps::ALL, browse::ALL, members::ALL];
    run(rigs::sqlite, &all);
}

#[test]
fn sqlite_satisfies_the_contract_of_posts() {
    run(rigs::sqlite, &[posts::ALL, outbox::ALL, requests::ALL, notices::ALL, moderation::ALL, keys::ALL]);
}

#[test]
fn memory_satisfies_the_contract_of_posts() {
    run(rigs::memory, &[posts::ALL, outbox::ALL, requests::ALL, notices::ALL, moderation::ALL, keys::ALL]);
}

#[test]
fn a_consumer_of_sqlite_beside_the_gate_satisfies_the_contract() {
    run(rigs::sqlite_consumer, &[leases::ALL, steps::ALL]);
}

#[test]
fn mailman_satisfies_the_contract() {
    run(rigs::mailman, &[registry::ALL, intake::ALL, browse::ALL]);
}

#[test]
fn memory_satisfies_the_contract() {
    run(rigs::memory, &[registry::ALL, intake::ALL, leases::ALL, steps::ALL, members::ALL]);
}

/// A message to put.
struct Mail<'m> {
    /// The local parts of lists at `example.com`, and the roles they are addressed in.
    to: &'m [(&'m str, Role)],
    octets: usize,
    text: &'m str,
}

impl Default for Mail<'_> {
    fn default() -> Self {
        Self { to: &[("a", Role::Post)], octets: 100, text: "" }
    }
}

/// Returns a key that no other delivery of this process has.
fn key() -> DeliveryKey {
    static GIVEN: LazyLock<AtomicU64> = LazyLock::new(AtomicU64::default);
    DeliveryKey { gate: 1, n: GIVEN.fetch_add(1, Ordering::Relaxed) }
}

fn endpoint(local: &str, role: Role) -> Endpoint {
    let list = List {
        list_id: format!("{local}.example.com"),
        address: format!("{local}@example.com").parse().unwrap(),
        state: ListState::Open,
        max_size: None,
        alias: None,
    };
    Endpoint { list: Arc::new(list), role, detail: None }
}

impl Rig {
    fn leases(&self) -> &dyn LeaseStore {
        self.leases.as_deref().expect("this suite is for backends with leases")
    }

    fn members(&self) -> &dyn Members {
        self.members.as_deref().expect("this suite is for backends that keep members")
    }

    fn keys(&self) -> &dyn KeyAdmin {
        self.keys.as_deref().expect("this suite is for backends that sign tokens")
    }

    fn engine(&self) -> &dyn EngineStore {
        self.engine.as_deref().expect("this suite is for backends that an engine uses")
    }

    /// Ends the process that uses the backend, as far as the backend can tell, and starts another.
    fn restart(self) -> Self {
        let Self { backend, leases, browse, engine, members, keys, create, remove, reopen, dir, .. } = self;
        drop((engine, leases, browse, members, keys, create, remove, backend));
        Self { dir, ..reopen() }
    }

    fn browse(&self) -> &dyn BrowseStore {
        self.browse.as_deref().expect("this suite is for backends that operators look at")
    }

    /// Returns what waits to leave.
    async fn outgoing(&self) -> OutgoingNow {
        self.backend.outgoing_now().await.unwrap().expect("this suite is for backends that distribute posts")
    }

    /// Makes a delivery as the intake does.
    async fn delivery(&self, Mail { to, octets, text }: &Mail<'_>) -> Delivery {
        let style = self.backend.style();
        let mut incoming = Incoming::new(style, "<>".to_owned(), "host", None, self.spool.clone());
        incoming
            .push(format!("Received: x\r\nMessage-ID: <{text}{octets}@x>\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let lines = "0123456789abcd\r\n".repeat(octets.div_ceil(16));
        incoming.push(&lines.as_bytes()[..*octets]).await.unwrap();
        let to = to.iter().map(|(local, role)| Addressed {
            recipient: format!("{local}@example.com"),
            endpoint: endpoint(local, *role),
        });
        let envelope = Envelope {
            mail_from: ReversePath::Null,
            peer: "127.0.0.1:1".to_owned(),
            lhlo: "client.example".to_owned(),
            transport: "LMTP/TCP",
            received_at: self.clock.clock().now(),
        };
        Delivery {
            key: key(),
            envelope,
            message: incoming.finish().await.unwrap(),
            to: to.collect(),
            as_of: None,
            begun: None,
        }
    }

    /// Stores a message, and returns the proofs and its size in octets as stored.
    async fn put(&self, mail: &Mail<'_>) -> (Vec<Queued>, u64) {
        let delivery = self.delivery(mail).await;
        let size = delivery.message.body.len();
        (self.backend.put(delivery).await.unwrap(), size)
    }

    fn files_in_spool(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.spool_dir).unwrap().map(|file| file.unwrap().path()).collect()
    }

    /// Counts the entries of all queues.
    async fn entries(&self) -> u64 {
        self.backend.backlog().await.unwrap().iter().map(|queue| queue.entries).sum()
    }

    async fn lease(&self, max: usize) -> Vec<crate::model::Lease> {
        self.lease_from(Name::In, max).await
    }

    async fn lease_from(&self, queue: Name, max: usize) -> Vec<crate::model::Lease> {
        let request = LeaseRequest { queue, ordered: false, max, hold: LONG, turn: String::new() };
        let Leased { leases, .. } = self.leases().lease(request).await.unwrap();
        leases
    }

    /// Leases the only entry that is waiting.
    async fn lease_one(&self) -> LeaseId {
        let leases = self.lease(2).await;
        assert_eq!(leases.len(), 1);
        leases[0].id()
    }

    async fn step(&self, step: Step) -> Result<Stepped, NotStepped> {
        let mut stepped = self.leases().step(vec![step]).await.unwrap();
        assert_eq!(stepped.len(), 1);
        stepped.remove(0)
    }
}
