//! Remembers the mail of recent days, to recognize it when it is sent again.
//!
//! Fingerprints are random, so a table ordered by them would need a different page written for each one, which costs
//! a fifth of the total throughput. New fingerprints are therefore appended to a table in order of arrival, with a
//! copy in memory for lookups. From there they move to the ordered table in runs, which cycle through the range of
//! fingerprints. A run takes a contiguous share of all that are in memory, so fingerprints that belong on the same
//! page are written together.

use crate::limits;
use crate::model::{Digest, Due, EntryId, Fingerprint};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The entries that were stored when mail first came; those of one message are adjacent.
pub(super) type EntriesByFingerprint = BTreeMap<Fingerprint, EntryId>;

/// The mail stored up to and including the last commit.
pub(super) struct RedeliveryIndex {
    /// Exactly the contents of `seen_lately`.
    recent: EntriesByFingerprint,
    /// The last fingerprint of the last run.
    last_moved: Fingerprint,
    /// The last fingerprint of the last search for expired rows.
    last_swept: Fingerprint,
}

/// The statements that each message needs.
pub(super) struct Statements<'c> {
    find: CachedStatement<'c>,
    record: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find: connection.prepare_cached("SELECT 1 FROM seen WHERE fingerprint BETWEEN ?1 AND ?2")?,
            record: connection
                .prepare_cached("INSERT INTO seen_lately (delivery, at, fingerprints) VALUES (?1, ?2, ?3)")?,
        })
    }

    /// Records the entries of a delivery whose mail did not come before.
    pub(super) fn record(&mut self, at: i64, new: &EntriesByFingerprint) -> rusqlite::Result<()> {
        let Some((first, id)) = new.first_key_value() else { return Ok(()) };
        let mut fingerprints = first.0[..Fingerprint::MESSAGE].to_vec();
        for (fingerprint, id) in new {
            let n = u32::try_from(id.n).expect("a delivery has fewer entries");
            fingerprints.extend_from_slice(&fingerprint.0[Fingerprint::MESSAGE..]);
            fingerprints.extend_from_slice(&n.to_be_bytes());
        }
        self.record.execute(params![id.delivery, at, fingerprints])?;
        Ok(())
    }
}

const FIRST: Fingerprint = Fingerprint([0; Fingerprint::LEN]);
const LAST: Fingerprint = Fingerprint([0xff; Fingerprint::LEN]);

impl RedeliveryIndex {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        // Collected first, because a tree is built faster from all of its items, which can then be sorted.
        let mut recent = Vec::new();
        let mut statement = connection.prepare("SELECT delivery, fingerprints FROM seen_lately")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            recent.extend(entries(row.get(0)?, row.get_ref(1)?.as_blob()?));
        }
        Ok(Self { recent: recent.into_iter().collect(), last_moved: FIRST, last_swept: FIRST })
    }

    /// Returns whether this message was received before, for any recipient.
    pub(super) fn has(&self, statements: &mut Statements<'_>, digest: &Digest) -> rusqlite::Result<bool> {
        let all = Fingerprint::all_of(digest);
        if self.recent.range(all.clone()).next().is_some() {
            return Ok(true);
        }
        let (from, to) = all.into_inner();
        statements.find.exists([from.0, to.0])
    }

    /// Returns the entry that was stored when this mail was received before.
    pub(super) fn find(
        &self,
        connection: &Connection,
        fingerprint: Fingerprint,
    ) -> rusqlite::Result<Option<EntryId>> {
        let mut statement =
            connection.prepare_cached("SELECT delivery, n FROM seen WHERE fingerprint = ?1")?;
        let read = |row: &rusqlite::Row<'_>| Ok(EntryId { delivery: row.get(0)?, n: row.get(1)? });
        let in_order = statement.query_row([fingerprint.0], read).optional()?;
        // The later entry wins: mail is queued again only after its earlier entry was removed.
        Ok(self.recent.get(&fingerprint).copied().max(in_order))
    }

    /// Returns when the mail of this entry came, in milliseconds since 1970.
    pub(super) fn received_at(
        &self,
        connection: &Connection,
        fingerprint: Fingerprint,
        id: EntryId,
    ) -> rusqlite::Result<Option<i64>> {
        connection
            .prepare_cached(
                "SELECT at FROM seen_lately WHERE delivery = ?1
                 UNION ALL SELECT at FROM seen WHERE fingerprint = ?2 AND delivery = ?1",
            )?
            .query_row(params![id.delivery, fingerprint.0], |row| row.get(0))
            .optional()
    }

    /// Adds the fingerprints of a commit.
    pub(super) fn extend(&mut self, committed: EntriesByFingerprint) {
        self.recent.extend(committed);
    }

    /// Returns whether [`move_run`](Self::move_run) has anything to move.
    pub(super) fn has_recent(&self) -> bool {
        !self.recent.is_empty()
    }

    /// Returns whether it is time for a [`move_run`](Self::move_run) even though mail waits.
    pub(super) fn is_full(&self) -> bool {
        self.recent.len() >= limits::RECENT_FINGERPRINTS
    }

    /// Moves some recent fingerprints to the ordered table, and removes some rows that have expired at `now`
    /// (milliseconds since 1970) or were stamped by a clock that was set back since.
    pub(super) fn move_run(&mut self, connection: &Connection, now: i64) -> rusqlite::Result<()> {
        let (from, to, moving) = self.next_run();
        // More rows are swept than are added, so that the table does not outgrow what is remembered even if mail
        // never pauses.
        let end = self.sweep_to(connection, limits::FINGERPRINTS_SWEPT.max(4 * moving))?;
        // Mail that came at time `t` expires at `t + REMEMBERED`.
        let Due { at, span } = Due::after(0, limits::REMEMBERED);
        let (oldest, newest) = (now - at, now + (span - at));
        let swept = params![self.last_swept.0, end.0, oldest, newest];
        let old = "SELECT 1 FROM seen WHERE fingerprint > ?1 AND fingerprint <= ?2 AND (at <= ?3 OR at > ?4)";
        if moving > 0 || connection.prepare_cached(old)?.exists(swept)? {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection
                .prepare_cached(
                    "DELETE FROM seen
                     WHERE fingerprint > ?1 AND fingerprint <= ?2 AND (at <= ?3 OR at > ?4)",
                )?
                .execute(swept)?;
            let moved = move_to_table(connection, from, to)?;
            connection.execute_batch("COMMIT")?;
            for (fingerprint, id, _) in moved {
                if self.recent.get(&fingerprint) == Some(&id) {
                    self.recent.remove(&fingerprint);
                }
            }
        }
        (self.last_moved, self.last_swept) = (to, end);
        Ok(())
    }

    /// Returns the range of the next run and the number of fingerprints in it. The number grows with the
    /// fingerprints in memory, so that these stay limited however many come between two runs.
    fn next_run(&self) -> (Fingerprint, Fingerprint, usize) {
        let at_once = limits::FINGERPRINTS_MOVED.max(self.recent.len() / 4);
        let after = |from| self.recent.range((Bound::Excluded(from), Bound::Unbounded));
        let from = if after(self.last_moved).next().is_some() { self.last_moved } else { FIRST };
        let moving = after(from).take(at_once).count();
        let to = after(from).nth(at_once - 1).map_or(LAST, |(fingerprint, _)| *fingerprint);
        (from, to, moving)
    }

    /// Returns where the next `rows` rows of the table end, which are searched for expired ones. After the end of
    /// the table, the search starts again at its beginning.
    fn sweep_to(&mut self, connection: &Connection, rows: usize) -> rusqlite::Result<Fingerprint> {
        if self.last_swept == LAST {
            self.last_swept = FIRST;
        }
        let sql =
            "SELECT fingerprint FROM seen WHERE fingerprint > ?1 ORDER BY fingerprint LIMIT 1 OFFSET ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let end = statement.query_row(params![self.last_swept.0, rows], |row| row.get(0)).optional()?;
        Ok(end.map_or(LAST, Fingerprint))
    }
}

/// Moves the deliveries whose first fingerprint is after `from` and not after `to` from `seen_lately` to `seen`, and
/// returns their fingerprints and entries, with the times at which they came.
fn move_to_table(
    connection: &Connection,
    from: Fingerprint,
    to: Fingerprint,
) -> rusqlite::Result<Vec<(Fingerprint, EntryId, i64)>> {
    let sql = "DELETE FROM seen_lately
               WHERE substr(fingerprints, 1, ?3) > ?1 AND substr(fingerprints, 1, ?3) <= ?2
               RETURNING delivery, at, fingerprints";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![from.0, to.0, Fingerprint::LEN])?;
    let mut moved = Vec::new();
    while let Some(row) = rows.next()? {
        let at = row.get(1)?;
        let entries = entries(row.get(0)?, row.get_ref(2)?.as_blob()?);
        moved.extend(entries.map(|(fingerprint, id)| (fingerprint, id, at)));
    }
    moved.sort_unstable();
    // The later entry wins, because the earlier one was removed. Either may be moved first.
    let sql = "INSERT INTO seen (fingerprint, at, delivery, n) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (fingerprint) DO UPDATE SET at = excluded.at, delivery = excluded.delivery, n = excluded.n
               WHERE excluded.delivery > delivery";
    let mut insert = connection.prepare_cached(sql)?;
    for (fingerprint, id, at) in &moved {
        insert.execute(params![fingerprint.0, at, id.delivery, id.n])?;
    }
    Ok(moved)
}

/// Parses what [`Statements::record`] wrote.
fn entries(delivery: i64, fingerprints: &[u8]) -> impl Iterator<Item = (Fingerprint, EntryId)> {
    const ENDPOINT: usize = Fingerprint::LEN - Fingerprint::MESSAGE;
    let (message, entries) = fingerprints.split_first_chunk().unwrap_or((&[0; Fingerprint::MESSAGE], &[]));
    entries.chunks_exact(ENDPOINT + 4).map(move |entry| {
        let mut fingerprint = FIRST;
        fingerprint.0[..Fingerprint::MESSAGE].copy_from_slice(message);
        fingerprint.0[Fingerprint::MESSAGE..].copy_from_slice(&entry[..ENDPOINT]);
        let n = entry[ENDPOINT..].iter().fold(0, |n, octet| n << 8 | i64::from(*octet));
        (fingerprint, EntryId { delivery, n })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::sqlite::DataDir;

    fn digest(n: i64) -> Digest {
        blake3::hash(n.to_string().as_bytes()).into()
    }

    fn to(digest: &Digest, list_id: &str) -> Fingerprint {
        let list = crate::model::List {
            list_id: list_id.to_owned(),
            address: "mylist@example.com".parse().unwrap(),
            state: crate::model::ListState::Open,
            max_size: None,
            alias: None,
        };
        let role = crate::model::Role::Post;
        Fingerprint::new(digest, &crate::model::Endpoint { list: list.into(), role, detail: None })
    }

    fn fingerprint(n: i64) -> Fingerprint {
        to(&digest(n), "a.x")
    }

    fn open() -> (tempfile::TempDir, Connection, RedeliveryIndex) {
        let dir = tempfile::tempdir().unwrap();
        let connection = DataDir::new(dir.path()).open_or_create().unwrap();
        connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
        let redeliveries = RedeliveryIndex::read(&connection).unwrap();
        (dir, connection, redeliveries)
    }

    /// Stores a message as a delivery with these entries, none of which was received before.
    fn store(
        connection: &Connection,
        redeliveries: &mut RedeliveryIndex,
        delivery: i64,
        entries: &[(i64, Fingerprint)],
    ) {
        let ids = entries.iter().map(|(n, fingerprint)| (*fingerprint, EntryId { delivery, n: *n }));
        let new = ids.collect();
        Statements::prepare(connection).unwrap().record(delivery, &new).unwrap();
        redeliveries.extend(new);
    }

    /// Returns a time at which everything received before `cutoff` has expired.
    fn expiry_of(cutoff: i64) -> i64 {
        Due::after(0, limits::REMEMBERED).at + cutoff - 1
    }

    fn rows(connection: &Connection, table: &str) -> usize {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn mail_is_recognized_before_and_after_sorting_until_it_expires() {
        let (_dir, connection, mut redeliveries) = open();
        let known = |redeliveries: &RedeliveryIndex| {
            let mut statements = Statements::prepare(&connection).unwrap();
            let mut has = |n: &i64| redeliveries.has(&mut statements, &digest(*n)).unwrap();
            let found = |n: &i64| redeliveries.find(&connection, fingerprint(*n)).unwrap().is_some();
            assert!((0..21_000).all(|n| has(&n) == found(&n)));
            (0..21_000).filter(found).count()
        };
        (0..20_000).for_each(|n| store(&connection, &mut redeliveries, n, &[(1, fingerprint(n))]));
        assert_eq!(known(&redeliveries), 20_000);
        assert_eq!(known(&RedeliveryIndex::read(&connection).unwrap()), 20_000, "as much after a start");
        let at_once = limits::FINGERPRINTS_MOVED;
        for left in [20_000 - at_once, 20_000 - 2 * at_once, 0] {
            redeliveries.move_run(&connection, expiry_of(0)).unwrap();
            assert_eq!((redeliveries.recent.len(), rows(&connection, "seen_lately")), (left, left));
            assert_eq!(
                (known(&redeliveries), known(&RedeliveryIndex::read(&connection).unwrap())),
                (20_000, 20_000)
            );
        }
        assert_eq!(
            redeliveries.find(&connection, fingerprint(7)).unwrap(),
            Some(EntryId { delivery: 7, n: 1 })
        );
        // Each call searches a part of the table; after its end, the search starts again.
        (0..12).for_each(|_| redeliveries.move_run(&connection, expiry_of(1000)).unwrap());
        assert_eq!(known(&redeliveries), 19_000);
        (0..12).for_each(|_| redeliveries.move_run(&connection, expiry_of(20_000)).unwrap());
        assert_eq!(known(&redeliveries), 0);
    }

    #[test]
    fn mail_recorded_by_a_clock_that_was_ahead_is_forgotten() {
        let (_dir, connection, mut redeliveries) = open();
        let a_year = 365 * 24 * 60 * 60 * 1000;
        store(&connection, &mut redeliveries, 1, &[(1, fingerprint(1))]);
        store(&connection, &mut redeliveries, a_year, &[(1, fingerprint(2))]);
        (0..3).for_each(|_| redeliveries.move_run(&connection, 1000).unwrap());
        let known = [1, 2].map(|n| redeliveries.find(&connection, fingerprint(n)).unwrap().is_some());
        assert_eq!(known, [true, false]);
    }

    #[test]
    fn each_endpoint_of_a_message_is_recognized_separately() {
        let (_dir, connection, mut redeliveries) = open();
        let message = digest(1);
        let [a, b, c, d] = ["a.x", "b.x", "c.x", "d.x"].map(|list_id| to(&message, list_id));
        store(&connection, &mut redeliveries, 1, &[(1, a), (2, b)]);
        // The first entry of this delivery had come before.
        store(&connection, &mut redeliveries, 70_000, &[(2, c)]);
        for left in [3, 0] {
            let found = [a, b, c, d].map(|fingerprint| redeliveries.find(&connection, fingerprint).unwrap());
            let id = |delivery, n| Some(EntryId { delivery, n });
            assert_eq!(found, [id(1, 1), id(1, 2), id(70_000, 2), None]);
            let mut statements = Statements::prepare(&connection).unwrap();
            assert!(redeliveries.has(&mut statements, &message).unwrap());
            assert!(!redeliveries.has(&mut statements, &digest(2)).unwrap());
            assert_eq!(redeliveries.recent.len(), left);
            assert_eq!(RedeliveryIndex::read(&connection).unwrap().recent, redeliveries.recent);
            redeliveries.move_run(&connection, expiry_of(0)).unwrap();
        }
        assert_eq!((rows(&connection, "seen"), rows(&connection, "seen_lately")), (3, 0));
    }

    #[test]
    fn memory_stays_bounded_however_much_mail_comes_between_two_runs() {
        let (_dir, connection, mut redeliveries) = open();
        let between = 3 * limits::FINGERPRINTS_MOVED as i64;
        for cycle in 0..8 {
            let many = (0..between).map(|n| (n + 1, to(&digest(cycle * between + n), "a.x")));
            connection.execute_batch("BEGIN").unwrap();
            many.for_each(|entry| store(&connection, &mut redeliveries, cycle * between + entry.0, &[entry]));
            connection.execute_batch("COMMIT").unwrap();
            redeliveries.move_run(&connection, expiry_of(0)).unwrap();
            assert_eq!(redeliveries.recent.len(), rows(&connection, "seen_lately"));
        }
        let most = usize::try_from(4 * between).unwrap();
        assert!(redeliveries.recent.len() < most, "{}", redeliveries.recent.len());
    }

    #[test]
    fn the_table_stays_bounded_although_mail_never_pauses() {
        let (_dir, connection, mut redeliveries) = open();
        let (remembered, between) = (20_000, 4_000);
        for n in 0..5 * remembered {
            store(&connection, &mut redeliveries, n, &[(1, fingerprint(n))]);
            if n % between == 0 {
                redeliveries.move_run(&connection, expiry_of(n - remembered)).unwrap();
            }
        }
        let most = usize::try_from(remembered + remembered / 2).unwrap();
        assert!(rows(&connection, "seen") < most, "{}", rows(&connection, "seen"));
    }
}
