//! Batches of posts: which recipients come next, and what became of them. The caller provides the transaction.
//!
//! A batch is a range of seqs. Its recipients are looked up when it is claimed, and again when it is tried again: those
//! who are members then, and have no row in `recipient`, which lists the exceptions. A recipient who was deferred alone
//! is tried again in a batch of such recipients, which has no range.
//!
//! What is left of a batch after a result is tried again under another id. So a result that is reported twice, because
//! its answer was lost, counts once.

mod claim;
mod record;
mod status;
#[cfg(test)]
mod tests;

pub(super) use status::now;

use crate::backends::sqlite::connection::in_savepoint;
use crate::backends::sqlite::members;
use crate::backends::sqlite::reason::cut;
use crate::limits;
use crate::model::{Advance, BatchId, Claimed, Due, PostId, Seq, StoreError, WayOut, milliseconds};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// What was claimed.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) claimed: Vec<Claimed>,
    /// Whether nothing was claimed only because one transaction looks at no more rows.
    pub(super) is_cut_short: bool,
}

/// Records results, marks batches, and claims others, in this order, completely or not at all. `now` is in milliseconds
/// since 1970.
///
/// # Errors
/// The transaction itself has failed. A problem with only this request is in the inner result.
pub(super) fn advance(
    connection: &Connection,
    advance: &Advance,
    now: i64,
) -> rusqlite::Result<Result<Claims, StoreError>> {
    in_savepoint(connection, "advance", || apply(connection, advance, now).map(Ok))
}

/// Returns whether a post has something to send now.
pub(super) fn has_something(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM post INDEXED BY post_turn WHERE turn IS NOT NULL)
                      OR EXISTS (SELECT 1 FROM post INDEXED BY post_due WHERE due_at <= ?1)
                      OR EXISTS (SELECT 1 FROM post INDEXED BY post_set_back
                                 WHERE due_at IS NOT NULL AND due_at - due_span > ?1)";
    connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))
}

fn apply(connection: &Connection, advance: &Advance, now: i64) -> rusqlite::Result<Claims> {
    for result in &advance.results {
        record::record(connection, result, now)?;
    }
    let mut mark = connection
        .prepare_cached("UPDATE batch SET state = 'sending' WHERE id = ?1 AND state = 'claimed'")?;
    for batch in &advance.sending {
        mark.execute([batch.0])?;
    }
    if let Some(way_out) = &advance.way_out {
        set_way_out(connection, way_out, now)?;
    }
    match advance.claim {
        Some(request) => claim::claim(connection, request, now),
        None => Ok(Claims::default()),
    }
}

/// Records whether the mail server refuses all mail. While it does, the time at which it began stays.
fn set_way_out(connection: &Connection, way_out: &WayOut, now: i64) -> rusqlite::Result<()> {
    let WayOut::Stopped(reason) = way_out else {
        return connection.prepare_cached("DELETE FROM way_out")?.execute([]).map(drop);
    };
    if connection.prepare_cached("UPDATE way_out SET reason = ?1")?.execute([cut(reason)])? == 0 {
        let sql = "INSERT INTO way_out (since, reason) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![now, cut(reason)])?;
    }
    Ok(())
}

/// Makes batches free that a process had when it ended. Those that it was sending are in doubt.
pub(super) fn recover(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    // One transaction, so that a crash within it counts no doubt twice.
    let transaction = connection.unchecked_transaction()?;
    let sql = "SELECT DISTINCT post FROM batch INDEXED BY batch_active WHERE state IN ('claimed', 'sending')";
    let posts: Vec<i64> =
        transaction.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for post in posts {
        free(&transaction, PostId(post), now)?;
        refresh(&transaction, PostId(post), now)?;
    }
    transaction.commit()
}

/// Makes the batches of a post free.
fn free(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE post SET doubted = doubted + (SELECT coalesce(sum(recipients), 0) FROM batch
                                              WHERE post = ?1 AND state = 'sending')
         WHERE id = ?1",
        [post.0],
    )?;
    let due = Due::after(now, Duration::ZERO);
    connection.execute(
        "UPDATE recipient
         SET batch = NULL, due_at = ?2, due_span = ?3,
             doubts = doubts + (SELECT state = 'sending' FROM batch WHERE id = recipient.batch)
         WHERE batch IN (SELECT id FROM batch WHERE post = ?1 AND state IN ('claimed', 'sending'))",
        params![post.0, due.at, due.span],
    )?;
    // What is left of a batch without a range are its recipients.
    connection.execute(
        "UPDATE batch
         SET reply = CASE state WHEN 'sending' THEN 'Listgate ended before the reply' ELSE reply END,
             doubts = doubts + (state = 'sending'), state = CASE upto WHEN 0 THEN 'done' ELSE 'later' END,
             due_at = ?2, due_span = ?3
         WHERE post = ?1 AND state IN ('claimed', 'sending')",
        params![post.0, due.at, due.span],
    )?;
    Ok(())
}

/// A batch as it is stored.
struct Batch {
    id: BatchId,
    post: PostId,
    /// Its recipients have a seq above this, and up to `upto`.
    above: Seq,
    upto: Seq,
    /// How often the mail server deferred it, and the pauses after those in milliseconds.
    attempts: u32,
    waited: i64,
    doubts: u32,
    /// How many recipients it had when it was claimed last.
    recipients: u64,
}

impl Batch {
    const COLUMNS: &str = "id, post, above, upto, attempts, waited, doubts, recipients";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: BatchId(row.get(0)?),
            post: PostId(row.get(1)?),
            above: Seq(row.get(2)?),
            upto: Seq(row.get(3)?),
            attempts: row.get(4)?,
            waited: row.get(5)?,
            doubts: row.get(6)?,
            recipients: row.get(7)?,
        })
    }

    /// Returns whether it has recipients who were deferred alone, instead of a range.
    fn is_of_deferred(&self) -> bool {
        self.upto == Seq(0)
    }

    /// Stores it under a new id, to be tried again at `due`.
    fn insert_to_wait(&self, connection: &Connection, due: Due, why: &str) -> rusqlite::Result<()> {
        let sql = "INSERT INTO batch (post, above, upto, state, due_at, due_span, attempts, waited, doubts, recipients,
                                      reply)
                   VALUES (?1, ?2, ?3, 'later', ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        connection.prepare_cached(sql)?.execute(params![
            self.post.0,
            self.above.0,
            self.upto.0,
            due.at,
            due.span,
            self.attempts,
            self.waited,
            self.doubts,
            self.recipients,
            cut(why),
        ])?;
        Ok(())
    }
}

/// What the recipients of a post are looked up by.
struct Audience {
    post: PostId,
    list: i64,
    is_of_owners: bool,
    skipped: Option<i64>,
}

/// Some recipients in a range of seqs, and how far the range was looked at.
struct Found {
    recipients: Vec<crate::model::Recipient>,
    reached: Seq,
}

impl Audience {
    fn of(connection: &Connection, post: PostId) -> rusqlite::Result<Self> {
        let sql = "SELECT list, kind = 'owner', skipped FROM post WHERE id = ?1";
        connection.prepare_cached(sql)?.query_row([post.0], |row| {
            Ok(Self { post, list: row.get(0)?, is_of_owners: row.get(1)?, skipped: row.get(2)? })
        })
    }

    /// Returns up to `most` recipients in a range of seqs, without those who are listed as exceptions. It looks at no
    /// more than `rows` members, and reduces that by those it has looked at.
    fn in_range(
        &self,
        connection: &Connection,
        (above, upto): (Seq, Seq),
        most: usize,
        rows: &mut usize,
        now: i64,
    ) -> rusqlite::Result<Found> {
        let roles = if self.is_of_owners {
            // An owner who is a moderator too gets one copy.
            format!(
                "role IN ('owner', 'moderator')
                 AND NOT EXISTS (SELECT 1 FROM member
                                 WHERE address = one.address AND list = one.list
                                   AND role IN ('owner', 'moderator') AND seq < one.seq AND {})",
                members::RECEIVES
            )
        } else {
            "role = 'member'".to_owned()
        };
        let sql = format!(
            "SELECT seq, coalesce(given, address),
                    {} AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.post = ?5 AND recipient.seq = one.seq)
             FROM member one INDEXED BY member_role
             WHERE list = ?2 AND {roles} AND seq > ?3 AND seq <= ?4
             ORDER BY seq",
            members::RECEIVES
        );
        let mut found = Found { recipients: Vec::new(), reached: above };
        let mut all = connection.prepare_cached(&sql)?;
        let mut all = all.query(params![now, self.list, above.0, upto.0, self.post.0])?;
        while found.recipients.len() < most && *rows > 0 {
            let Some(row) = all.next()? else {
                found.reached = upto;
                break;
            };
            *rows -= 1;
            let (seq, receives): (i64, Option<bool>) = (row.get(0)?, row.get(2)?);
            found.reached = Seq(seq);
            if receives == Some(true) && self.skipped != Some(seq) {
                found.recipients.push(crate::model::Recipient { seq: Seq(seq), address: row.get(1)? });
            }
        }
        Ok(found)
    }
}

/// Finds out whether a post has something to send, and otherwise when; or finishes it. This is called after each change
/// of it.
fn refresh(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
    let sql = "SELECT cursor < cutoff, turn IS NOT NULL FROM post WHERE id = ?1 AND finished_at IS NULL";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let open = connection.prepare_cached(sql)?.query_row([post.0], read).optional()?;
    let Some((has_range, has_turn)): Option<(bool, bool)> = open else { return Ok(()) };
    if has_range || has_retry(connection, post, now)? {
        return if has_turn { Ok(()) } else { give_turn(connection, post) };
    }
    let due = next_retry(connection, post)?;
    let sql = "UPDATE post SET turn = NULL, due_at = ?2, due_span = ?3 WHERE id = ?1";
    let values = params![post.0, due.map(|due| due.at), due.map(|due| due.span)];
    connection.prepare_cached(sql)?.execute(values)?;
    let active = "SELECT 1 FROM batch WHERE post = ?1 AND state IN ('claimed', 'sending')";
    if due.is_none() && !connection.prepare_cached(active)?.exists([post.0])? {
        finish(connection, post, now)?;
    }
    Ok(())
}

/// Gives a post its turn after all others that have something to send.
pub(super) fn give_turn(connection: &Connection, post: PostId) -> rusqlite::Result<()> {
    let sql = "UPDATE post SET due_at = NULL, due_span = NULL,
                               turn = (SELECT coalesce(max(turn), 0) + 1 FROM post WHERE turn IS NOT NULL)
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([post.0]).map(drop)
}

/// Selects batches of a post that are tried again now: those whose time has come, then those that wait only because the
/// clock was set back. `?1` is the post, and `?2` the time. Each has an index.
const BATCHES_DUE: [&str; 2] = [
    "FROM batch INDEXED BY batch_post WHERE post = ?1 AND state = 'later' AND due_at <= ?2 ORDER BY due_at",
    "FROM batch INDEXED BY batch_set_back WHERE post = ?1 AND state = 'later' AND due_at - due_span > ?2
     ORDER BY due_at - due_span DESC",
];

/// Selects recipients who were deferred alone, in the same way.
const RECIPIENTS_DUE: [&str; 2] = [
    "FROM recipient INDEXED BY recipient_waiting
     WHERE post = ?1 AND state = 'deferred' AND batch IS NULL AND due_at <= ?2 ORDER BY due_at",
    "FROM recipient INDEXED BY recipient_set_back
     WHERE post = ?1 AND state = 'deferred' AND batch IS NULL AND due_at - due_span > ?2
     ORDER BY due_at - due_span DESC",
];

/// Returns whether a post has a batch or a deferred recipient that is tried again now.
fn has_retry(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<bool> {
    for due in BATCHES_DUE.iter().chain(&RECIPIENTS_DUE) {
        if connection.prepare_cached(&format!("SELECT 1 {due} LIMIT 1"))?.exists(params![post.0, now])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns when the next batch or deferred recipient of a post is tried again.
fn next_retry(connection: &Connection, post: PostId) -> rusqlite::Result<Option<Due>> {
    let each = [
        "SELECT due_at, due_span FROM batch INDEXED BY batch_post WHERE post = ?1 AND state = 'later'
         ORDER BY due_at LIMIT 1",
        "SELECT due_at, due_span FROM recipient INDEXED BY recipient_waiting
         WHERE post = ?1 AND state = 'deferred' AND batch IS NULL ORDER BY due_at LIMIT 1",
    ];
    let mut next: Option<Due> = None;
    for sql in each {
        let read = |row: &Row<'_>| Ok(Due { at: row.get(0)?, span: row.get(1)? });
        let due = connection.prepare_cached(sql)?.query_row([post.0], read).optional()?;
        next = [next, due].into_iter().flatten().min_by_key(|due| due.at);
    }
    Ok(next)
}

/// Finishes a post: its message is no longer needed, and its record is kept for a time.
fn finish(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
    let forget = Due::after(now, limits::POST_REMEMBERED);
    let kept = "DELETE FROM kept WHERE id = (SELECT kept FROM post WHERE id = ?1)";
    connection.prepare_cached(kept)?.execute([post.0])?;
    let sql = "UPDATE post SET kept = NULL, turn = NULL, due_at = NULL, due_span = NULL, finished_at = ?2, forget_at = ?3
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![post.0, now, forget.at])?;
    Ok(())
}

/// Returns the time of a pause in milliseconds.
fn length(pause: Duration) -> i64 {
    milliseconds(std::time::UNIX_EPOCH + pause)
}
