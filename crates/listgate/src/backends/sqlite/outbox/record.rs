//! Records what became of batches.

use super::{Batch, length, refresh};
use crate::backends::sqlite::reason::cut;
use crate::limits;
use crate::model::{BatchEnd, BatchResult, Due, Exception, Pause, PostId, Recipient, Seq};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Records what became of a batch, unless that was recorded before.
pub(super) fn record(connection: &Connection, result: &BatchResult, now: i64) -> rusqlite::Result<()> {
    let sql =
        format!("SELECT {} FROM batch WHERE id = ?1 AND state IN ('claimed', 'sending')", Batch::COLUMNS);
    let batch = connection.prepare_cached(&sql)?.query_row([result.batch.0], Batch::read).optional()?;
    let Some(batch) = batch else { return Ok(()) };
    let post = batch.post;
    let mut counts = Counts::default();
    for (recipient, exception) in &result.exceptions {
        let (reply, pause) = match exception {
            Exception::Refused { reply } => (reply, None),
            Exception::Deferred { reply, pause } => (reply, Some(*pause)),
            Exception::Rejected { reply } => {
                (counts.rejected, counts.reason) = (counts.rejected + 1, Some(reply));
                continue;
            }
        };
        counts.refused += except(connection, &batch, recipient, (reply, pause), now)?;
    }
    match &result.end {
        BatchEnd::Done { sent, reply } => {
            counts.sent = *sent;
            finish(connection, &batch, *sent, reply)?;
        }
        BatchEnd::Again { settled, sent, pause, why, doubted } => {
            (counts.sent, counts.doubted, counts.reason) = (*sent, *doubted, Some(why));
            let batch = settle(connection, batch, *settled, *sent)?;
            let is_given_up = defer(connection, &batch, *pause, why, *doubted > 0, now)?;
            if is_given_up {
                counts.refused += give_up(connection, &batch, why, now)?;
            }
        }
    }
    counts.add(connection, post)?;
    refresh(connection, post, now)
}

/// What a result adds to the counts of a post.
#[derive(Default)]
struct Counts<'r> {
    sent: u64,
    refused: u64,
    rejected: u64,
    doubted: u64,
    reason: Option<&'r String>,
}

impl Counts<'_> {
    fn add(&self, connection: &Connection, post: PostId) -> rusqlite::Result<()> {
        let sql = "UPDATE post
                   SET sent = sent + ?2, refused = refused + ?3, rejected = rejected + ?4, doubted = doubted + ?5,
                       reason = coalesce(?6, reason)
                   WHERE id = ?1";
        let Self { sent, refused, rejected, doubted, reason } = self;
        connection.prepare_cached(sql)?.execute(params![post.0, sent, refused, rejected, doubted, reason])?;
        Ok(())
    }
}

/// Records that one recipient was refused, or deferred for a time. Returns how many were refused for good: 0 or 1.
fn except(
    connection: &Connection,
    batch: &Batch,
    recipient: &Recipient,
    (reply, pause): (&str, Option<Pause>),
    now: i64,
) -> rusqlite::Result<u64> {
    let before = "SELECT attempts, waited FROM recipient WHERE post = ?1 AND seq = ?2";
    let before = connection
        .prepare_cached(before)?
        .query_row([batch.post.0, recipient.seq.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (mut attempts, mut waited): (u32, i64) = before.unwrap_or((0, 0));
    if let Some(Pause::Deferred(pause)) = pause {
        (attempts, waited) = (attempts + 1, waited + length(pause));
    }
    let pause = pause.filter(|_| waited <= length(limits::GIVE_UP));
    let due = pause.map(|pause| Due::after(now, pause.length()));
    let sql =
        "INSERT INTO recipient (post, seq, state, address, reply, at, due_at, due_span, attempts, waited)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
               ON CONFLICT (post, seq) DO UPDATE
               SET state = excluded.state, batch = NULL, reply = excluded.reply, at = excluded.at,
                   due_at = excluded.due_at, due_span = excluded.due_span, attempts = excluded.attempts,
                   waited = excluded.waited";
    connection.prepare_cached(sql)?.execute(params![
        batch.post.0,
        recipient.seq.0,
        if due.is_some() { "deferred" } else { "refused" },
        recipient.address,
        cut(reply),
        now,
        due.map(|due| due.at),
        due.map(|due| due.span),
        attempts,
        waited,
    ])?;
    Ok(due.is_none().into())
}

impl Pause {
    fn length(self) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Free(pause) | Self::Deferred(pause) => pause,
        }
    }
}

/// Ends a batch. Deferred recipients that it still has are settled with it.
fn finish(connection: &Connection, batch: &Batch, sent: u64, reply: &str) -> rusqlite::Result<()> {
    if batch.is_of_deferred() {
        connection.prepare_cached("DELETE FROM recipient WHERE batch = ?1")?.execute([batch.id.0])?;
    }
    let sql = "UPDATE batch SET state = 'done', sent = sent + ?2, reply = ?3, due_at = NULL, due_span = NULL
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![batch.id.0, sent, cut(reply)])?;
    Ok(())
}

/// Takes the recipients up to `settled` out of a batch.
fn settle(
    connection: &Connection,
    mut batch: Batch,
    settled: Option<Seq>,
    sent: u64,
) -> rusqlite::Result<Batch> {
    let Some(settled) = settled else { return Ok(batch) };
    if batch.is_of_deferred() {
        let sql = "DELETE FROM recipient WHERE batch = ?1 AND seq <= ?2";
        connection.prepare_cached(sql)?.execute([batch.id.0, settled.0])?;
    } else {
        batch.above = batch.above.max(settled);
    }
    let sql = "UPDATE batch SET above = ?2, sent = sent + ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![batch.id.0, batch.above.0, sent])?;
    Ok(batch)
}

/// Lets a batch wait until it is tried again. Returns whether it has been tried for long enough.
fn defer(
    connection: &Connection,
    batch: &Batch,
    pause: Pause,
    why: &str,
    in_doubt: bool,
    now: i64,
) -> rusqlite::Result<bool> {
    let (attempts, waited) = match pause {
        Pause::Deferred(pause) => (batch.attempts + 1, batch.waited + length(pause)),
        Pause::AtOnce | Pause::Free(_) => (batch.attempts, batch.waited),
    };
    let due = Due::after(now, pause.length());
    let sql = "UPDATE batch SET state = 'later', due_at = ?2, due_span = ?3, attempts = ?4, waited = ?5,
                                doubts = doubts + ?6, reply = ?7
               WHERE id = ?1";
    let values = params![batch.id.0, due.at, due.span, attempts, waited, in_doubt, cut(why)];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(waited > length(limits::GIVE_UP))
}

/// Gives up a batch that was deferred for too long, and returns how many recipients it still had.
fn give_up(connection: &Connection, batch: &Batch, why: &str, now: i64) -> rusqlite::Result<u64> {
    let given_up = if batch.is_of_deferred() {
        let sql =
            "UPDATE recipient SET state = 'refused', batch = NULL, reply = ?2, at = ?3 WHERE batch = ?1";
        connection.prepare_cached(sql)?.execute(params![batch.id.0, cut(why), now])?
    } else {
        let sql = "INSERT INTO recipient (post, seq, state, address, reply, at)
                   SELECT post.id, seq, 'refused', coalesce(given, address), ?4, ?5
                   FROM post JOIN member ON member.list = post.list
                   WHERE post.id = ?1 AND seq > ?2 AND seq <= ?3 AND seq IS NOT skipped
                     AND CASE kind WHEN 'post' THEN role = 'member' ELSE role IN ('owner', 'moderator') END
                   ON CONFLICT DO NOTHING";
        let values = params![batch.post.0, batch.above.0, batch.upto.0, cut(why), now];
        connection.prepare_cached(sql)?.execute(values)?
    };
    finish(connection, batch, 0, why)?;
    Ok(given_up as u64)
}
