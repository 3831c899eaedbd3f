//! Batches of posts: which recipients come next, and what became of them. The caller provides the transaction.
//!
//! A batch is a range of seqs. Its recipients are looked up when it is claimed, and again when it is tried again: those
//! who are members then, and have no row in `recipient`, which lists the exceptions. A recipient who was deferred alone
//! is tried again in a batch of such recipients, which has no range.

mod claim;
mod record;
mod status;

pub(super) use claim::has_due;
pub(super) use status::now;

use crate::backends::sqlite::reason::cut;
use crate::limits;
use crate::model::{Advance, BatchId, Claimed, Due, PostId, Seq, WayOut, milliseconds};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Records results, marks batches, and claims others, in this order. `now` is in milliseconds since 1970.
pub(super) fn advance(
    connection: &Connection,
    advance: &Advance,
    now: i64,
) -> rusqlite::Result<Vec<Claimed>> {
    for result in &advance.results {
        record::record(connection, result, now)?;
    }
    let mut mark = connection
        .prepare_cached("UPDATE batch SET state = 'sending' WHERE id = ?1 AND state = 'claimed'")?;
    for batch in &advance.sending {
        mark.execute([batch.0])?;
    }
    if let Some(way_out) = &advance.way_out {
        connection.prepare_cached("DELETE FROM way_out")?.execute([])?;
        if let WayOut::Stopped(reason) = way_out {
            let sql = "INSERT INTO way_out (since, reason) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![now, cut(reason)])?;
        }
    }
    match advance.claim {
        Some(request) => claim::claim(connection, request, now),
        None => Ok(Vec::new()),
    }
}

/// Makes batches free that a process had when it ended. Those that it was sending are in doubt.
pub(super) fn recover(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    let sql = "SELECT DISTINCT post FROM batch INDEXED BY batch_active WHERE state IN ('claimed', 'sending')";
    let posts: Vec<i64> =
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let due = Due::after(now, Duration::ZERO);
    for post in posts {
        connection.execute(
            "UPDATE post SET doubted = doubted + (SELECT coalesce(sum(recipients), 0) FROM batch
                                                  WHERE post = ?1 AND state = 'sending')
             WHERE id = ?1",
            [post],
        )?;
        connection.execute(
            "UPDATE batch
             SET reply = CASE state WHEN 'sending' THEN 'Listgate ended before the reply' ELSE reply END,
                 doubts = doubts + (state = 'sending'), state = 'later', due_at = ?2, due_span = ?3
             WHERE post = ?1 AND state IN ('claimed', 'sending')",
            params![post, due.at, due.span],
        )?;
        refresh(connection, PostId(post), now)?;
    }
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
}

impl Batch {
    const COLUMNS: &str = "id, post, above, upto, attempts, waited, doubts";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: BatchId(row.get(0)?),
            post: PostId(row.get(1)?),
            above: Seq(row.get(2)?),
            upto: Seq(row.get(3)?),
            attempts: row.get(4)?,
            waited: row.get(5)?,
            doubts: row.get(6)?,
        })
    }

    /// Returns whether it has recipients who were deferred alone, instead of a range.
    fn is_of_deferred(&self) -> bool {
        self.upto == Seq(0)
    }
}

/// Finds out when a post has something to send next, or finishes it. This is called after each change of it.
fn refresh(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
    let range = "SELECT cursor < cutoff FROM post WHERE id = ?1";
    let has_range: bool = connection.prepare_cached(range)?.query_row([post.0], |row| row.get(0))?;
    let due = if has_range { Some(Due::after(now, Duration::ZERO)) } else { next_retry(connection, post)? };
    let sql = "UPDATE post SET due_at = ?2, due_span = ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        post.0,
        due.map(|due| due.at),
        due.map(|due| due.span)
    ])?;
    let active = "SELECT 1 FROM batch WHERE post = ?1 AND state IN ('claimed', 'sending')";
    if due.is_none() && !connection.prepare_cached(active)?.exists([post.0])? {
        finish(connection, post, now)?;
    }
    Ok(())
}

/// Returns when the next batch or deferred recipient of a post is tried again.
fn next_retry(connection: &Connection, post: PostId) -> rusqlite::Result<Option<Due>> {
    let each = [
        "SELECT due_at, due_span FROM batch WHERE post = ?1 AND state = 'later' ORDER BY due_at LIMIT 1",
        "SELECT due_at, due_span FROM recipient WHERE post = ?1 AND state = 'deferred' AND batch IS NULL
         ORDER BY due_at LIMIT 1",
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
    let sql = "UPDATE post SET kept = NULL, due_at = NULL, due_span = NULL, finished_at = ?2, forget_at = ?3
               WHERE id = ?1 AND finished_at IS NULL";
    connection.prepare_cached(sql)?.execute(params![post.0, now, forget.at])?;
    Ok(())
}

/// Returns the time of a pause in milliseconds.
fn length(pause: Duration) -> i64 {
    milliseconds(std::time::UNIX_EPOCH + pause)
}
