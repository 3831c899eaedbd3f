//! The short aliases of lists with long names, in the embedded backend.

use crate::limits;
use crate::model::{ListAddress, Role, alias_in, aliases};
use rusqlite::{Connection, OptionalExtension, params};

/// Gives aliases to the lists with long names that have none. A migration does this once: after it, only a list that is
/// created or renamed needs one. SQL alone could not shorten a name.
pub(super) fn give_to_long_names(connection: &Connection) -> rusqlite::Result<()> {
    let long = "SELECT local, domain, list_id FROM list WHERE octet_length(local) > ?1 AND alias IS NULL";
    let mut long = connection.prepare(long)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok((ListAddress { local: row.get(0)?, domain: row.get(1)? }, row.get::<_, String>(2)?))
    };
    let long: Vec<_> = long.query_map([limits::LIST_NAME], read)?.collect::<Result<_, _>>()?;
    for (address, list_id) in long {
        let alias = free(connection, &address, &list_id)?;
        let sql = "UPDATE list SET alias = ?2 WHERE list_id = ?1";
        connection.prepare_cached(sql)?.execute(params![list_id, alias])?;
    }
    Ok(())
}

/// Returns the best alias for a list with this address that nothing in its domain stands in the way of.
pub(super) fn free(
    connection: &Connection,
    address: &ListAddress,
    list_id: &str,
) -> rusqlite::Result<String> {
    let sql = "SELECT list FROM roster WHERE list_id = ?1";
    let number = connection.prepare_cached(sql)?.query_row([list_id], |row| row.get(0))?;
    for alias in aliases(&address.local, number) {
        if is_free(connection, &address.domain, &alias)? {
            return Ok(alias);
        }
    }
    unreachable!("the iterator is endless, and the lists of a domain are not")
}

/// Returns whether no list has this alias, or one of its sub-addresses, as its name.
pub(super) fn is_free(connection: &Connection, domain: &str, alias: &str) -> rusqlite::Result<bool> {
    let mut named = connection.prepare_cached("SELECT 1 FROM list WHERE domain = ?1 AND local = ?2")?;
    let sub_addresses = Role::SUBADDRESSES.iter().map(|(suffix, _)| format!("{alias}-{suffix}"));
    for local in std::iter::once(alias.to_owned()).chain(sub_addresses) {
        if named.exists([domain, &local])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the list that has this address as its alias or as a sub-address of that, if one does.
pub(super) fn holder(
    connection: &Connection,
    address: &ListAddress,
) -> rusqlite::Result<Option<ListAddress>> {
    let Some(alias) = alias_in(&address.local) else { return Ok(None) };
    let sql = "SELECT local, domain FROM list WHERE domain = ?1 AND alias = ?2";
    let read = |row: &rusqlite::Row<'_>| Ok(ListAddress { local: row.get(0)?, domain: row.get(1)? });
    connection.prepare_cached(sql)?.query_row([&address.domain, alias], read).optional()
}
