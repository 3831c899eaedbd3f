//! The keys of the site, which sign tokens.

use crate::model::{KeyNumber, Rotation, SiteKey, time_at};
use listgate_engine::token::{KEYS, Key, KeyRing};
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// Octets of a key.
const LENGTH: usize = 32;

/// Returns the keys that sign tokens. The gate makes the first one when it opens the database.
pub(super) fn ring(connection: &Connection) -> rusqlite::Result<KeyRing> {
    let sql = "SELECT serial, secret FROM token_key ORDER BY serial DESC LIMIT ?1";
    let mut keys = connection.prepare_cached(sql)?;
    let mut keys = keys
        .query_map([KEYS], |row| Ok((row.get::<_, u64>(0)?, Key::new(row.get(1)?))))?
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter();
    let (serial, newest) = keys.next().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let older = std::array::from_fn(|_| keys.next().map(|(_, key)| key));
    Ok(KeyRing::new(serial, newest, older))
}

/// Returns the keys whose tokens are valid, the one that signs first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<SiteKey>> {
    let sql = "SELECT serial, made_at FROM token_key ORDER BY serial DESC LIMIT ?1";
    let mut newer = None;
    let read = |row: &Row<'_>| {
        let made_at = time_at(row.get(1)?);
        Ok(SiteKey { number: KeyNumber(row.get(0)?), made_at, replaced_at: newer.replace(made_at) })
    };
    connection.prepare_cached(sql)?.query_map([KEYS], read)?.collect()
}

/// Makes a new key, which signs from now on, and removes those that the rotation does not keep. Returns whether it did: not
/// if another key signs than the rotation says.
pub(super) fn rotate(connection: &Connection, rotation: &Rotation, now: i64) -> rusqlite::Result<bool> {
    let newest = "SELECT serial FROM token_key ORDER BY serial DESC LIMIT 1";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0)).optional()?;
    if newest != Some(rotation.signing.0) {
        return Ok(false);
    }
    connection.execute("INSERT INTO token_key (secret, made_at) VALUES (?1, ?2)", params![secret()?, now])?;
    let others = "DELETE FROM token_key
                  WHERE serial NOT IN (SELECT serial FROM token_key ORDER BY serial DESC LIMIT ?1)";
    connection.execute(others, [rotation.kept + 1])?;
    Ok(true)
}

/// Makes the first key of a new database.
pub(super) fn make_first(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO token_key (secret, made_at)
               SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM token_key)";
    connection.execute(sql, params![secret()?, now])?;
    Ok(())
}

/// Returns octets for a key from the system's source of random numbers. SQLite's own random numbers would come from the
/// time of day where that source cannot be opened as a file.
fn secret() -> rusqlite::Result<[u8; LENGTH]> {
    let mut octets = [0; LENGTH];
    let got = retry_on_intr(|| getrandom(&mut octets, GetRandomFlags::empty()));
    match got {
        // So few octets come at once.
        Ok(LENGTH) => Ok(octets),
        Ok(_) => Err(no_random_octets(io::ErrorKind::UnexpectedEof.into())),
        Err(why) => Err(no_random_octets(why.into())),
    }
}

fn no_random_octets(why: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(why))
}
