//! Posts and their batches, for operators.

use super::batch::Audience;
use crate::backends::sqlite::members;
use crate::model::{
    BatchId, BatchRecord, BatchState, PostId, PostKind, PostRecord, PostState, RecipientRecord, Seq, time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use std::time::SystemTime;

/// Selects what [`read_post`] reads, without notices.
const POST: &str = "SELECT post.id, coalesce(roster.list_id, settings ->> '$'), kind, message_id, accepted_at, finished_at, personal,
            turn IS NOT NULL, due_at, sent, refused, rejected, doubted, reason,
            (SELECT count(*) FROM recipient WHERE recipient.post = post.id AND recipient.state = 'deferred')
            + (SELECT coalesce(sum(recipients), 0) FROM batch
               WHERE batch.post = post.id AND batch.state = 'later' AND upto > 0),
            EXISTS (SELECT 1 FROM batch WHERE batch.post = post.id AND batch.state IN ('claimed', 'sending'))
     FROM post LEFT JOIN roster ON roster.list = post.list
     WHERE kind IN ('post', 'owner') AND (post.list = 0 OR roster.list_id IS NOT NULL)";

fn read_post(row: &Row<'_>) -> rusqlite::Result<PostRecord> {
    let finished_at = time(row, 5)?;
    let (is_ready, is_being_sent): (bool, bool) = (row.get(7)?, row.get(15)?);
    let state = match finished_at {
        Some(_) => PostState::Finished,
        None if is_being_sent => PostState::Sending,
        None if is_ready => PostState::Ready,
        None => PostState::Waiting,
    };
    Ok(PostRecord {
        id: PostId(row.get(0)?),
        list_id: row.get(1)?,
        kind: PostKind::from_name(row.get_ref(2)?.as_str()?).ok_or_else(|| unknown(2, "kind of post"))?,
        message_id: row.get(3)?,
        accepted_at: time_at(row.get(4)?),
        finished_at,
        personal: row.get(6)?,
        state,
        due: time(row, 8)?,
        sent: row.get(9)?,
        refused: row.get(10)?,
        rejected: row.get(11)?,
        doubted: row.get(12)?,
        // An empty text is stored if the server gave no reason.
        reason: row.get::<_, Option<String>>(13)?.filter(|reason| !reason.is_empty()),
        deferred: row.get(14)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SystemTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(time_at))
}

fn unknown(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("an unknown {what}").into())
}

/// Returns up to `most` posts of a list, or of all with `None`, with the smallest ids above `after`.
pub(in crate::backends::sqlite) fn posts_after(
    connection: &Connection,
    list_id: Option<&str>,
    after: PostId,
    most: usize,
) -> rusqlite::Result<Vec<PostRecord>> {
    let sql =
        format!("{POST} AND (?1 IS NULL OR roster.list_id = ?1) AND post.id > ?2 ORDER BY post.id LIMIT ?3");
    connection.prepare(&sql)?.query_map(params![list_id, after.0, most], read_post)?.collect()
}

/// Returns a post.
pub(in crate::backends::sqlite) fn post(
    connection: &Connection,
    id: PostId,
) -> rusqlite::Result<Option<PostRecord>> {
    connection.prepare(&format!("{POST} AND post.id = ?1"))?.query_row([id.0], read_post).optional()
}

/// Returns up to `most` posts with this Message-ID, those with the smallest ids.
pub(in crate::backends::sqlite) fn posts_with(
    connection: &Connection,
    message_id: &str,
    most: usize,
) -> rusqlite::Result<Vec<PostRecord>> {
    let sql = format!("{POST} AND message_id = ?1 ORDER BY post.id LIMIT ?2");
    connection.prepare(&sql)?.query_map(params![message_id, most], read_post)?.collect()
}

/// Returns how many of those who are recipients of a post now have not been in any batch yet. An owner who is a moderator
/// too counts twice.
pub(in crate::backends::sqlite) fn left_of(
    connection: &Connection,
    post: PostId,
    now: i64,
) -> rusqlite::Result<u64> {
    let sql = "SELECT cursor, cutoff FROM post WHERE id = ?1 AND finished_at IS NULL";
    let range = connection
        .prepare_cached(sql)?
        .query_row([post.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((cursor, cutoff)) = range else { return Ok(0) };
    let Audience { list, is_of_owners, skipped, .. } = Audience::of(connection, post)?;
    let roles = if is_of_owners { "role IN ('owner', 'moderator')" } else { "role = 'member'" };
    let sql = format!(
        "SELECT count(*) FROM member INDEXED BY member_role
         WHERE list = ?2 AND {roles} AND seq > ?3 AND seq <= ?4 AND seq IS NOT ?5 AND {}",
        members::RECEIVES
    );
    connection.prepare_cached(&sql)?.query_row(params![now, list, cursor, cutoff, skipped], |row| row.get(0))
}

/// Returns up to `most` batches of a post with the smallest ids above `after`.
pub(in crate::backends::sqlite) fn batches_after(
    connection: &Connection,
    post: PostId,
    after: BatchId,
    most: usize,
) -> rusqlite::Result<Vec<BatchRecord>> {
    let sql = "SELECT id, state, recipients, sent, attempts, doubts, due_at, reply FROM batch
               WHERE post = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let read = |row: &Row<'_>| {
        let state = BatchState::from_name(row.get_ref(1)?.as_str()?);
        Ok(BatchRecord {
            id: BatchId(row.get(0)?),
            state: state.ok_or_else(|| unknown(1, "state of a batch"))?,
            recipients: row.get(2)?,
            sent: row.get(3)?,
            attempts: row.get(4)?,
            doubts: row.get(5)?,
            due: time(row, 6)?,
            reply: row.get::<_, Option<String>>(7)?.filter(|reply| !reply.is_empty()),
        })
    };
    connection.prepare(sql)?.query_map(params![post.0, after.0, most], read)?.collect()
}

/// Returns up to `most` recipients who did not get a post when it was offered, with the smallest seqs above `after`.
pub(in crate::backends::sqlite) fn exceptions_after(
    connection: &Connection,
    post: PostId,
    after: Option<Seq>,
    most: usize,
) -> rusqlite::Result<Vec<RecipientRecord>> {
    let sql = "SELECT seq, address, state = 'deferred', reply, at, attempts, due_at FROM recipient
               WHERE post = ?1 AND seq > ?2 AND state <> 'done' ORDER BY seq LIMIT ?3";
    let read = |row: &Row<'_>| {
        Ok(RecipientRecord {
            seq: Seq(row.get(0)?),
            address: row.get(1)?,
            is_deferred: row.get(2)?,
            reply: row.get(3)?,
            at: time_at(row.get(4)?),
            attempts: row.get(5)?,
            due: time(row, 6)?,
        })
    };
    let after = after.map_or(-1, |Seq(seq)| seq);
    connection.prepare(sql)?.query_map(params![post.0, after, most], read)?.collect()
}
