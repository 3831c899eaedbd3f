//! Marks notices that did not reach their address, so that it gets no more for a time.

use crate::model::{BounceOf, Evidence, NewBounce, PostId, Recipient, Seq};
use listgate_engine::bounce::{Class, class_of_reply};
use rusqlite::{Connection, params};

/// Marks the notice that has bounced for good, if a bounce is about one.
pub(super) fn note_bounce(connection: &Connection, bounce: &NewBounce, now: i64) -> rusqlite::Result<()> {
    let Evidence::Signed { about: BounceOf::Notice, subject } = bounce.evidence else { return Ok(()) };
    if bounce.class != Class::Permanent.name() {
        return Ok(());
    }
    let sql = "UPDATE notice SET bounced_at = ?3
               WHERE post = ?1 AND EXISTS (SELECT 1 FROM post WHERE id = ?1 AND list = ?2)";
    connection.prepare_cached(sql)?.execute(params![subject, bounce.list.0, now])?;
    Ok(())
}

/// Marks the notice whose recipient was refused for good, if a post is one. Mail to owners has members of the list as
/// recipients, so those are not meant.
pub(super) fn note_refusal(
    connection: &Connection,
    (post, recipient): (PostId, &Recipient),
    reply: &str,
    now: i64,
) -> rusqlite::Result<()> {
    if recipient.seq != Seq(0) || class_of_reply(reply) != Class::Permanent {
        return Ok(());
    }
    let sql = "UPDATE notice SET bounced_at = ?2 WHERE post = ?1 AND address IS NOT NULL";
    connection.prepare_cached(sql)?.execute(params![post.0, now])?;
    Ok(())
}
