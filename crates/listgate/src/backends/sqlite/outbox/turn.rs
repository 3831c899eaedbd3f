//! When a post has something to send, and when it is finished.

use crate::limits;
use crate::model::{Due, PostId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeSet;
use std::time::Duration;

/// Returns whether a post has something to send now.
pub(in crate::backends::sqlite) fn has_something(
    connection: &Connection,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM post INDEXED BY post_turn WHERE turn IS NOT NULL)
                      OR EXISTS (SELECT 1 FROM post INDEXED BY post_due WHERE due_at <= ?1)
                      OR EXISTS (SELECT 1 FROM post INDEXED BY post_set_back
                                 WHERE due_at IS NOT NULL AND due_at - due_span > ?1)";
    connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))
}

/// Finds out whether a post has something to send, and otherwise when; or finishes it. This is called after each change
/// of it.
pub(super) fn refresh(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
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
pub(in crate::backends::sqlite) fn give_turn(connection: &Connection, post: PostId) -> rusqlite::Result<()> {
    let sql = "UPDATE post SET due_at = NULL, due_span = NULL,
                               turn = (SELECT coalesce(max(turn), 0) + 1 FROM post WHERE turn IS NOT NULL)
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([post.0]).map(drop)
}

/// Why the message to the owners of a list goes to another address.
pub(in crate::backends::sqlite) const NO_OWNER: &str = "the list has no owner";

/// Adds a recipient who is not a member to a post, to be sent it at once. `why` says why it is one.
pub(in crate::backends::sqlite) fn add_recipient(
    connection: &Connection,
    post: PostId,
    (address, why): (&str, &str),
    now: i64,
) -> rusqlite::Result<()> {
    let due = Due::after(now, Duration::ZERO);
    let sql = "INSERT INTO recipient (post, seq, state, address, reply, at, due_at, due_span)
               VALUES (?1, 0, 'deferred', ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![post.0, address, why, now, due.at, due.span])?;
    Ok(())
}

/// Selects batches of a post that are tried again now: those whose time has come, then those that wait only because the
/// clock was set back. `?1` is the post, and `?2` the time. Each has an index.
pub(super) const BATCHES_DUE: [&str; 2] = [
    "FROM batch INDEXED BY batch_post WHERE post = ?1 AND state = 'later' AND due_at <= ?2 ORDER BY due_at",
    "FROM batch INDEXED BY batch_set_back WHERE post = ?1 AND state = 'later' AND due_at - due_span > ?2
     ORDER BY due_at - due_span DESC",
];

/// Selects recipients who were deferred alone, in the same way.
pub(super) const RECIPIENTS_DUE: [&str; 2] = [
    "FROM recipient INDEXED BY recipient_waiting
     WHERE post = ?1 AND state = 'deferred' AND batch IS NULL AND due_at <= ?2 ORDER BY due_at",
    "FROM recipient INDEXED BY recipient_set_back
     WHERE post = ?1 AND state = 'deferred' AND batch IS NULL AND due_at - due_span > ?2
     ORDER BY due_at - due_span DESC",
];

/// Returns whether a post has a batch or a deferred recipient that is tried again now.
pub(super) fn has_retry(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<bool> {
    for due in BATCHES_DUE.iter().chain(&RECIPIENTS_DUE) {
        if connection.prepare_cached(&format!("SELECT 1 {due} LIMIT 1"))?.exists(params![post.0, now])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns when the next batch or deferred recipient of a post is tried again.
pub(super) fn next_retry(connection: &Connection, post: PostId) -> rusqlite::Result<Option<Due>> {
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

/// Makes recipients due who wait alone, but neither because the mail server deferred them nor because they are in doubt: it
/// refused all mail. Only the last ones are looked at; the others are due after their pause.
pub(super) fn free_undecided(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    let sql = "SELECT post, seq
               FROM (SELECT * FROM recipient INDEXED BY recipient_deferred WHERE state = 'deferred'
                     ORDER BY post DESC, seq DESC LIMIT ?2)
               WHERE batch IS NULL AND waited = 0 AND doubts = 0 AND due_at > ?1 LIMIT ?3";
    let mut some = connection.prepare_cached(sql)?;
    let values = params![now, limits::SCANNED_AT_ONCE, limits::DEFERRED_AT_ONCE];
    let some = some.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let some = some.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let sql = "UPDATE recipient SET due_at = ?3, due_span = 0 WHERE post = ?1 AND seq = ?2";
    let mut free = connection.prepare_cached(sql)?;
    for (post, seq) in &some {
        free.execute(params![post, seq, now])?;
    }
    let posts: BTreeSet<i64> = some.into_iter().map(|(post, _)| post).collect();
    posts.into_iter().try_for_each(|post| refresh(connection, PostId(post), now))
}

/// Finishes a post: its message, or what a notice says, is no longer needed. Its record is kept for a time.
pub(super) fn finish(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<()> {
    let forget = Due::after(now, limits::POST_REMEMBERED);
    let kept = "DELETE FROM kept WHERE id = (SELECT kept FROM post WHERE id = ?1)";
    connection.prepare_cached(kept)?.execute([post.0])?;
    let sql = "UPDATE post SET kept = NULL, turn = NULL, due_at = NULL, due_span = NULL, finished_at = ?2, forget_at = ?3,
                               settings = CASE WHEN kind IN ('notice', 'owner_notice') THEN '' ELSE settings END
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![post.0, now, forget.at])?;
    Ok(())
}
