//! The backends that the suite runs on. Each check gets a new one.

use super::{Rig, TestClock};
use crate::backends::mailman::{self, Mailman};
use crate::backends::memory::Memory;
use crate::backends::sqlite::{self, DataDir, DataError, Sqlite};
use crate::backends::{Backend, KeyAdmin, ListAdmin, Members};
use crate::message::Spool;
use crate::model::{Clock, Redelivery};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits until the condition holds.
pub(super) async fn until<F: Future<Output = bool>>(mut so: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < end, "not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn open_sqlite(data: &DataDir, clock: Clock) -> Result<Arc<Sqlite>, DataError> {
    let choices =
        sqlite::Choices { redelivery: Redelivery::Suppress, owner: "o@example.com".to_owned(), clock };
    Ok(Arc::new(Sqlite::open(data, choices, &Arc::default())?))
}

pub(super) fn sqlite() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let rig = sqlite_at(dir.path()).unwrap();
    Rig { dir: Some(dir), ..rig }
}

/// Makes a rig in a directory that outlives it.
pub(super) fn sqlite_at(dir: &Path) -> Result<Rig, DataError> {
    sqlite_with(dir, TestClock::default())
}

fn sqlite_with(dir: &Path, clock: TestClock) -> Result<Rig, DataError> {
    let data = DataDir::new(dir);
    let backend = open_sqlite(&data, clock.clock())?;
    let (created, removed) = (data.clone(), data.clone());
    let create = move |address: &str| {
        let console = sqlite::Console::open(&created).unwrap();
        pollster::block_on(console.create(&[address.parse().unwrap()], &[])).unwrap();
    };
    let remove = move |address: &str| {
        let console = sqlite::Console::open(&removed).unwrap();
        pollster::block_on(console.remove_list(&address.parse().unwrap())).unwrap();
    };
    let (dir, again) = (dir.to_owned(), clock.clone());
    let console = Arc::new(sqlite::Console::open_with_clock(&data, clock.clock())?);
    Ok(Rig {
        leases: Arc::clone(&backend).leases(),
        engine: Arc::clone(&backend).engine().unwrap(),
        browse: Some(Box::new(sqlite::Console::open(&data)?)),
        members: Some(Arc::clone(&console) as Arc<dyn Members>),
        keys: Some(console),
        backend,
        create: Box::new(create),
        remove: Box::new(remove),
        reopen: Box::new(move || sqlite_with(&dir, again).unwrap()),
        remembers: true,
        keeps_spooled_files: true,
        clock,
        spool: Spool::new(&data.spool()),
        spool_dir: data.spool(),
        dir: None,
    })
}

/// Makes a rig whose consumer works the queues as if from another process than the gate's.
pub(super) fn sqlite_consumer() -> Rig {
    let rig = sqlite();
    let data = DataDir::new(rig.dir.as_ref().unwrap().path());
    let consumer = sqlite::Consumer::open(&data, rig.clock.clock()).unwrap();
    Rig { leases: Some(Arc::new(consumer)), ..rig }
}

pub(super) fn memory() -> Rig {
    memory_with_trouble().0
}

pub(super) fn memory_with_trouble() -> (Rig, Arc<Memory>) {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let memory = Arc::new(Memory::new(clock.clock()));
    let rig = memory_at(dir.path(), clock, &memory);
    (Rig { dir: Some(dir), ..rig }, memory)
}

fn memory_at(dir: &Path, clock: TestClock, memory: &Arc<Memory>) -> Rig {
    let (created, removed, kept) = (Arc::clone(memory), Arc::clone(memory), Arc::clone(memory));
    let (spool_dir, again) = (dir.to_owned(), clock.clone());
    let reopen = move || {
        kept.recover();
        memory_at(&spool_dir, again, &kept)
    };
    Rig {
        leases: Arc::clone(memory).leases(),
        engine: Arc::clone(memory).engine().unwrap(),
        backend: Arc::clone(memory) as Arc<dyn Backend>,
        browse: None,
        members: Some(Arc::clone(memory) as Arc<dyn Members>),
        keys: Some(Arc::clone(memory) as Arc<dyn KeyAdmin>),
        create: Box::new(move |address| created.create(address)),
        remove: Box::new(move |address| removed.remove(address)),
        reopen: Box::new(reopen),
        remembers: true,
        keeps_spooled_files: false,
        clock,
        spool: Spool::new(dir),
        spool_dir: dir.to_owned(),
        dir: None,
    }
}

/// Makes a site without Mailman's programs: its directories, and its database in SQLite.
pub(super) fn mailman() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let cfg = dir.path().join("mailman.cfg");
    fs::write(&cfg, format!("[paths.here]\nvar_dir: {}\n", dir.path().display())).unwrap();
    let site = mailman::cfg::Site::read(Some(&cfg)).unwrap();
    site.queues.iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
    let mailman::database::Database::Sqlite(database) = site.database.clone() else {
        panic!("it is the default")
    };
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    Connection::open(&database).unwrap().execute_batch(TABLES).unwrap();
    let spool_dir = mailman::spool(&site);
    let backend: Arc<dyn Backend> = Arc::new(Mailman::open(&site, 0, &Arc::default()).unwrap());
    Rig {
        leases: Arc::clone(&backend).leases(),
        engine: None,
        browse: Some(Box::new(mailman::Console::open(&site).unwrap())),
        members: None,
        keys: None,
        backend,
        create: Box::new(move |address| create_mailmans(&database, address)),
        remove: Box::new(|_| panic!("lists are Mailman's")),
        reopen: Box::new(|| panic!("no check reopens a site")),
        remembers: false,
        keeps_spooled_files: false,
        clock: TestClock::default(),
        spool: Spool::new(&spool_dir),
        spool_dir,
        dir: Some(dir),
    }
}

/// The part of Mailman's tables that a gate reads.
const TABLES: &str = "
    CREATE TABLE mailinglist (id INTEGER PRIMARY KEY, list_name VARCHAR, mail_host VARCHAR, list_id VARCHAR);
    CREATE TABLE domain (id INTEGER PRIMARY KEY, mail_host VARCHAR UNIQUE, alias_domain VARCHAR);";

fn create_mailmans(database: &Path, address: &str) {
    let (local, domain) = address.split_once('@').unwrap();
    let connection = Connection::open(database).unwrap();
    connection.execute("INSERT OR IGNORE INTO domain (mail_host) VALUES (?1)", [domain]).unwrap();
    let list = [local, domain, &format!("{local}.{domain}")];
    let sql = "INSERT INTO mailinglist (list_name, mail_host, list_id) VALUES (?1, ?2, ?3)";
    connection.execute(sql, list).unwrap();
}
