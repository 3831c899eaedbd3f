//! The lists of the embedded backend.

use super::connection::write;
use super::{list_aliases, members};
use crate::limits;
use crate::model::Names;
use crate::model::{ChangeError, Domain, ListFacts, time_at};
use crate::model::{Changes, List, ListAddress, ListState, NewMember, alias_in};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::Type};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

fn read_list(row: &Row<'_>) -> rusqlite::Result<List> {
    let address = ListAddress { local: row.get(0)?, domain: row.get(1)? };
    let state = ListState::from_name(row.get_ref(3)?.as_str()?).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(3, Type::Text, "no state of a list".into())
    })?;
    Ok(List { address, list_id: row.get(2)?, state, max_size: row.get(4)?, alias: row.get(5)? })
}

/// Returns the list that answers for `names`. An alias domain is replaced by its main domain, and the whole name is
/// tried before the base name. The query consists only of index lookups of single values: `IN` and `ORDER BY` would
/// build a table for each query, at five times the cost. The alias of a list is looked up only for a name that has the
/// form of one.
pub(crate) fn find(connection: &Connection, names: &Names) -> rusqlite::Result<Option<List>> {
    let mut statement = connection.prepare_cached(
        "SELECT local, domain, list_id, state, max_size, alias FROM list
         WHERE domain = coalesce((SELECT alias_of FROM domain WHERE name = ?1), ?1)
           AND local = coalesce((SELECT whole.local FROM list whole
                                 WHERE whole.domain = coalesce((SELECT alias_of FROM domain WHERE name = ?1), ?1)
                                   AND whole.local = ?2), ?3)",
    )?;
    let named = statement.query_row(params![names.domain, names.whole, names.base], read_list).optional()?;
    let alias = alias_in(&names.whole).filter(|_| named.is_none());
    match alias {
        Some(alias) => by_alias(connection, &names.domain, alias),
        None => Ok(named),
    }
}

fn by_alias(connection: &Connection, domain: &str, alias: &str) -> rusqlite::Result<Option<List>> {
    let mut statement = connection.prepare_cached(
        "SELECT local, domain, list_id, state, max_size, alias FROM list
         WHERE domain = coalesce((SELECT alias_of FROM domain WHERE name = ?1), ?1) AND alias = ?2",
    )?;
    statement.query_row([domain, alias], read_list).optional()
}

/// Returns how often lists and domains have changed. This reads one row, however many lists there are.
pub(super) fn changes(connection: &Connection) -> rusqlite::Result<Changes> {
    let mut counted = connection.prepare_cached("SELECT n FROM lists_version")?;
    counted.query_row([], |row| row.get(0).map(Changes))
}

/// Answers given earlier, and the count of changes at which they are valid. The count is read after a question is
/// asked, once for all questions asked before the read, so no answer is older than its question.
#[derive(Default)]
pub(super) struct Known {
    changes: Changes,
    /// A time just before the count was read.
    read: Option<Instant>,
    answers: HashMap<Names, Option<Arc<List>>>,
}

impl Known {
    /// Returns whether the count was read after `asked_at`.
    pub(super) fn is_read(&self, asked_at: Instant) -> bool {
        self.read.is_some_and(|read| read > asked_at)
    }

    /// Returns the count at a moment not before `asked_at`.
    pub(super) fn changes(
        &mut self,
        connection: &Connection,
        asked_at: Instant,
    ) -> rusqlite::Result<Changes> {
        if !self.is_read(asked_at) {
            let now = Instant::now();
            let changes = changes(connection)?;
            if self.changes != changes {
                self.answers.clear();
                self.changes = changes;
            }
            self.read = Some(now);
        }
        Ok(self.changes)
    }

    /// Returns what [`find`] would have returned at a moment not before `asked_at`.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        names: &Names,
        asked_at: Instant,
    ) -> rusqlite::Result<Option<Arc<List>>> {
        self.changes(connection, asked_at)?;
        if let Some(answer) = self.answers.get(names) {
            return Ok(answer.clone());
        }
        if self.answers.len() >= limits::KNOWN_NAMES {
            self.answers.clear();
        }
        // If lists have changed since the count was read, this answer is newer than the count, never older.
        let answer = find(connection, names)?.map(Arc::new);
        self.answers.insert(names.clone(), answer.clone());
        Ok(answer)
    }
}

/// Returns whether mail to a domain belongs to this site.
pub(crate) fn serves(connection: &Connection, domain: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM domain WHERE name = ?1")?;
    statement.exists([domain])
}

pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM list", [], |row| row.get(0))
}

fn refused<T>(why: ChangeError) -> rusqlite::Result<Result<T, ChangeError>> {
    Ok(Err(why))
}

/// Creates lists with these owners, all or none, and their domains. `now` is in milliseconds since 1970.
pub(crate) fn create(
    connection: &mut Connection,
    addresses: &[ListAddress],
    owners: &[NewMember],
    now: i64,
) -> Result<(), ChangeError> {
    write(connection, "create the list", |connection| {
        let mut named = HashSet::new();
        for address in addresses {
            if !named.insert((&address.domain, &address.local)) {
                return refused(ChangeError::NamedTwice(address.clone()));
            }
            let list_id = address.list_id();
            if exact(connection, address)?.is_some() {
                return refused(ChangeError::Exists(address.clone()));
            }
            if let Some(other) = by_list_id(connection, &list_id)? {
                let other = other.address;
                return refused(ChangeError::ListIdTaken { address: address.clone(), list_id, other });
            }
            if let Some(main) = alias_of(connection, &address.domain)? {
                return refused(ChangeError::InAliasDomain { address: address.clone(), main });
            }
            if let Some(other) = list_aliases::holder(connection, address)? {
                return refused(ChangeError::OfAlias { address: address.clone(), other });
            }
            connection
                .prepare_cached("INSERT OR IGNORE INTO domain (name) VALUES (?1)")?
                .execute([&address.domain])?;
            connection
                .prepare_cached(
                    "INSERT INTO list (domain, local, list_id, created_at) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![address.domain, address.local, list_id, now])?;
            if address.is_long() {
                let alias = list_aliases::free(connection, address, &list_id)?;
                connection
                    .prepare_cached("UPDATE list SET alias = ?2 WHERE list_id = ?1")?
                    .execute(params![list_id, alias])?;
            }
            members::add_owners(connection, &list_id, owners, now)?;
        }
        Ok(Ok(()))
    })
}

/// Removes a list and returns how many entries it has; they stay.
pub(crate) fn remove(connection: &mut Connection, address: &ListAddress) -> Result<u64, ChangeError> {
    write(connection, "remove the list", |connection| {
        let Some(list) = exact(connection, address)? else {
            return refused(ChangeError::NoList(address.clone()));
        };
        connection.execute("DELETE FROM list WHERE list_id = ?1", [&list.list_id])?;
        let waiting = "SELECT count(*) FROM entry WHERE list_id = ?1";
        Ok(Ok(connection.query_row(waiting, [&list.list_id], |row| row.get(0))?))
    })
}

/// Gives a list another address; its list_id stays the same.
pub(crate) fn rename(
    connection: &mut Connection,
    from: &ListAddress,
    to: &ListAddress,
) -> Result<List, ChangeError> {
    write(connection, "rename the list", |connection| {
        let Some(list) = exact(connection, from)? else {
            return refused(ChangeError::NoList(from.clone()));
        };
        if exact(connection, to)?.is_some() {
            return refused(ChangeError::Exists(to.clone()));
        }
        if let Some(main) = alias_of(connection, &to.domain)? {
            return refused(ChangeError::InAliasDomain { address: to.clone(), main });
        }
        if let Some(other) = list_aliases::holder(connection, to)? {
            return refused(ChangeError::OfAlias { address: to.clone(), other });
        }
        connection.execute("INSERT OR IGNORE INTO domain (name) VALUES (?1)", [&to.domain])?;
        let alias = alias_after_rename(connection, &list, to)?;
        connection.execute(
            "UPDATE list SET domain = ?1, local = ?2, alias = ?4 WHERE list_id = ?3",
            params![to.domain, to.local, list.list_id, alias],
        )?;
        Ok(Ok(List { address: to.clone(), alias, ..list }))
    })
}

/// Returns the alias of a list that gets another address. A list keeps its alias, because mail with tokens has been sent
/// from there, unless a list in the new domain has the name.
fn alias_after_rename(
    connection: &Connection,
    list: &List,
    to: &ListAddress,
) -> rusqlite::Result<Option<String>> {
    if let Some(alias) = &list.alias
        && list_aliases::is_free(connection, &to.domain, alias)?
    {
        return Ok(Some(alias.clone()));
    }
    to.is_long().then(|| list_aliases::free(connection, to, &list.list_id)).transpose()
}

/// Opens, pauses or closes a list.
pub(crate) fn set_state(
    connection: &mut Connection,
    address: &ListAddress,
    state: ListState,
) -> Result<(), ChangeError> {
    change(connection, address, "UPDATE list SET state = ?3 WHERE domain = ?1 AND local = ?2", state.as_str())
}

/// Sets the maximum size in octets of a message to a list; `None`: the gate's own maximum.
pub(crate) fn set_max_size(
    connection: &mut Connection,
    address: &ListAddress,
    max_size: Option<u64>,
) -> Result<(), ChangeError> {
    change(connection, address, "UPDATE list SET max_size = ?3 WHERE domain = ?1 AND local = ?2", max_size)
}

fn change(
    connection: &mut Connection,
    address: &ListAddress,
    sql: &str,
    value: impl ToSql,
) -> Result<(), ChangeError> {
    write(connection, "change the list", |connection| {
        match connection.execute(sql, params![address.domain, address.local, value])? {
            0 => refused(ChangeError::NoList(address.clone())),
            _ => Ok(Ok(())),
        }
    })
}

/// Returns the list with exactly this address.
pub(crate) fn exact(connection: &Connection, address: &ListAddress) -> rusqlite::Result<Option<List>> {
    let sql =
        "SELECT local, domain, list_id, state, max_size, alias FROM list WHERE domain = ?1 AND local = ?2";
    connection.prepare_cached(sql)?.query_row([&address.domain, &address.local], read_list).optional()
}

/// Returns the list with this list_id.
pub(super) fn by_list_id(connection: &Connection, list_id: &str) -> rusqlite::Result<Option<List>> {
    let sql = "SELECT local, domain, list_id, state, max_size, alias FROM list WHERE list_id = ?1";
    connection.prepare_cached(sql)?.query_row([list_id], read_list).optional()
}

fn alias_of(connection: &Connection, domain: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT alias_of FROM domain WHERE name = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([domain], |row| row.get(0)).optional()?.flatten())
}

/// Returns every list, ordered by address.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<List>> {
    let mut statement = connection
        .prepare("SELECT local, domain, list_id, state, max_size, alias FROM list ORDER BY domain, local")?;
    statement.query_map([], read_list)?.collect()
}

pub(super) fn facts(connection: &Connection, list: &List) -> rusqlite::Result<ListFacts> {
    connection.query_row(
        "SELECT created_at, (SELECT count(*) FROM entry WHERE entry.list_id = list.list_id)
         FROM list WHERE list_id = ?1",
        [&list.list_id],
        |row| {
            let members = members::counts(connection, &list.list_id)?;
            Ok(ListFacts { created_at: time_at(row.get(0)?), queued: row.get(1)?, members })
        },
    )
}

pub(crate) fn domains(connection: &Connection) -> rusqlite::Result<Vec<Domain>> {
    let mut statement = connection.prepare(
        "SELECT name, alias_of, (SELECT count(*) FROM list WHERE list.domain = domain.name)
         FROM domain ORDER BY name",
    )?;
    let read = |row: &Row<'_>| Ok(Domain { name: row.get(0)?, alias_of: row.get(1)?, lists: row.get(2)? });
    statement.query_map([], read)?.collect()
}

/// Adds a domain, or makes a domain without lists an alias of another. Returns whether that changed anything.
pub(crate) fn add_domain(
    connection: &mut Connection,
    name: &str,
    alias: Option<&str>,
) -> Result<bool, ChangeError> {
    let named = str::to_owned;
    write(connection, "add the domain", |connection| {
        if let Some(main) = alias {
            if main == name {
                return refused(ChangeError::AliasOfItself(named(name)));
            }
            if !serves(connection, main)? {
                return refused(ChangeError::NoMainDomain(named(main)));
            }
            if let Some(other) = alias_of(connection, main)? {
                return refused(ChangeError::AliasOfAlias { name: named(name), main: named(main), other });
            }
            if has_dependents(connection, name)? {
                return refused(ChangeError::AliasInUse(named(name)));
            }
        } else if let Some(main) = alias_of(connection, name)? {
            return refused(ChangeError::IsAlias { name: named(name), main });
        }
        let changed = connection.execute(
            "INSERT INTO domain (name, alias_of) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET alias_of = excluded.alias_of
             WHERE alias_of IS NOT excluded.alias_of",
            params![name, alias],
        )?;
        Ok(Ok(changed > 0))
    })
}

fn has_dependents(connection: &Connection, domain: &str) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT 1 FROM list WHERE domain = ?1 UNION ALL SELECT 1 FROM domain WHERE alias_of = ?1")?
        .exists([domain])
}

/// Removes a domain that has no lists and no aliases.
pub(crate) fn remove_domain(connection: &mut Connection, name: &str) -> Result<(), ChangeError> {
    write(connection, "remove the domain", |connection| {
        if has_dependents(connection, name)? {
            return refused(ChangeError::DomainInUse(name.to_owned()));
        }
        match connection.execute("DELETE FROM domain WHERE name = ?1", [name])? {
            0 => refused(ChangeError::NoDomain(name.to_owned())),
            _ => Ok(Ok(())),
        }
    })
}
