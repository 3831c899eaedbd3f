//! A list on the embedded backend, mail for it, and what the engine makes of it.

use crate::backends::sqlite::backup::backup;
use crate::backends::sqlite::{Choices, Console, DataDir, Sqlite};
use crate::backends::{Answer, Around, Backend, Delivery, EngineStore, ListAdmin, Members, Outbox};
use crate::engine::context::Context;
use crate::engine::decider::Decider;
use crate::engine::{EngineSettings, QUEUES, plan};
use crate::message::{Incoming, Spool, Style};
use crate::metrics::Metrics;
use crate::model::{
    Addressed, Advance, BanPattern, BatchEnd, BatchResult, ClaimRequest, Claimed, Clock, DeliveryKey,
    Endpoint, Envelope, List, ListAddress, ListChange, ListNumber, ListState, Member, MemberAddress,
    MemberRole, MessageId, NewMember, NotStepped, Redelivery, Role, Step, Stepped, StoreError,
};
use crate::texts::Texts;
use crate::work::{Plan, Stop, Worker};
use rusqlite::{Connection, OpenFlags};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

pub(super) const LIST: &str = "mylist@example.com";
pub(super) const LIST_ID: &str = "mylist.example.com";

/// Posts from this address find a bug in the store.
pub(super) const PANICS: &str = "panic@example.org";

/// The store of the gate, which counts the octets that are read, and panics when it is asked about [`PANICS`].
pub(super) struct Watched {
    store: Arc<dyn EngineStore>,
    pub(super) octets: AtomicU64,
    /// How many steps were outdated.
    pub(super) outdated: AtomicU64,
}

pub(super) struct Rig {
    pub(super) store: Arc<Watched>,
    pub(super) console: Console,
    pub(super) metrics: Arc<Metrics>,
    backend: Arc<Sqlite>,
    context: Arc<Context>,
    data: DataDir,
    pub(super) settings: watch::Sender<EngineSettings>,
    deliveries: AtomicU64,
    /// How many seconds the clock is fast.
    fast: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

impl Rig {
    /// Creates a site with a list that has the owner olga@example.org.
    pub(super) async fn new() -> Self {
        let rig = Self::of(tempfile::tempdir().unwrap(), Arc::default());
        rig.console.create(&[LIST.parse().unwrap()], &[]).await.unwrap();
        rig.join(MemberRole::Owner, "olga@example.org", &[]).await;
        rig
    }

    /// Opens a site, which need not exist yet.
    fn of(dir: tempfile::TempDir, fast: Arc<AtomicI64>) -> Self {
        let data = DataDir::new(&dir.path().join("data"));
        let seconds = Arc::clone(&fast);
        let clock = Clock::new(move || {
            let fast = seconds.load(Ordering::Relaxed);
            let by = Duration::from_secs(fast.unsigned_abs());
            if fast < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
        });
        let choices =
            Choices { redelivery: Redelivery::Off, owner: "o@example.com".to_owned(), clock: clock.clone() };
        let metrics = Arc::new(Metrics::default());
        let backend = Arc::new(Sqlite::open(&data, choices, &metrics).unwrap());
        let store = Arc::clone(&backend).engine().unwrap().unwrap();
        let store = Arc::new(Watched { store, octets: AtomicU64::new(0), outdated: AtomicU64::new(0) });
        let (sender, settings) = watch::channel(settings());
        let context =
            Context::new(store.clone(), (settings, Texts::default()), metrics.clone(), clock.clone());
        let console = Console::open_with_clock(&data, clock).unwrap();
        let context = Arc::new(context);
        let deliveries = AtomicU64::new(0);
        Self {
            store,
            console,
            metrics,
            backend,
            context,
            data,
            settings: sender,
            deliveries,
            fast,
            _dir: dir,
        }
    }

    /// Lets time pass; if it is negative, the clock is set back.
    pub(super) fn wait(&self, seconds: i64) {
        self.fast.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Returns the same site after its database was replaced by a backup that was made now, and `meanwhile` was done.
    pub(super) async fn restored_after(self, meanwhile: impl AsyncFnOnce(&Self)) -> Self {
        let copies = tempfile::tempdir().unwrap();
        backup(&self.data, &copies.path().join("data")).unwrap();
        meanwhile(&self).await;
        Self::of(copies, Arc::clone(&self.fast))
    }

    /// Returns by how many seconds the clock is fast.
    pub(super) fn fast(&self) -> i64 {
        self.fast.load(Ordering::Relaxed)
    }

    /// Trusts the Authentication-Results of mx.example.com.
    pub(super) fn trust(&self) {
        self.settings.send_modify(|settings| settings.authserv_id = Some("mx.example.com".to_owned()));
    }

    /// Changes settings of the list.
    pub(super) async fn set(&self, changes: &[&str]) {
        let changes: Vec<ListChange> = changes.iter().map(|change| change.parse().unwrap()).collect();
        self.console.set_settings(&LIST.parse().unwrap(), &changes).await.unwrap();
    }

    /// Hands over all mail that is due to a mail server that takes it.
    pub(super) async fn hand_over(&self) {
        let claim = Some(ClaimRequest { batches: 16, bulk: 100, personal: 16 });
        loop {
            let claimed = self.store.advance(Advance { claim, ..Advance::default() }).await.unwrap();
            if claimed.is_empty() {
                return;
            }
            let sent = |batch: &Claimed| BatchResult {
                batch: batch.batch,
                exceptions: Vec::new(),
                end: BatchEnd::Done { sent: batch.recipients.len() as u64, reply: "250 Ok".to_owned() },
            };
            let results = claimed.iter().map(sent).collect();
            self.store.advance(Advance { results, ..Advance::default() }).await.unwrap();
        }
    }

    pub(super) async fn join(&self, role: MemberRole, address: &str, settings: &[&str]) {
        let changes = settings.iter().map(|setting| setting.parse().unwrap()).collect();
        let new = NewMember { named: address.parse().unwrap(), changes };
        self.console.add(LIST_ID, role, &[new]).await.unwrap();
    }

    pub(super) async fn ban(&self, pattern: &str) {
        let pattern: BanPattern = pattern.parse().unwrap();
        self.console.ban(Some(LIST_ID), &[pattern]).await.unwrap();
    }

    pub(super) async fn remove_list(&self) {
        let address: ListAddress = LIST.parse().unwrap();
        self.console.remove_list(&address).await.unwrap();
    }

    /// Stores a message for the list as the gate does.
    pub(super) async fn put(&self, role: Role, detail: Option<&str>, from: &str, message: &[u8]) {
        let list = List {
            list_id: LIST_ID.to_owned(),
            address: LIST.parse().unwrap(),
            state: ListState::Open,
            max_size: None,
            alias: None,
        };
        self.put_for(list, role, detail, from, message).await;
    }

    /// Stores a message for a list.
    pub(super) async fn put_for(
        &self,
        list: List,
        role: Role,
        detail: Option<&str>,
        from: &str,
        message: &[u8],
    ) {
        let mut incoming =
            Incoming::new(Style::Plain, from.to_owned(), "host", None, Spool::new(&self.data.spool()));
        for piece in message.chunks(64 << 10) {
            incoming.push(piece).await.unwrap();
        }
        let endpoint = Endpoint { list: Arc::new(list), role, detail: detail.map(ToOwned::to_owned) };
        let mail_from = match from {
            "<>" => listgate_lmtp::ReversePath::Null,
            from => listgate_lmtp::ReversePath::Mailbox(from.parse().unwrap()),
        };
        let envelope = Envelope {
            mail_from,
            peer: "127.0.0.1:1".to_owned(),
            lhlo: "client.example".to_owned(),
            transport: "LMTP",
            received_at: SystemTime::now(),
        };
        let delivery = Delivery {
            key: DeliveryKey { gate: 1, n: self.deliveries.fetch_add(1, Ordering::Relaxed) },
            envelope,
            message: incoming.finish().await.unwrap(),
            to: vec![Addressed { recipient: LIST.to_owned(), endpoint }],
            as_of: None,
            begun: None,
        };
        (&*self.backend as &dyn Backend).put(delivery).await.unwrap();
    }

    /// Stores a post whose envelope sender is its author.
    pub(super) async fn post(&self, from: &str, message: &str) {
        self.put(Role::Post, None, from, message.as_bytes()).await;
    }

    /// Decides about everything that waits.
    pub(super) async fn decide(&self) {
        for queue in QUEUES {
            let (_stop, requested) = watch::channel(Stop::default());
            let plan = Plan { drain: true, ..plan(queue) };
            let decider = Decider(Arc::clone(&self.context));
            Worker::new(self.store.clone(), decider, plan, requested).run().await.unwrap();
        }
    }

    /// Returns the rows of a query, each with its columns separated by `|`.
    pub(super) fn rows(&self, sql: &str) -> Vec<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(self.data.database(), flags).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(octets) => String::from_utf8_lossy(&octets).into_owned(),
            rusqlite::types::Value::Real(number) => number.to_string(),
        };
        let rows = statement.query_map([], |row| {
            let all: Result<Vec<String>, _> = (0..columns).map(|n| row.get(n).map(text)).collect();
            Ok(all?.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Changes rows without the engine's knowledge.
    pub(super) fn execute(&self, sql: &str, number: usize) {
        let connection = Connection::open(self.data.database()).unwrap();
        connection.execute(sql, [number]).unwrap();
    }

    /// Returns the outcomes and reasons that were recorded, oldest first.
    pub(super) fn decisions(&self) -> Vec<String> {
        self.rows("SELECT outcome || ' ' || reasons FROM decision ORDER BY decided_at, rowid")
    }

    /// Returns the number of rows of a table.
    pub(super) fn count(&self, table: &str) -> String {
        self.rows(&format!("SELECT count(*) FROM {table}")).remove(0)
    }

    /// Returns all metrics.
    pub(super) fn metrics(&self) -> String {
        self.metrics.render(&[], None, 0)
    }
}

pub(super) fn settings() -> EngineSettings {
    EngineSettings {
        site_owner: Some("site@example.org".to_owned()),
        postmaster: Some("Post.Master@example.org".parse().unwrap()),
        mask_addresses: false,
        authserv_id: None,
    }
}

impl Around for Watched {
    fn store(&self) -> &dyn EngineStore {
        &*self.store
    }

    fn around_read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        Answer::of(async move {
            let read = self.store.read(message, offset, length).await?;
            self.octets.fetch_add(read.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
            Ok(read)
        })
    }

    fn around_step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        Answer::of(async move {
            let stepped = self.store.step(steps).await?;
            let outdated = stepped.iter().filter(|step| matches!(step, Err(NotStepped::Outdated)));
            self.outdated.fetch_add(outdated.count() as u64, Ordering::Relaxed);
            Ok(stepped)
        })
    }

    fn around_standing<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
    ) -> Answer<'a, Vec<Member>> {
        assert_ne!(address.key(), PANICS, "injected by a test");
        self.store.standing(list, address)
    }
}

/// Waits until the condition holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), StoreError> {
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
