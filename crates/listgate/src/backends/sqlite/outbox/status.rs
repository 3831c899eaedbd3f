//! What waits to leave, for operators and metrics.

use crate::limits;
use crate::model::{OutgoingNow, time_at};
use rusqlite::{Connection, OptionalExtension};

/// Returns about how many members have not been in any batch of the posts that have the next turns. It takes a tenth of a
/// second for a million members, so few posts are looked at.
pub(in crate::backends::sqlite) fn left(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum((SELECT count(*) FROM member INDEXED BY member_role
                                    WHERE list = next.list AND role = 'member' AND seq > cursor AND seq <= cutoff)), 0)
               FROM (SELECT list, cursor, cutoff FROM post INDEXED BY post_turn
                     WHERE turn IS NOT NULL AND kind = 'post' ORDER BY turn LIMIT ?1) next";
    connection.prepare_cached(sql)?.query_row([limits::POSTS_COUNTED], |row| row.get(0))
}

/// Counts the recipients of posts who are tried again: all but those of notices, which are few.
const DEFERRED: &str = "
    SELECT (SELECT count(*) FROM recipient INDEXED BY recipient_deferred WHERE state = 'deferred')
           + (SELECT coalesce(sum(recipients), 0) FROM batch INDEXED BY batch_set_back WHERE state = 'later')
           - (SELECT count(*) FROM post INDEXED BY post_notices JOIN recipient ON recipient.post = post.id
              WHERE kind IN ('notice', 'owner_notice') AND finished_at IS NULL AND state = 'deferred')
           - (SELECT coalesce(sum(recipients), 0)
              FROM post INDEXED BY post_notices JOIN batch INDEXED BY batch_set_back ON batch.post = post.id
              WHERE kind IN ('notice', 'owner_notice') AND finished_at IS NULL AND state = 'later')";

/// Looks at what waits to leave.
pub(in crate::backends::sqlite) fn now(connection: &Connection) -> rusqlite::Result<OutgoingNow> {
    let count = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get(0));
    let mut open = connection.prepare_cached(
        "SELECT count(*), min(accepted_at) FROM post INDEXED BY post_open
         WHERE finished_at IS NULL AND kind IN ('post', 'owner')",
    )?;
    let (posts, oldest) = open.query_row([], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let reason =
        "SELECT reason FROM post INDEXED BY post_open WHERE finished_at IS NULL AND reason > '' LIMIT 1";
    let stopped = "SELECT since, reason FROM way_out";
    let stopped = connection
        .prepare_cached(stopped)?
        .query_row([], |row| Ok((time_at(row.get(0)?), row.get(1)?)))
        .optional()?;
    Ok(OutgoingNow {
        posts,
        sending: count(
            "SELECT count(*) FROM batch INDEXED BY batch_active JOIN post ON post.id = batch.post
             WHERE state IN ('claimed', 'sending') AND kind IN ('post', 'owner')",
        )?,
        deferred: count(DEFERRED)?,
        notices: count(
            "SELECT count(*) FROM post INDEXED BY post_notices
             WHERE kind IN ('notice', 'owner_notice') AND finished_at IS NULL",
        )?,
        oldest: oldest.map(time_at),
        doubted: count(
            "SELECT coalesce(sum(doubted), 0) FROM post INDEXED BY post_doubted WHERE doubted > 0",
        )?,
        stopped,
        reason: connection.prepare_cached(reason)?.query_row([], |row| row.get(0)).optional()?,
        held: count("SELECT count(*) FROM held_post")?,
    })
}
