//! A data directory as commands use it, whether or not a gate serves it. Each write is a short transaction of its
//! own.

use super::connection::write;
use super::data_dir::{DataDir, DataError};
use super::errors::failed;
use super::{connection, list_settings, lists, members, msgdata, queues, site_keys};
use crate::backends::addresses::Rooms;
use crate::backends::answer::{Answer, at_once};
use crate::backends::backend;
use crate::backends::browse::{BrowseStore, EachEntry, Wanted};
use crate::backends::key_admin::KeyAdmin;
use crate::backends::list_admin::ListAdmin;
use crate::backends::members::Members;
use crate::backends::post_admin::PostAdmin;
use crate::backends::registry::Registry;
use crate::file_error::During;
use crate::limits;
use crate::model::{
    Arrival, Ban, BanPattern, Change, ChangeError, Changes, Clock, Depth, Domain, Endpoint, Entry,
    EntryError, EntryId, Id, Joined, List, ListAddress, ListChange, ListFacts, ListSettings, ListState,
    Member, MemberAddress, MemberChange, MemberError, MemberRole, MessageId, Msgdata, Name, Names, NewMember,
    Rotation, Seq, SiteKey, Space, StoreError, milliseconds,
};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub(crate) struct Console {
    connection: Mutex<Connection>,
    /// Pages in the write-ahead log after the last commit, as SQLite reports them to its hook.
    wal_pages: Arc<AtomicU32>,
    data: DataDir,
    clock: Clock,
}

impl Console {
    /// Opens an existing data directory; a misspelt one is not created.
    pub(crate) fn open(data: &DataDir) -> Result<Self, DataError> {
        Self::new(data.open()?, data)
    }

    /// Opens a data directory and creates what is missing.
    pub(crate) fn open_or_create(data: &DataDir) -> Result<Self, DataError> {
        Self::new(data.open_or_create()?, data)
    }

    /// Opens an existing data directory, with a clock of the caller.
    #[cfg(test)]
    pub(crate) fn open_with_clock(data: &DataDir, clock: Clock) -> Result<Self, DataError> {
        Ok(Self { clock, ..Self::open(data)? })
    }

    fn new(mut connection: Connection, data: &DataDir) -> Result<Self, DataError> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            shared.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(DataError::database("watch the log"))?;
        let connection = Mutex::new(connection);
        Ok(Self { connection, wal_pages, data: data.clone(), clock: Clock::default() })
    }

    /// Copies the log into the database if it is long, because a gate may not be there to do it.
    fn checkpoint(&self) -> Result<(), StoreError> {
        if self.wal_pages.load(Ordering::Relaxed) < limits::CONSUMER_CHECKPOINT_PAGES {
            return Ok(());
        }
        self.wal_pages.store(0, Ordering::Relaxed);
        connection::copy_log(&self.connection()).map_err(failed("checkpoint"))
    }

    /// Locks the connection. A transaction that a panic interrupted has been rolled back.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current time in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.milliseconds()
    }

    /// Returns the directory of large messages.
    pub(super) fn spool(&self) -> PathBuf {
        self.data.spool()
    }

    pub(super) fn query<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Answer<'a, T> {
        at_once(query(&self.connection()).map_err(failed(operation)))
    }

    fn look_at_space(&self) -> Result<Space, StoreError> {
        let unused = self
            .connection()
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .map_err(failed("count the free pages"))?;
        let space = self.data.space(unused);
        Ok(space.during("ask for the free space of", self.data.path())?)
    }
}

impl Rooms for Console {
    fn depth(&self, queue: Name, _age: Duration) -> Answer<'_, Depth> {
        at_once(queues::depth(&self.connection(), queue).map_err(failed("look how full the queue is")))
    }

    fn space(&self) -> Answer<'_, Space> {
        at_once(self.look_at_space())
    }
}

/// Converts ids to those of this backend. The id of a file is reported as missing.
fn own(ids: &[Id]) -> Result<Vec<EntryId>, EntryError> {
    ids.iter().map(own_id).collect()
}

fn own_id(id: &Id) -> Result<EntryId, EntryError> {
    match id {
        Id::Entry(id) => Ok(*id),
        Id::File(_) => Err(EntryError::Missing(id.clone())),
    }
}

impl Registry for Console {
    fn changes(&self, _asked_at: Instant) -> Answer<'_, Option<Changes>> {
        self.query("look whether lists have changed", |connection| lists::changes(connection).map(Some))
    }

    fn find<'a>(&'a self, names: &'a Names, _asked_at: Instant) -> Answer<'a, Option<Arc<List>>> {
        self.query("look up the list", |connection| Ok(lists::find(connection, names)?.map(Arc::new)))
    }

    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool> {
        self.query("look up the domain", |connection| lists::serves(connection, domain))
    }

    fn domains(&self) -> Answer<'_, Vec<String>> {
        self.query("look up the domains", |connection| {
            Ok(lists::domains(connection)?.into_iter().map(|domain| domain.name).collect())
        })
    }

    fn count_lists(&self) -> Answer<'_, u64> {
        self.query("count the lists", lists::count)
    }
}

impl ListAdmin for Console {
    fn create<'a>(
        &'a self,
        addresses: &'a [ListAddress],
        owners: &'a [NewMember],
    ) -> Answer<'a, (), ChangeError> {
        at_once(lists::create(&mut self.connection(), addresses, owners, self.clock.milliseconds()))
    }

    fn remove_list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, u64, ChangeError> {
        at_once(lists::remove(&mut self.connection(), address))
    }

    fn rename<'a>(&'a self, from: &'a ListAddress, to: &'a ListAddress) -> Answer<'a, List, ChangeError> {
        at_once(lists::rename(&mut self.connection(), from, to))
    }

    fn set_state<'a>(&'a self, address: &'a ListAddress, state: ListState) -> Answer<'a, (), ChangeError> {
        at_once(lists::set_state(&mut self.connection(), address, state))
    }

    fn set_max_size<'a>(
        &'a self,
        address: &'a ListAddress,
        max_size: Option<u64>,
    ) -> Answer<'a, (), ChangeError> {
        at_once(lists::set_max_size(&mut self.connection(), address, max_size))
    }

    fn settings<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, ListSettings, ChangeError> {
        at_once(list_settings::read(&self.connection(), address))
    }

    fn set_settings<'a>(
        &'a self,
        address: &'a ListAddress,
        changes: &'a [ListChange],
    ) -> Answer<'a, ListSettings, ChangeError> {
        at_once(list_settings::change(&mut self.connection(), address, changes))
    }

    fn list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, Option<(List, ListFacts)>> {
        self.query("look up the list", |connection| {
            let Some(list) = lists::exact(connection, address)? else { return Ok(None) };
            let facts = lists::facts(connection, &list)?;
            Ok(Some((list, facts)))
        })
    }

    fn lists(&self) -> Answer<'_, Vec<List>> {
        self.query("read the lists", lists::all)
    }

    fn add_domain<'a>(&'a self, name: &'a str, alias_of: Option<&'a str>) -> Answer<'a, bool, ChangeError> {
        at_once(lists::add_domain(&mut self.connection(), name, alias_of))
    }

    fn remove_domain<'a>(&'a self, name: &'a str) -> Answer<'a, (), ChangeError> {
        at_once(lists::remove_domain(&mut self.connection(), name))
    }

    fn list_domains(&self) -> Answer<'_, Vec<Domain>> {
        self.query("read the domains", lists::domains)
    }
}

impl backend::Console for Console {
    fn members(&self) -> Option<&dyn Members> {
        Some(self)
    }

    fn posts(&self) -> Option<&dyn PostAdmin> {
        Some(self)
    }

    fn key_admin(&self) -> Option<&dyn KeyAdmin> {
        Some(self)
    }
}

impl KeyAdmin for Console {
    fn site_keys(&self) -> Answer<'_, Vec<SiteKey>> {
        self.query("read the keys", site_keys::all)
    }

    fn memberships_before(&self, time: SystemTime) -> Answer<'_, u64> {
        self.query("count the members", |connection| members::joined_before(connection, milliseconds(time)))
    }

    fn rotate_keys<'a>(&'a self, rotation: &'a Rotation) -> Answer<'a, bool> {
        let now = self.now();
        at_once(write(&mut self.connection(), "change the key that signs", |connection| {
            site_keys::rotate(connection, rotation, now).map(Ok)
        }))
    }
}

impl Members for Console {
    fn add<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        new: &'a [NewMember],
    ) -> Answer<'a, Vec<Joined>, MemberError> {
        let now = self.clock.milliseconds();
        let added = members::add(&mut self.connection(), list_id, role, new, now);
        at_once(added.and_then(|added| {
            self.checkpoint()?;
            Ok(added)
        }))
    }

    fn remove<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        addresses: &'a [MemberAddress],
    ) -> Answer<'a, (), MemberError> {
        at_once(members::remove(&mut self.connection(), list_id, role, addresses))
    }

    fn roles_of<'a>(
        &'a self,
        list_id: &'a str,
        address: &'a MemberAddress,
    ) -> Answer<'a, Vec<Member>, MemberError> {
        let found = members::roles_of(&self.connection(), list_id, address);
        at_once(found.map_err(failed("look up the member")).map_err(MemberError::from).flatten())
    }

    fn members_after<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        after: Seq,
        most: usize,
    ) -> Answer<'a, Vec<Member>, MemberError> {
        let found = members::after(&self.connection(), list_id, role, after, most);
        at_once(found.map_err(failed("read the members")).map_err(MemberError::from).flatten())
    }

    fn change<'a>(
        &'a self,
        member: &'a Member,
        changes: &'a [MemberChange],
    ) -> Answer<'a, Member, MemberError> {
        at_once(members::change(&mut self.connection(), member, changes, self.clock.milliseconds()))
    }

    fn ban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, Vec<bool>, MemberError> {
        at_once(members::ban(&mut self.connection(), list_id, patterns, self.clock.milliseconds()))
    }

    fn unban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, (), MemberError> {
        at_once(members::unban(&mut self.connection(), list_id, patterns))
    }

    fn bans<'a>(&'a self, list_id: Option<&'a str>) -> Answer<'a, Vec<Ban>, MemberError> {
        let found = members::bans(&self.connection(), list_id);
        at_once(found.map_err(failed("read the bans")).map_err(MemberError::from).flatten())
    }
}

impl BrowseStore for Console {
    fn each_entry<'a>(&'a self, wanted: &'a Wanted, each: EachEntry<'a>) -> Answer<'a, ()> {
        at_once(queues::each_entry(&self.connection(), wanted, self.clock.milliseconds(), each))
    }

    fn each_arrival<'a>(
        &'a self,
        queue: Name,
        each: &'a mut (dyn FnMut(Arrival<'_>) + Send),
    ) -> Answer<'a, ()> {
        self.query("read the queue", |connection| queues::each_arrival(connection, queue, each))
    }

    fn entry<'a>(&'a self, id: &'a Id) -> Answer<'a, Entry, EntryError> {
        let found = own_id(id).and_then(|own| {
            let now = self.clock.milliseconds();
            let entry = queues::entry(&self.connection(), own, now).map_err(failed("read the entry"))?;
            entry.ok_or_else(|| EntryError::Missing(id.clone()))
        });
        at_once(found)
    }

    fn read<'a>(&'a self, id: &'a Id, offset: u64, length: usize) -> Answer<'a, Vec<u8>, EntryError> {
        let found = own_id(id).and_then(|own| {
            let spool = self.data.spool();
            let octets = queues::read(&self.connection(), &spool, MessageId(own.delivery), offset, length)?;
            octets.ok_or_else(|| EntryError::Missing(id.clone()))
        });
        at_once(found)
    }

    fn remove<'a>(&'a self, ids: &'a [Id]) -> Answer<'a, (), EntryError> {
        at_once(
            own(ids).and_then(|ids| queues::remove(&mut self.connection(), &ids, self.clock.milliseconds())),
        )
    }

    fn change<'a>(&'a self, ids: &'a [Id], change: Change) -> Answer<'a, (), EntryError> {
        at_once(
            own(ids).and_then(|ids| {
                queues::change(&mut self.connection(), &ids, change, self.clock.milliseconds())
            }),
        )
    }

    fn msgdata(&self, endpoint: &Endpoint, owner: &str) -> Msgdata {
        serde_json::from_str(&msgdata::json(endpoint, 0, owner)).expect("it is an object")
    }
}
