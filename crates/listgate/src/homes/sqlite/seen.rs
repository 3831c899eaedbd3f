//! What came in the last days, to know it when it comes again.
//!
//! Fingerprints are random, so a table in their order would have another page written for each of
//! them: a fifth of the whole rate. What came last is therefore appended to a table without order, with
//! a copy here to look it up in, and goes into the ordered table many at a time.

use crate::limits;
use crate::queue::{EntryId, Fingerprint};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// What was taken by the last commit or before.
pub(super) struct Seen {
    /// Exactly what `seen_lately` has.
    lately: HashMap<Fingerprint, EntryId>,
    /// Up to where old rows were looked for.
    swept: [u8; 16],
}

impl Seen {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT fingerprint, delivery, n FROM seen_lately")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((Fingerprint(row.get(0)?), EntryId { delivery: row.get(1)?, n: row.get(2)? }))
        };
        let lately = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(Self { lately, swept: [0; 16] })
    }

    /// The entry that this mail was.
    pub(super) fn find(
        &self,
        connection: &Connection,
        fingerprint: Fingerprint,
    ) -> rusqlite::Result<Option<EntryId>> {
        if let Some(id) = self.lately.get(&fingerprint) {
            return Ok(Some(*id));
        }
        let mut seen = connection.prepare_cached("SELECT delivery, n FROM seen WHERE fingerprint = ?1")?;
        let read = |row: &rusqlite::Row<'_>| Ok(EntryId { delivery: row.get(0)?, n: row.get(1)? });
        seen.query_row([fingerprint.0], read).optional()
    }

    /// Takes up what a commit has made true.
    pub(super) fn extend(&mut self, committed: HashMap<Fingerprint, EntryId>) {
        self.lately.extend(committed);
    }

    /// Whether it is time to [`settle`](Self::settle) although mail waits.
    pub(super) fn is_full(&self) -> bool {
        self.lately.len() >= limits::SEEN_LATELY
    }

    /// Puts what came lately in order, and forgets some of what came before `cutoff` (milliseconds
    /// since 1970).
    pub(super) fn settle(&mut self, connection: &Connection, cutoff: i64) -> rusqlite::Result<()> {
        let end = self.sweep_to(connection)?;
        let old = "SELECT 1 FROM seen WHERE fingerprint > ?1 AND fingerprint <= ?2 AND at < ?3";
        if self.lately.is_empty()
            && !connection.prepare_cached(old)?.exists(params![self.swept, end, cutoff])?
        {
            self.swept = end;
            return Ok(());
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection
            .prepare_cached("DELETE FROM seen WHERE fingerprint > ?1 AND fingerprint <= ?2 AND at < ?3")?
            .execute(params![self.swept, end, cutoff])?;
        connection.execute_batch(
            "INSERT OR IGNORE INTO seen SELECT fingerprint, at, delivery, n FROM seen_lately ORDER BY fingerprint;
             DELETE FROM seen_lately;
             COMMIT",
        )?;
        self.lately.clear();
        self.swept = end;
        Ok(())
    }

    /// Where the next part of the table ends that is searched for old rows; at its end, its beginning.
    fn sweep_to(&mut self, connection: &Connection) -> rusqlite::Result<[u8; 16]> {
        if self.swept == [0xff; 16] {
            self.swept = [0; 16];
        }
        let sql =
            "SELECT fingerprint FROM seen WHERE fingerprint > ?1 ORDER BY fingerprint LIMIT 1 OFFSET ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let end =
            statement.query_row(params![self.swept, limits::SWEPT_AT_ONCE], |row| row.get(0)).optional()?;
        Ok(end.unwrap_or([0xff; 16]))
    }
}

/// Writes down that a mail became an entry.
pub(super) fn remember(
    connection: &Connection,
    fingerprint: Fingerprint,
    id: EntryId,
    at: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO seen_lately (fingerprint, at, delivery, n) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![fingerprint.0, at, id.delivery, id.n])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homes::sqlite::DataDir;

    fn fingerprint(n: u16) -> Fingerprint {
        Fingerprint::new(&[0; 32], &n.to_string())
    }

    #[test]
    fn what_came_is_known_before_and_after_it_is_put_in_order_and_until_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let connection = DataDir::new(dir.path()).open_or_create().unwrap();
        let mut seen = Seen::read(&connection).unwrap();
        let known = |seen: &Seen| {
            let found = |n: &u16| seen.find(&connection, fingerprint(*n)).unwrap().is_some();
            (0..7000).filter(found).count()
        };
        for at in 0..6000 {
            let id = EntryId { delivery: i64::from(at), n: 1 };
            remember(&connection, fingerprint(at), id, i64::from(at)).unwrap();
            seen.extend(HashMap::from([(fingerprint(at), id)]));
        }
        assert_eq!(known(&seen), 6000);
        assert_eq!(known(&Seen::read(&connection).unwrap()), 6000, "as much after a start");
        seen.settle(&connection, 0).unwrap();
        assert_eq!((seen.lately.len(), known(&seen)), (0, 6000));
        assert_eq!(known(&Seen::read(&connection).unwrap()), 6000);
        assert_eq!(seen.find(&connection, fingerprint(7)).unwrap(), Some(EntryId { delivery: 7, n: 1 }));
        // A part at a time, and around again.
        for _ in 0..4 {
            seen.settle(&connection, 1000).unwrap();
        }
        assert_eq!(known(&seen), 5000);
        for _ in 0..4 {
            seen.settle(&connection, 6000).unwrap();
        }
        assert_eq!(known(&seen), 0);
    }
}
