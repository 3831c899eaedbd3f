//! The settings of lists in the embedded backend: rows of keys and values, for those that differ from the defaults.

use super::connection::write;
use super::errors::failed;
use crate::model::{ChangeError, ListAddress, ListChange, ListSettings};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// Returns the settings of the list with this address.
pub(super) fn read(connection: &Connection, address: &ListAddress) -> Result<ListSettings, ChangeError> {
    let stored = number(connection, address)
        .and_then(|list| list.map(|list| pairs(connection, list)).transpose())
        .map_err(failed("read the settings"))?;
    let stored = stored.ok_or_else(|| ChangeError::NoList(address.clone()))?;
    Ok(ListSettings::from_pairs(stored)?)
}

/// Changes settings of the list with this address, all or none. Rows of keys that this version does not know stay.
pub(super) fn change(
    connection: &mut Connection,
    address: &ListAddress,
    changes: &[ListChange],
) -> Result<ListSettings, ChangeError> {
    write(connection, "change the settings", |connection| {
        let Some(list) = number(connection, address)? else {
            return Ok(Err(ChangeError::NoList(address.clone())));
        };
        for ListChange { key, value } in changes {
            match value {
                Some(value) => connection
                    .prepare_cached(
                        "INSERT INTO list_setting (list, key, value) VALUES (?1, ?2, ?3)
                         ON CONFLICT (list, key) DO UPDATE SET value = excluded.value
                         WHERE value IS NOT excluded.value",
                    )?
                    .execute(params![list, key, value])?,
                None => connection
                    .prepare_cached("DELETE FROM list_setting WHERE list = ?1 AND key = ?2")?
                    .execute(params![list, key])?,
            };
        }
        // Values that do not fit together are refused, and the transaction changes nothing.
        Ok(ListSettings::from_pairs(pairs(connection, list)?).map_err(ChangeError::from))
    })
}

/// Returns the stored keys and values of a list, by its number.
fn pairs(connection: &Connection, list: i64) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM list_setting WHERE list = ?1")?;
    statement.query_map([list], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Returns the number of the list with this address.
fn number(connection: &Connection, address: &ListAddress) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT list FROM roster
               WHERE list_id = (SELECT list_id FROM list WHERE domain = ?1 AND local = ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([&address.domain, &address.local], |row| row.get(0)).optional()
}
