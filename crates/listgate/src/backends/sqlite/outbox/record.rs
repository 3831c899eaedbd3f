//! Records what became of batches.

use super::batch::{Audience, Batch};
use super::turn::refresh;
use crate::backends::sqlite::notice_bounces::note_refusal;
use crate::backends::sqlite::reason::cut;
use crate::limits;
use crate::model::{
    BatchEnd, BatchId, BatchResult, Due, Exception, Pause, PostId, Recipient, Refusal, Seq, milliseconds,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Records that a recipient was refused, unless that was recorded before, or its batch is over.
pub(super) fn refuse(connection: &Connection, refusal: &Refusal, now: i64) -> rusqlite::Result<()> {
    let Refusal { batch, recipient, reply } = refusal;
    let Some(batch) = active(connection, *batch)? else { return Ok(()) };
    if !is_open(connection, batch.post)?
        || except(connection, &batch, recipient, (reply, None), now)? != Excepted::Refused
    {
        return Ok(());
    }
    // If Listgate ends before the reply to the message, only the others are in doubt.
    let sql = "UPDATE batch SET recipients = recipients - 1 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([batch.id.0])?;
    Counts { refused: 1, ..Counts::default() }.add(connection, batch.post)
}

/// Returns a batch that is claimed or being sent.
fn active(connection: &Connection, batch: BatchId) -> rusqlite::Result<Option<Batch>> {
    let sql =
        format!("SELECT {} FROM batch WHERE id = ?1 AND state IN ('claimed', 'sending')", Batch::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([batch.0], Batch::read).optional()
}

/// Returns whether a post is not finished.
fn is_open(connection: &Connection, post: PostId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM post WHERE id = ?1 AND finished_at IS NULL";
    connection.prepare_cached(sql)?.exists([post.0])
}

/// Records what became of a batch, unless that was recorded before.
pub(super) fn record(connection: &Connection, result: &BatchResult, now: i64) -> rusqlite::Result<()> {
    let Some(mut batch) = active(connection, result.batch)? else { return Ok(()) };
    let post = batch.post;
    if !is_open(connection, post)? {
        // The list was removed meanwhile, so nothing is tried again, and the sweeper removes the record.
        return finish(connection, &batch, 0, "the list was removed");
    }
    let mut counts = Counts::default();
    for (recipient, exception) in &result.exceptions {
        let (reply, pause) = match exception {
            Exception::Refused { reply } => (reply, None),
            Exception::Deferred { reply, pause } => (reply, Some(*pause)),
            Exception::Rejected { reply } => {
                (counts.rejected, counts.reason) = (counts.rejected + 1, Some(cut(reply)));
                continue;
            }
        };
        match except(connection, &batch, recipient, (reply, pause), now)? {
            Excepted::Refused => counts.refused += 1,
            Excepted::Deferred => {}
            // It is no longer among the recipients of the batch, but among the exceptions.
            Excepted::Before => batch.recipients += 1,
        }
    }
    match &result.end {
        BatchEnd::Done { sent, reply } => {
            counts.sent = *sent;
            finish(connection, &batch, *sent, reply)?;
        }
        BatchEnd::Again { settled, sent, pause, why, doubted } => {
            (counts.sent, counts.doubted, counts.reason) = (*sent, *doubted, Some(cut(why)));
            let again = Again {
                settled: *settled,
                sent: *sent,
                left: batch.recipients.saturating_sub(*sent + result.exceptions.len() as u64),
                pause: *pause,
                why,
                in_doubt: *doubted > 0,
            };
            counts.refused += if batch.is_of_deferred() {
                again.wait_alone(connection, &batch, now)?
            } else {
                again.wait(connection, &batch, now)?
            };
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
    reason: Option<&'r str>,
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

/// What was recorded of a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Excepted {
    /// It was refused, or deferred for too long.
    Refused,
    Deferred,
    /// Nothing: its refusal was recorded before.
    Before,
}

/// Records that one recipient was refused, or deferred for a time.
fn except(
    connection: &Connection,
    batch: &Batch,
    recipient: &Recipient,
    (reply, pause): (&str, Option<Pause>),
    now: i64,
) -> rusqlite::Result<Excepted> {
    let before = "SELECT attempts, waited, state = 'refused' FROM recipient WHERE post = ?1 AND seq = ?2";
    let before = connection
        .prepare_cached(before)?
        .query_row([batch.post.0, recipient.seq.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    // What a batch has waited counts for each of its recipients.
    let (mut attempts, mut waited, was_refused): (u32, i64, bool) =
        before.unwrap_or((batch.attempts, batch.waited, false));
    if was_refused {
        return Ok(Excepted::Before);
    }
    if pause.is_none() {
        note_refusal(connection, (batch.post, recipient), reply, now)?;
    }
    if let Some(pause) = pause {
        (attempts, waited) = pause.count(attempts, waited);
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
    Ok(if due.is_some() { Excepted::Deferred } else { Excepted::Refused })
}

/// Ends a batch. Deferred recipients that it still has are settled with it.
fn finish(connection: &Connection, batch: &Batch, sent: u64, reply: &str) -> rusqlite::Result<()> {
    if batch.is_of_deferred() {
        settle(connection, batch, Seq(i64::MAX))?;
    }
    let sql = "UPDATE batch
               SET state = 'done', recipients = ?2, sent = sent + ?3, reply = ?4, due_at = NULL, due_span = NULL
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![batch.id.0, batch.recipients, sent, cut(reply)])?;
    Ok(())
}

/// Settles the deferred recipients of a batch up to `upto`. Their rows stay: the range in which they were offered first may
/// be tried again, and does not offer them a second time.
fn settle(connection: &Connection, batch: &Batch, upto: Seq) -> rusqlite::Result<()> {
    let sql = "UPDATE recipient SET state = 'done', batch = NULL, due_at = NULL, due_span = NULL
               WHERE batch = ?1 AND seq <= ?2";
    connection.prepare_cached(sql)?.execute([batch.id.0, upto.0]).map(drop)
}

/// What is left of a batch, and when it is tried again.
struct Again<'r> {
    /// Recipients with a higher seq are tried again: all if there is none.
    settled: Option<Seq>,
    sent: u64,
    /// How many are tried again, as far as is known.
    left: u64,
    pause: Pause,
    why: &'r str,
    in_doubt: bool,
}

impl Again<'_> {
    /// Lets the rest of a range wait, under another id. Returns how many recipients were given up instead.
    fn wait(&self, connection: &Connection, batch: &Batch, now: i64) -> rusqlite::Result<u64> {
        let (attempts, waited) = self.pause.count(batch.attempts, batch.waited);
        let rest = Batch {
            above: self.settled.map_or(batch.above, |settled| settled.max(batch.above)),
            attempts,
            waited,
            doubts: batch.doubts + u32::from(self.in_doubt),
            recipients: self.left,
            ..*batch
        };
        if self.sent > 0 || self.in_doubt || rest.above > batch.above {
            let upto = if self.in_doubt { batch.upto } else { rest.above };
            let narrow = "UPDATE batch SET upto = ?2 WHERE id = ?1";
            connection.prepare_cached(narrow)?.execute([batch.id.0, upto.0])?;
            finish(connection, batch, self.sent, self.why)?;
        } else {
            // No recipient got a copy, so there is nothing to remember.
            connection.prepare_cached("DELETE FROM batch WHERE id = ?1")?.execute([batch.id.0])?;
        }
        if rest.above >= rest.upto {
            return Ok(0);
        }
        if waited > length(limits::GIVE_UP) {
            return give_up(connection, &rest, self.why, now);
        }
        rest.insert_to_wait(connection, Due::after(now, self.pause.length()), self.why)?;
        Ok(0)
    }

    /// Lets each recipient of a batch of deferred recipients wait alone again. Returns how many were given up instead.
    fn wait_alone(&self, connection: &Connection, batch: &Batch, now: i64) -> rusqlite::Result<u64> {
        if let Some(settled) = self.settled {
            settle(connection, batch, settled)?;
        }
        let (attempts, waited) = self.pause.count(0, 0);
        let due = Due::after(now, self.pause.length());
        let later = "UPDATE recipient
                     SET batch = NULL, reply = ?2, at = ?3, due_at = ?4, due_span = ?5, attempts = attempts + ?6,
                         waited = waited + ?7, doubts = doubts + ?8
                     WHERE batch = ?1 AND waited + ?7 <= ?9";
        let limit = length(limits::GIVE_UP);
        connection.prepare_cached(later)?.execute(params![
            batch.id.0,
            cut(self.why),
            now,
            due.at,
            due.span,
            attempts,
            waited,
            self.in_doubt,
            limit,
        ])?;
        let given_up = "UPDATE recipient
                        SET state = 'refused', batch = NULL, reply = ?2, at = ?3, due_at = NULL, due_span = NULL
                        WHERE batch = ?1";
        let given_up =
            connection.prepare_cached(given_up)?.execute(params![batch.id.0, cut(self.why), now])?;
        finish(connection, batch, self.sent, self.why)?;
        Ok(given_up as u64)
    }
}

impl Pause {
    fn length(self) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Free(pause) | Self::Deferred(pause) => pause,
        }
    }

    /// Adds this pause to how often and how long something was deferred, if it counts.
    fn count(self, attempts: u32, waited: i64) -> (u32, i64) {
        match self {
            Self::Deferred(pause) => (attempts + 1, waited + length(pause)),
            Self::AtOnce | Self::Free(_) => (attempts, waited),
        }
    }
}

/// Gives up what is left of a batch that was deferred for too long, and returns how many recipients that were. Their number
/// is bounded by the members that were looked at when the batch was made.
fn give_up(connection: &Connection, rest: &Batch, why: &str, now: i64) -> rusqlite::Result<u64> {
    let audience = Audience::of(connection, rest.post)?;
    let mut rows = usize::MAX;
    let all = audience.in_range(connection, (rest.above, rest.upto), usize::MAX, &mut rows, now)?;
    let sql = "INSERT INTO recipient (post, seq, state, address, reply, at, attempts, waited)
               VALUES (?1, ?2, 'refused', ?3, ?4, ?5, ?6, ?7)";
    let mut refuse = connection.prepare_cached(sql)?;
    for Recipient { seq, address } in &all.recipients {
        let values = params![rest.post.0, seq.0, address, cut(why), now, rest.attempts, rest.waited];
        refuse.execute(values)?;
    }
    Ok(all.recipients.len() as u64)
}

/// Returns the time of a pause in milliseconds.
fn length(pause: Duration) -> i64 {
    milliseconds(std::time::UNIX_EPOCH + pause)
}
