//! Batches of posts: which recipients come next, and what became of them. The caller provides the transaction.
//!
//! A batch is a range of seqs. Its recipients are looked up when it is claimed, and again when it is tried again: those
//! who are members then, and have no row in `recipient`, which lists the exceptions. A recipient who was deferred alone
//! is tried again in a batch of such recipients, which has no range.
//!
//! What is left of a batch after a result is tried again under another id. So a result that is reported twice, because
//! its answer was lost, counts once.

mod batch;
mod claim;
mod record;
mod records;
mod recover;
mod status;
#[cfg(test)]
mod tests;
mod turn;

pub(super) use claim::Claims;
pub(super) use records::{batches_after, exceptions_after, left_of, post, posts_after, posts_with};
pub(super) use recover::recover;
pub(super) use status::{left, now};
pub(super) use turn::{NO_OWNER, add_recipient, give_turn, has_something};

use crate::backends::sqlite::connection::in_savepoint;
use crate::backends::sqlite::reason::cut;
use crate::model::{Advance, StoreError, WayOut};
use rusqlite::{Connection, params};

/// Records refusals and results, marks batches, and claims others, in this order, completely or not at all. `now` is in
/// milliseconds since 1970.
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

fn apply(connection: &Connection, advance: &Advance, now: i64) -> rusqlite::Result<Claims> {
    for refusal in &advance.refused {
        record::refuse(connection, refusal, now)?;
    }
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
        connection.prepare_cached("DELETE FROM way_out")?.execute([])?;
        return if *way_out == WayOut::Open { turn::free_undecided(connection, now) } else { Ok(()) };
    };
    if connection.prepare_cached("UPDATE way_out SET reason = ?1")?.execute([cut(reason)])? == 0 {
        let sql = "INSERT INTO way_out (since, reason) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![now, cut(reason)])?;
    }
    Ok(())
}
