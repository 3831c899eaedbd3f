//! A backend in memory, for tests. It behaves as a distant database does: each call yields before it answers,
//! some say that the database is away, an answer may be lost after its commit, and depths are old.

use super::answer::Answer;
use super::delivery::{Delivery, NotStored};
use super::intake_store::IntakeStore;
use super::queued::Queued;
use super::registry::Registry;
use crate::message::{Body, Style};
use crate::model::{
    Again, Changes, DeliveryKey, Depth, EntryId, Id, List, ListAddress, ListState, Name, Names, QueueNow,
    Space, StoreError, StoreErrorKind,
};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What goes wrong with the next calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The database answers nothing, and has done nothing.
    Away,
    /// What was asked is done, and its answer is lost.
    LosesItsAnswer,
    /// The backend has a bug.
    Panics,
}

#[derive(Default)]
struct Tables {
    lists: BTreeMap<(String, String), Arc<List>>,
    changes: i64,
    deliveries: BTreeMap<i64, Vec<u8>>,
    keys: HashMap<DeliveryKey, Vec<EntryId>>,
    entries: BTreeMap<(i64, i64), Name>,
    last_id: i64,
    /// The depths that were asked for, and when.
    depths: HashMap<Name, (Instant, Depth)>,
    trouble: Vec<Trouble>,
}

pub(crate) struct Memory {
    tables: Mutex<Tables>,
    given_up: watch::Sender<bool>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { tables: Mutex::default(), given_up: watch::Sender::new(false) }
    }
}

impl Memory {
    pub(crate) fn create(&self, address: &str) {
        let address: ListAddress = address.parse().expect("the test's address is one");
        let list = List {
            list_id: address.list_id(),
            state: ListState::Open,
            max_size: None,
            address: address.clone(),
        };
        let mut tables = self.tables();
        tables.lists.insert((address.domain, address.local), Arc::new(list));
        tables.changes += 1;
    }

    /// The next calls that change or look at anything meet these troubles, one each, the last one first.
    pub(crate) fn expect(&self, trouble: impl IntoIterator<Item = Trouble>) {
        self.tables().trouble.extend(trouble);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no test panics within the tables")
    }

    /// Yields, meets what trouble there is, and asks.
    fn ask<'a, T: Send + 'a, E: From<StoreError> + Send + 'a>(
        &'a self,
        operation: &'static str,
        ask: impl FnOnce(&mut Tables) -> Result<T, E> + Send + 'a,
    ) -> Answer<'a, T, E> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let away = || E::from(StoreError::database(StoreErrorKind::Database, operation, "it is away"));
            let trouble = self.tables().trouble.pop();
            assert_ne!(trouble, Some(Trouble::Panics), "injected by a test");
            if trouble == Some(Trouble::Away) {
                return Err(away());
            }
            let answer = ask(&mut self.tables());
            if trouble == Some(Trouble::LosesItsAnswer) { Err(away()) } else { answer }
        })
    }
}

impl Tables {
    fn find(&self, names: &Names) -> Option<Arc<List>> {
        let named = |local: &String| self.lists.get(&(names.domain.clone(), local.clone())).cloned();
        named(&names.whole).or_else(|| named(names.base.as_ref()?))
    }

    fn put(&mut self, delivery: Delivery) -> Result<Vec<Queued>, NotStored> {
        if let Some(ids) = self.keys.get(&delivery.key) {
            return Ok(promise(ids));
        }
        if delivery.as_of.is_some_and(|as_of| as_of != Changes(self.changes)) {
            return Err(NotStored::Changed(Box::new(delivery)));
        }
        let body = match delivery.message.body {
            Body::Memory(octets) => octets,
            Body::Spooled(spooled) => {
                fs::read(spooled.path()).map_err(|why| StoreError::file("read", spooled.path(), why))?
            }
        };
        self.last_id += 1;
        let mut ids: Vec<EntryId> = Vec::new();
        let mut endpoints = Vec::new();
        for addressed in &delivery.to {
            let endpoint = &addressed.endpoint;
            if let Some(at) = endpoints.iter().position(|other| *other == endpoint) {
                ids.push(ids[at]);
                endpoints.push(endpoint);
                continue;
            }
            let n = 1 + i64::try_from(ids.len()).expect("a test has few recipients");
            self.entries.insert((self.last_id, n), endpoint.role.queue());
            ids.push(EntryId { delivery: self.last_id, n });
            endpoints.push(endpoint);
        }
        self.deliveries.insert(self.last_id, body);
        let queued = promise(&ids);
        self.keys.insert(delivery.key, ids);
        Ok(queued)
    }

    fn depth(&self, queue: Name) -> Depth {
        let in_it = self.entries.iter().filter(|(_, of)| **of == queue);
        let octets = in_it.clone().map(|((delivery, _), _)| self.deliveries[delivery].len() as u64).sum();
        Depth { entries: in_it.count() as u64, octets }
    }

    /// As old as it may be.
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
}

fn promise(ids: &[EntryId]) -> Vec<Queued> {
    ids.iter().map(|id| Queued::new(Id::Entry(*id), Again::No)).collect()
}

impl Registry for Memory {
    fn changes(&self, _asked: Instant) -> Answer<'_, Option<Changes>> {
        self.ask("look whether lists have changed", |tables| Ok(Some(Changes(tables.changes))))
    }

    fn find<'a>(&'a self, names: &'a Names, _asked: Instant) -> Answer<'a, Option<Arc<List>>> {
        self.ask("look up the list", |tables| Ok(tables.find(names)))
    }

    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.ask("look up the domain", move |tables| Ok(tables.lists.keys().any(|(name, _)| name == domain)))
    }

    fn domains(&self) -> Answer<'_, Vec<String>> {
        self.ask("look up the domains", |tables| {
            let mut domains: Vec<String> = tables.lists.keys().map(|(domain, _)| domain.clone()).collect();
            domains.dedup();
            Ok(domains)
        })
    }

    fn count_lists(&self) -> Answer<'_, u64> {
        self.ask("count the lists", |tables| Ok(tables.lists.len() as u64))
    }
}

impl IntakeStore for Memory {
    fn put(&self, delivery: Delivery) -> Answer<'_, Vec<Queued>, NotStored> {
        self.ask("store the mail", |tables| tables.put(delivery))
    }

    fn depth(&self, queue: Name, age: Duration) -> Answer<'_, Depth> {
        self.ask("look how full the queue is", move |tables| Ok(tables.depth_within(queue, age)))
    }

    fn space(&self) -> Answer<'_, Space> {
        self.ask("ask for the free space", |_| Ok(Space { free: 1 << 40, unused: 0, inodes: None }))
    }

    fn backlog(&self) -> Answer<'_, Vec<QueueNow>> {
        self.ask("look at the queues", |tables| {
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

    fn give_up(&self, _why: &StoreError) {
        self.given_up.send_replace(true);
    }

    fn given_up(&self) -> watch::Receiver<bool> {
        self.given_up.subscribe()
    }
}
