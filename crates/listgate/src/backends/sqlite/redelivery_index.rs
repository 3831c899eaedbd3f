//! Remembers the mail of recent days, to recognize it when it is sent again.
//!
//! Fingerprints are random, so a table ordered by them would need a different page written for each one, which costs
//! a fifth of the total throughput. New fingerprints are therefore appended to a table in order of arrival, one row
//! for each commit, with a copy in memory for lookups.
//!
//! From there they move to the ordered table, one generation after another: when a generation has moved, all fingerprints
//! that have come meanwhile are the next one. A generation moves in runs. Each run takes the next fingerprints in ascending
//! order, so that those that belong on the same page are written together. The last run of a generation also removes its
//! rows from the first table.

use crate::limits;
use crate::model::{Digest, Due, EntryId, Fingerprint};
use foldhash::{HashMap, HashSet};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// An entry that was stored when its mail first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstEntry {
    pub(super) id: EntryId,
    /// When its mail was received, in milliseconds since 1970.
    pub(super) at: i64,
}

/// The first entries by fingerprint; those of one message are adjacent.
pub(super) type FirstEntries = BTreeMap<Fingerprint, FirstEntry>;

/// The mail stored up to and including the last commit.
pub(super) struct RedeliveryIndex {
    /// The mail of the rows in `seen_lately` that are not part of the generation.
    recent: Recent,
    /// The part of the generation that is not in the ordered table yet.
    leaving: FirstEntries,
    /// The last row in `seen_lately` that belongs to the generation.
    leaving_up_to: i64,
    /// The last fingerprint of the last search for expired rows.
    last_swept: Fingerprint,
}

/// First entries in no order. Every message is looked up here and then added, and a hash table is faster at both than a
/// tree.
#[derive(Default, Debug, PartialEq)]
struct Recent {
    entries: HashMap<Fingerprint, FirstEntry>,
    /// The messages of these entries.
    messages: HashSet<[u8; Fingerprint::MESSAGE]>,
}

impl Extend<(Fingerprint, FirstEntry)> for Recent {
    fn extend<I: IntoIterator<Item = (Fingerprint, FirstEntry)>>(&mut self, entries: I) {
        for (fingerprint, first) in entries {
            self.messages.insert(fingerprint.message());
            self.entries.insert(fingerprint, first);
        }
    }
}

/// Prepares the statement that finds out whether the ordered table has any fingerprint of a message.
pub(super) fn prepare_lookup(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached("SELECT 1 FROM seen WHERE fingerprint BETWEEN ?1 AND ?2")
}

/// Records the mail of a transaction that did not come before.
pub(super) fn record(connection: &Connection, new: &FirstEntries) -> rusqlite::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::with_capacity(new.len() * RECORD);
    for (fingerprint, first) in new {
        entries.extend_from_slice(&fingerprint.0);
        entries.extend([first.id.delivery, first.id.n, first.at].map(i64::to_be_bytes).as_flattened());
    }
    connection.prepare_cached("INSERT INTO seen_lately (entries) VALUES (?1)")?.execute([entries])?;
    Ok(())
}

/// Octets of an entry in a row of `seen_lately`.
const RECORD: usize = Fingerprint::LEN + 3 * size_of::<i64>();

/// Parses what [`record`] wrote.
fn entries(row: &[u8]) -> impl Iterator<Item = (Fingerprint, FirstEntry)> {
    row.chunks_exact(RECORD).map(|record| {
        let (fingerprint, numbers) = record.split_first_chunk().expect("a record is longer");
        let numbers = numbers.as_chunks().0;
        let [delivery, n, at] = std::array::from_fn(|index| i64::from_be_bytes(numbers[index]));
        (Fingerprint(*fingerprint), FirstEntry { id: EntryId { delivery, n }, at })
    })
}

const FIRST: Fingerprint = Fingerprint([0; Fingerprint::LEN]);
const LAST: Fingerprint = Fingerprint([0xff; Fingerprint::LEN]);

impl RedeliveryIndex {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        // Of two entries with the same fingerprint, the later one is kept.
        let mut recent = Recent::default();
        let mut statement = connection.prepare("SELECT entries FROM seen_lately ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            recent.extend(entries(row.get_ref(0)?.as_blob()?));
        }
        Ok(Self { recent, leaving: FirstEntries::new(), leaving_up_to: 0, last_swept: FIRST })
    }

    /// Returns whether this message was received before, for any recipient. `lookup` comes from
    /// [`prepare_lookup`].
    pub(super) fn has(&self, lookup: &mut CachedStatement<'_>, digest: &Digest) -> rusqlite::Result<bool> {
        let all = Fingerprint::all_of(digest);
        let is_recent = self.recent.messages.contains(&all.start().message());
        if is_recent || self.leaving.range(all.clone()).next().is_some() {
            return Ok(true);
        }
        let (from, to) = all.into_inner();
        lookup.exists([from.0, to.0])
    }

    /// Returns the entry that was stored when this mail was received before.
    pub(super) fn find(
        &self,
        connection: &Connection,
        fingerprint: Fingerprint,
    ) -> rusqlite::Result<Option<FirstEntry>> {
        // The later entry counts: mail is queued again only after its earlier entry was removed.
        let in_memory = self.recent.entries.get(&fingerprint).or_else(|| self.leaving.get(&fingerprint));
        if let Some(first) = in_memory {
            return Ok(Some(*first));
        }
        let mut statement =
            connection.prepare_cached("SELECT delivery, n, at FROM seen WHERE fingerprint = ?1")?;
        statement
            .query_row([fingerprint.0], |row| {
                let id = EntryId { delivery: row.get(0)?, n: row.get(1)? };
                Ok(FirstEntry { id, at: row.get(2)? })
            })
            .optional()
    }

    /// Adds the mail of a commit.
    pub(super) fn extend(&mut self, committed: FirstEntries) {
        self.recent.extend(committed);
    }

    /// Returns whether [`move_run`](Self::move_run) has anything to move.
    pub(super) fn has_recent(&self) -> bool {
        self.in_memory() > 0
    }

    /// Returns whether it is time for a [`move_run`](Self::move_run) even though mail waits.
    pub(super) fn is_full(&self) -> bool {
        self.in_memory() >= limits::RECENT_FINGERPRINTS
    }

    fn in_memory(&self) -> usize {
        self.recent.entries.len() + self.leaving.len()
    }

    /// Moves some recent fingerprints to the ordered table, and removes some rows that have expired at `now`
    /// (milliseconds since 1970) or were stamped by a clock that was set back since.
    pub(super) fn move_run(&mut self, connection: &Connection, now: i64) -> rusqlite::Result<()> {
        if self.leaving.is_empty() && !self.recent.entries.is_empty() {
            let last = "SELECT coalesce(max(id), 0) FROM seen_lately";
            self.leaving_up_to = connection.prepare_cached(last)?.query_row([], |row| row.get(0))?;
            self.leaving = std::mem::take(&mut self.recent).entries.into_iter().collect();
        }
        // The number grows with the fingerprints in memory, so that these stay limited however many come between
        // two runs.
        let moving = limits::FINGERPRINTS_MOVED.max(self.in_memory() / 4).min(self.leaving.len());
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
            insert(connection, self.leaving.iter().take(moving))?;
            if moving == self.leaving.len() {
                let done = "DELETE FROM seen_lately WHERE id <= ?1";
                connection.prepare_cached(done)?.execute([self.leaving_up_to])?;
            }
            connection.execute_batch("COMMIT")?;
            self.leaving = match self.leaving.iter().nth(moving).map(|(next, _)| *next) {
                Some(next) => self.leaving.split_off(&next),
                None => FirstEntries::new(),
            };
        }
        self.last_swept = end;
        Ok(())
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

/// Inserts these entries into the ordered table. They are later than any that it has for the same mail.
fn insert<'e>(
    connection: &Connection,
    entries: impl Iterator<Item = (&'e Fingerprint, &'e FirstEntry)>,
) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("REPLACE INTO seen (fingerprint, at, delivery, n) VALUES (?1, ?2, ?3, ?4)")?;
    for (fingerprint, FirstEntry { id, at }) in entries {
        insert.execute(params![fingerprint.0, at, id.delivery, id.n])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::sqlite::DataDir;
    use crate::backends::sqlite::connection::MIGRATIONS;

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

    /// Stores a message as a delivery with these entries, none of which was received before. Its id is its time.
    fn store(
        connection: &Connection,
        redeliveries: &mut RedeliveryIndex,
        delivery: i64,
        entries: &[(i64, Fingerprint)],
    ) {
        let first = |n| FirstEntry { id: EntryId { delivery, n }, at: delivery };
        let new = entries.iter().map(|(n, fingerprint)| (*fingerprint, first(*n))).collect();
        record(connection, &new).unwrap();
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
            let mut lookup = prepare_lookup(&connection).unwrap();
            let mut has = |n: &i64| redeliveries.has(&mut lookup, &digest(*n)).unwrap();
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
            assert_eq!((redeliveries.in_memory(), rows(&connection, "seen")), (left, 20_000 - left));
            assert_eq!(rows(&connection, "seen_lately"), if left > 0 { 20_000 } else { 0 });
            assert_eq!(
                (known(&redeliveries), known(&RedeliveryIndex::read(&connection).unwrap())),
                (20_000, 20_000)
            );
        }
        assert_eq!(
            redeliveries.find(&connection, fingerprint(7)).unwrap(),
            Some(FirstEntry { id: EntryId { delivery: 7, n: 1 }, at: 7 })
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
            let id = |delivery, n| Some(FirstEntry { id: EntryId { delivery, n }, at: delivery });
            assert_eq!(found, [id(1, 1), id(1, 2), id(70_000, 2), None]);
            let mut lookup = prepare_lookup(&connection).unwrap();
            assert!(redeliveries.has(&mut lookup, &message).unwrap());
            assert!(!redeliveries.has(&mut lookup, &digest(2)).unwrap());
            assert_eq!(redeliveries.in_memory(), left);
            assert_eq!(RedeliveryIndex::read(&connection).unwrap().recent, redeliveries.recent);
            redeliveries.move_run(&connection, expiry_of(0)).unwrap();
        }
        assert_eq!((rows(&connection, "seen"), rows(&connection, "seen_lately")), (3, 0));
    }

    /// Mail comes again between two runs because its first entry was removed. The later entry counts, also after a start.
    #[test]
    fn the_later_of_two_entries_counts() {
        let (_dir, connection, mut redeliveries) = open();
        let again = 0..9_000;
        let find = |redeliveries: &RedeliveryIndex, n| {
            redeliveries.find(&connection, fingerprint(n)).unwrap().map(|first| first.id.delivery)
        };
        for n in again.clone() {
            store(&connection, &mut redeliveries, n + 1, &[(1, fingerprint(n))]);
        }
        redeliveries.move_run(&connection, expiry_of(0)).unwrap();
        assert!(!redeliveries.leaving.is_empty(), "some are moved, and some are not");
        for n in again.clone() {
            store(&connection, &mut redeliveries, n + 10_001, &[(1, fingerprint(n))]);
        }
        let later =
            |redeliveries: &RedeliveryIndex| again.clone().all(|n| find(redeliveries, n) == Some(n + 10_001));
        while redeliveries.has_recent() {
            assert!(later(&redeliveries));
            assert!(later(&RedeliveryIndex::read(&connection).unwrap()));
            redeliveries.move_run(&connection, expiry_of(0)).unwrap();
        }
        assert!(later(&redeliveries));
        assert_eq!(rows(&connection, "seen_lately"), 0);
    }

    #[test]
    fn the_records_of_an_older_schema_are_kept() {
        let connection = Connection::open_in_memory().unwrap();
        let (older, newer) = MIGRATIONS.split_at(10);
        older.iter().for_each(|migration| connection.execute_batch(migration).unwrap());
        let message = digest(1);
        let [a, b, c] = ["a.x", "b.x", "c.x"].map(|list_id| to(&message, list_id));
        let (of_message, of_endpoint) = (&message[..Fingerprint::MESSAGE], Fingerprint::MESSAGE..);
        let rows = [
            (
                70_000,
                9,
                [
                    of_message,
                    &a.0[of_endpoint.clone()],
                    &[0, 0, 0, 1],
                    &b.0[of_endpoint.clone()],
                    &[0, 0, 1, 2],
                ]
                .concat(),
            ),
            (70_001, 10, [of_message, &c.0[of_endpoint], &[0, 0, 0, 1]].concat()),
        ];
        for row in rows {
            let sql = "INSERT INTO seen_lately (delivery, at, fingerprints) VALUES (?1, ?2, ?3)";
            connection.execute(sql, row).unwrap();
        }
        connection.execute_batch(newer[0]).unwrap();
        let first = |delivery, n, at| FirstEntry { id: EntryId { delivery, n }, at };
        let expected = [(a, first(70_000, 1, 9)), (b, first(70_000, 258, 9)), (c, first(70_001, 1, 10))];
        assert_eq!(
            RedeliveryIndex::read(&connection).unwrap().recent.entries,
            expected.into_iter().collect()
        );
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
        }
        let most = usize::try_from(4 * between).unwrap();
        assert!(redeliveries.in_memory() < most, "{}", redeliveries.in_memory());
        assert!(rows(&connection, "seen_lately") < 2 * most, "{}", rows(&connection, "seen_lately"));
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
