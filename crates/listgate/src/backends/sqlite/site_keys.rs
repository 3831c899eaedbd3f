//! The keys of the site, which sign tokens.

use listgate_engine::token::{KEYS, Key, KeyRing};
use rusqlite::{Connection, params};
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

/// Makes the first key, if there is none.
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
