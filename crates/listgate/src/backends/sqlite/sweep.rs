//! Removes rows that are no longer needed, a few at a time, so that arriving mail does not wait: records whose time has
//! come, and everything of lists that were removed.

use crate::limits;
use crate::model::{Due, PostId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::time::Duration;

/// The tables of records that are kept for a time, their keys, the time, and which rows it is for.
const RECORDS: [(&str, &[&str], Duration, &str); 7] = [
    ("posted", &["list", "message_id"], limits::POSTED_REMEMBERED, ""),
    ("decision", &["id"], limits::POST_REMEMBERED, ""),
    ("bounce", &["id"], limits::BOUNCE_REMEMBERED, ""),
    ("request", &["id"], limits::CONFIRMATION_AWAITED, "phase = 'confirm' AND "),
    ("request", &["id"], limits::MODERATION_AWAITED, "phase = 'moderate' AND "),
    ("former_member", &["seq"], limits::FORMER_REMEMBERED, ""),
    ("offer", &["id"], limits::POST_REMEMBERED, ""),
];

/// The tables with rows of a list, and their keys, besides posts and held posts.
const OF_A_LIST: [(&str, &[&str]); 9] = [
    ("member", &["seq"]),
    ("former_member", &["seq"]),
    ("request", &["id"]),
    ("ban", &["list", "pattern"]),
    ("list_setting", &["list", "key"]),
    ("posted", &["list", "message_id"]),
    ("decision", &["id"]),
    ("bounce", &["id"]),
    ("offer", &["id"]),
];

/// The list that was removed first, of those that still have rows.
const REMOVED: &str =
    "SELECT list FROM roster INDEXED BY roster_removed WHERE list_id IS NULL ORDER BY list LIMIT 1";

/// Removes some rows: about [`limits::SWEPT_AT_ONCE`] at most. `now` is in milliseconds since 1970.
pub(super) fn sweep(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    if !has_something(connection, now)? {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut sweep = Sweep { connection, now, left: limits::SWEPT_AT_ONCE };
    let swept = sweep.some().and_then(|()| connection.execute_batch("COMMIT"));
    swept.inspect_err(|_| {
        // The first error is the one to report.
        let _ = connection.execute_batch("ROLLBACK");
    })
}

/// Returns whether there is anything to remove. This does not need the write lock.
fn has_something(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    if connection.prepare_cached(REMOVED)?.exists([])? || due_post(connection, now)?.is_some() {
        return Ok(true);
    }
    for (table, _, kept_for, rows) in RECORDS {
        for (is_due, limit) in bounds(kept_for, now) {
            let sql = format!("SELECT 1 FROM {table} WHERE {rows}{is_due}");
            if connection.prepare_cached(&sql)?.exists([limit])? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns the conditions of what is kept no longer: its time has come, or is further away than it can be because the clock
/// was set back.
fn bounds(kept_for: Duration, now: i64) -> [(&'static str, i64); 2] {
    let Due { span, .. } = Due::after(now, kept_for);
    [("forget_at <= ?1", now), ("forget_at > ?1", now.saturating_add(span))]
}

/// Returns a finished post whose record is kept no longer.
fn due_post(connection: &Connection, now: i64) -> rusqlite::Result<Option<PostId>> {
    for (is_due, limit) in bounds(limits::POST_REMEMBERED, now) {
        let sql = format!("SELECT id FROM post INDEXED BY post_forget_at WHERE {is_due} LIMIT 1");
        let post = connection.prepare_cached(&sql)?.query_row([limit], |row| row.get(0)).optional()?;
        if post.is_some() {
            return Ok(post.map(PostId));
        }
    }
    Ok(None)
}

struct Sweep<'c> {
    connection: &'c Connection,
    now: i64,
    /// How many more rows may be removed.
    left: usize,
}

impl Sweep<'_> {
    fn some(&mut self) -> rusqlite::Result<()> {
        for (table, key, kept_for, rows) in RECORDS {
            for (is_due, limit) in bounds(kept_for, self.now) {
                self.delete(table, key, &format!("{rows}{is_due}"), limit)?;
            }
        }
        while self.left > 0
            && let Some(post) = due_post(self.connection, self.now)?
        {
            self.post(post)?;
        }
        while self.left > 0
            && let Some(list) =
                self.connection.prepare_cached(REMOVED)?.query_row([], |row| row.get(0)).optional()?
        {
            self.list(list)?;
        }
        Ok(())
    }

    /// Removes rows of a table for which a condition on `?1` holds.
    fn delete(&mut self, table: &str, key: &[&str], condition: &str, value: i64) -> rusqlite::Result<()> {
        let columns = key.join(", ");
        let some = format!("SELECT {columns} FROM {table} WHERE {condition} LIMIT ?2");
        let mut some = self.connection.prepare_cached(&some)?;
        let read =
            |row: &Row<'_>| (0..key.len()).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>();
        let keys = some.query_map(params![value, self.left], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        // One by one, because SQLite does not use the whole key for rows in a list of keys.
        let is_it: Vec<String> = key.iter().map(|column| format!("{column} = ?")).collect();
        let one = format!("DELETE FROM {table} WHERE {}", is_it.join(" AND "));
        let mut one = self.connection.prepare_cached(&one)?;
        for key in keys {
            self.left -= one.execute(params_from_iter(key))?;
        }
        Ok(())
    }

    /// Removes the record of a post, or a part of it.
    fn post(&mut self, post: PostId) -> rusqlite::Result<()> {
        self.delete("recipient", &["post", "seq"], "post = ?1", post.0)?;
        self.delete("batch", &["id"], "post = ?1", post.0)?;
        self.delete("notice", &["post"], "post = ?1", post.0)?;
        if self.left > 0 {
            self.message("post", post.0)?;
        }
        Ok(())
    }

    /// Removes a row of a table, with the message that it keeps, if it still does.
    fn message(&mut self, table: &str, id: i64) -> rusqlite::Result<()> {
        let kept = format!("DELETE FROM kept WHERE id = (SELECT kept FROM {table} WHERE id = ?1)");
        let kept = self.connection.prepare_cached(&kept)?.execute([id])?;
        let row = format!("DELETE FROM {table} WHERE id = ?1");
        self.connection.prepare_cached(&row)?.execute([id])?;
        let cost = 1 + kept * limits::SWEPT_AT_ONCE / limits::MESSAGES_SWEPT_AT_ONCE;
        self.left = self.left.saturating_sub(cost);
        Ok(())
    }

    /// Removes some rows of a list that was removed, and at last its number.
    fn list(&mut self, list: i64) -> rusqlite::Result<()> {
        // Posts come first: they would have their turns in vain.
        for table in ["post", "held_post"] {
            let next = format!("SELECT id FROM {table} WHERE list = ?1 LIMIT 1");
            while self.left > 0
                && let Some(id) =
                    self.connection.prepare_cached(&next)?.query_row([list], |row| row.get(0)).optional()?
            {
                if table == "post" { self.post(PostId(id))? } else { self.message(table, id)? }
            }
        }
        for (table, key) in OF_A_LIST {
            self.delete(table, key, "list = ?1", list)?;
        }
        if self.left > 0 {
            self.connection.prepare_cached("DELETE FROM roster WHERE list = ?1")?.execute([list])?;
            self.left -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::sqlite::{DataDir, former_members, lists, notices, offers, posts, requests};
    use crate::model::{
        About, DecisionOutcome, Evidence, HeldId, ListNumber, MessageId, MessageIdHash, NewBounce,
        NewDecision, NewHeldPost, NewNotice, NewPost, NewRequest, NoticeTo, OfferedTo, Personal, PostKind,
        RequestKind, RequestPhase, Seq, Stepped,
    };

    const DAY: i64 = 86_400_000;

    /// When rows are stored, in milliseconds since 1970.
    const NOW: i64 = 20_000 * DAY;

    /// A database with the lists `a@b` and `c@b`, whose numbers are 1 and 2, and a message.
    fn database() -> (Connection, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = DataDir::new(dir.path()).open_or_create().unwrap();
        lists::create(&mut connection, &["a@b".parse().unwrap(), "c@b".parse().unwrap()], &[], 0).unwrap();
        connection
            .execute_batch(
                "INSERT INTO delivery (id, received_at, mail_from, message_id, peer, lhlo, transport, original_size, size)
                 VALUES (1, 0, '<>', '<1@x>', '', '', '', 1, 1), (2, 0, '<>', '<2@x>', '', '', '', 1, 1)",
            )
            .unwrap();
        (connection, dir)
    }

    /// Stores a row of each kind for a list.
    fn fill(connection: &Connection, list: ListNumber, message: MessageId) {
        posts::remember(connection, list, MessageIdHash::of("<1@x>"), NOW).unwrap();
        let decision = NewDecision {
            list,
            message_id: String::new(),
            mail_from: String::new(),
            outcome: DecisionOutcome::Accepted,
            reasons: Vec::new(),
        };
        posts::record_decision(connection, &decision, NOW).unwrap();
        let evidence = Evidence::Unsigned { header: Vec::new() };
        let bounce = NewBounce { list, evidence, class: "unknown", status: None, diagnostic: None };
        posts::record_bounce(connection, &bounce, NOW).unwrap();
        let post = NewPost {
            list,
            kind: PostKind::Post,
            message,
            message_id: String::new(),
            size: 1,
            settings: String::new(),
            personal: Personal::Never,
            skipped: None,
            instead_of_owners: None,
        };
        posts::distribute(connection, &post, NOW).unwrap();
        let text = String::new;
        let (mail_from, message_id, author, subject) = (text(), text(), text(), text());
        let (reasons, notified) = (Vec::new(), Vec::new());
        let held = NewHeldPost { list, message, mail_from, message_id, author, subject, reasons, notified };
        let held = posts::hold(connection, &held, NOW).unwrap();
        offers::add(connection, list, held, OfferedTo::SiteOwner, NOW).unwrap();
        let more = "INSERT INTO list_setting VALUES (?1, 'key', 'value')";
        connection.execute(more, [list.0]).unwrap();
        connection.execute("INSERT INTO ban VALUES (?1, '@x', 0)", [list.0]).unwrap();
        let member = "INSERT INTO member (list, role, address, joined_at, own_posts, hidden)
                      VALUES (?1, 'member', 'x@y', 0, 1, 0)";
        connection.execute(member, [list.0]).unwrap();
    }

    /// Stores what commands by mail leave in a list: a request in each phase, a former member, and a notice.
    fn fill_with_answers(connection: &Connection, list: ListNumber) {
        for (kind, phase) in
            [(RequestKind::Join, RequestPhase::Confirm), (RequestKind::Leave, RequestPhase::Moderate)]
        {
            let address = "x@example.org".parse().unwrap();
            let request = NewRequest { list, kind, phase, address, name: None, confirmed: false };
            requests::ask(connection, &request, NOW).unwrap();
        }
        let member = "INSERT INTO member (list, role, address, joined_at, own_posts, hidden)
                      VALUES (?1, 'member', 'former@y', 0, 1, 0)";
        connection.execute(member, [list.0]).unwrap();
        let seq = Seq(connection.last_insert_rowid());
        assert!(former_members::leave(connection, list, seq, NOW).unwrap());
        let notice = NewNotice {
            list,
            to: NoticeTo::Address("x@example.org".parse().unwrap()),
            about: About::Nothing,
            counted: true,
            template: "help",
            content: "{}".to_owned(),
        };
        notices::notify(connection, &notice, &Stepped::default(), NOW).unwrap();
    }

    fn count(connection: &Connection, table: &str) -> u64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    fn counts<const N: usize>(connection: &Connection, tables: [&str; N]) -> [u64; N] {
        tables.map(|table| count(connection, table))
    }

    fn finish_posts(connection: &Connection, recipients: u32) {
        connection
            .execute_batch(&format!(
                "UPDATE post SET finished_at = {NOW}, forget_at = {NOW} + 30 * {DAY}, turn = NULL;
                 INSERT INTO batch (post, above, upto, state) SELECT id, 0, 9, 'done' FROM post;
                 WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {recipients})
                 INSERT INTO recipient (post, seq, state, address, reply, at) SELECT id, n, 'refused', '', '', 0 FROM post, n;"
            ))
            .unwrap();
    }

    #[test]
    fn records_are_removed_when_their_time_has_come() {
        let (connection, _dir) = database();
        fill(&connection, ListNumber(1), MessageId(1));
        finish_posts(&connection, 1);
        let all = ["posted", "decision", "bounce", "post", "batch", "recipient"];
        for (day, left) in [
            (6, [1; 6]),
            (7, [0, 1, 1, 1, 1, 1]),
            (29, [0, 1, 1, 1, 1, 1]),
            (30, [0, 0, 1, 0, 0, 0]),
            (89, [0, 0, 1, 0, 0, 0]),
            (90, [0; 6]),
        ] {
            sweep(&connection, NOW + day * DAY).unwrap();
            assert_eq!(counts(&connection, all), left, "on day {day}");
        }
        assert_eq!(counts(&connection, ["held_post", "offer", "member", "roster"]), [1, 1, 1, 2]);
        posts::unhold(&connection, HeldId(1), DecisionOutcome::Accepted, NOW).unwrap();
        for (day, left) in [(29, 1), (30, 0)] {
            sweep(&connection, NOW + day * DAY).unwrap();
            assert_eq!((count(&connection, "held_post"), count(&connection, "offer")), (0, left));
        }
    }

    #[test]
    fn a_clock_set_back_keeps_no_record_for_longer() {
        let (connection, _dir) = database();
        fill(&connection, ListNumber(1), MessageId(1));
        finish_posts(&connection, 1);
        let all = ["posted", "decision", "bounce", "post", "batch", "recipient"];
        sweep(&connection, NOW - 60_000).unwrap();
        assert_eq!(counts(&connection, all), [1; 6]);
        sweep(&connection, NOW - 60_001).unwrap();
        assert_eq!(counts(&connection, all), [0; 6]);
    }

    #[test]
    fn requests_former_members_and_notices_are_removed_when_their_time_has_come() {
        let (connection, _dir) = database();
        fill_with_answers(&connection, ListNumber(1));
        let all = ["request", "former_member", "notice", "post", "recipient"];
        for (day, left) in
            [(3, [2, 1, 1, 1, 1]), (4, [1, 1, 1, 1, 1]), (6, [1, 1, 1, 1, 1]), (7, [1, 0, 1, 1, 1])]
        {
            sweep(&connection, NOW + day * DAY).unwrap();
            assert_eq!(counts(&connection, all), left, "on day {day}");
        }
        sweep(&connection, NOW + 99 * DAY).unwrap();
        assert_eq!(counts(&connection, all), [0, 0, 1, 1, 1], "a notice that has not left stays");
        finish_posts(&connection, 0);
        sweep(&connection, NOW + 30 * DAY - 1).unwrap();
        assert_eq!(counts(&connection, all), [0, 0, 1, 1, 2]);
        sweep(&connection, NOW + 30 * DAY).unwrap();
        assert_eq!(counts(&connection, all), [0; 5]);
        fill_with_answers(&connection, ListNumber(1));
        sweep(&connection, NOW - 60_000).unwrap();
        assert_eq!(counts(&connection, all), [2, 1, 1, 1, 1]);
        sweep(&connection, NOW - 60_001).unwrap();
        assert_eq!(counts(&connection, all), [0, 0, 1, 1, 1], "the clock was set back");
    }

    #[test]
    fn a_turn_removes_a_limited_number_of_rows() {
        let (connection, _dir) = database();
        fill(&connection, ListNumber(1), MessageId(1));
        finish_posts(&connection, 1200);
        let mut turns = 0;
        while count(&connection, "post") > 0 {
            let before = counts(&connection, ["recipient", "batch", "post"]).iter().sum::<u64>();
            sweep(&connection, NOW + 40 * DAY).unwrap();
            let after = counts(&connection, ["recipient", "batch", "post"]).iter().sum::<u64>();
            assert!(before - after <= limits::SWEPT_AT_ONCE as u64);
            turns += 1;
        }
        assert_eq!((turns, count(&connection, "recipient")), (3, 0));
    }

    #[test]
    fn everything_of_a_removed_list_is_removed_and_nothing_else_is_outdated() {
        let (mut connection, _dir) = database();
        fill(&connection, ListNumber(1), MessageId(1));
        fill(&connection, ListNumber(2), MessageId(2));
        fill_with_answers(&connection, ListNumber(1));
        lists::remove(&mut connection, &"a@b".parse().unwrap()).unwrap();
        let before = lists::changes(&connection).unwrap();
        for _ in 0..3 {
            sweep(&connection, NOW).unwrap();
        }
        let tables = [
            "member",
            "ban",
            "list_setting",
            "posted",
            "decision",
            "bounce",
            "post",
            "held_post",
            "offer",
            "roster",
            "delivery",
        ];
        assert_eq!(counts(&connection, tables), [1; 11]);
        assert_eq!(counts(&connection, ["request", "former_member", "notice", "recipient"]), [0; 4]);
        assert_eq!(count(&connection, "kept"), 2);
        assert_eq!(lists::changes(&connection).unwrap(), before);
        connection.execute("DELETE FROM ban", []).unwrap();
        assert_ne!(lists::changes(&connection).unwrap(), before, "that of a list counts");
    }
}
