//! Makes free what a process had when it ended.

use super::turn::refresh;
use crate::model::{Due, PostId};
use rusqlite::{Connection, params};
use std::time::Duration;

/// Makes batches free that a process had when it ended. Those that it was sending are in doubt.
pub(in crate::backends::sqlite) fn recover(connection: &Connection, now: i64) -> rusqlite::Result<()> {
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
