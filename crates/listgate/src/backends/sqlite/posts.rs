//! What the engine looks up and stores: posts, held posts, decisions and bounces.

use super::reason::cut;
use super::{lists, members, offers, outbox};
use crate::limits;
use crate::model::{
    BanPattern, DecisionId, DecisionOutcome, DecisionRecord, Due, Evidence, HeldId, HeldPost, List,
    ListNumber, ListSnapshot, MessageId, MessageIdHash, NewBounce, NewDecision, NewHeldPost, NewPost,
    Personal, PostId, PostKind, Seq, time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

/// Returns what is known of a list.
pub(super) fn snapshot(connection: &Connection, list_id: &str) -> rusqlite::Result<Option<ListSnapshot>> {
    // One transaction, so that all of it is of the same moment.
    let transaction = connection.unchecked_transaction()?;
    if let Some(list) = List::of_postmaster_by_id(list_id) {
        let changes = lists::changes(&transaction)?;
        return Ok(Some(ListSnapshot::of_postmaster(list, changes)));
    }
    let Some(list) = lists::by_list_id(&transaction, list_id)? else { return Ok(None) };
    let number: i64 = transaction
        .prepare_cached("SELECT list FROM roster WHERE list_id = ?1")?
        .query_row([list_id], |row| row.get(0))?;
    let settings = transaction
        .prepare_cached("SELECT key, value FROM list_setting WHERE list = ?1 ORDER BY key")?
        .query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let bans = transaction
        .prepare_cached("SELECT pattern FROM ban WHERE list IN (0, ?1) ORDER BY pattern")?
        .query_map([number], |row| row.get(0).map(BanPattern::stored))?
        .collect::<rusqlite::Result<_>>()?;
    let changes = lists::changes(&transaction)?;
    Ok(Some(ListSnapshot { number: ListNumber(number), list, settings, bans, changes }))
}

/// Returns whether the list has accepted or held a post with this Message-ID in recent days.
pub(super) fn is_posted(
    connection: &Connection,
    list: ListNumber,
    message_id: MessageIdHash,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql =
        "SELECT 1 FROM posted WHERE list = ?1 AND message_id = ?2 AND forget_at > ?3 AND forget_at <= ?4";
    // If it is further away than it can be, the clock was set back.
    let Due { at, span } = Due::after(now, limits::POSTED_REMEMBERED);
    let last = at.max(now.saturating_add(span));
    connection.prepare_cached(sql)?.exists(params![list.0, message_id.0, now, last])
}

/// Returns whether a list holds as many posts as it may.
pub(super) fn holds_too_many(connection: &Connection, list: ListNumber) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM held_post WHERE list = ?1 LIMIT 1 OFFSET ?2";
    connection.prepare_cached(sql)?.exists(params![list.0, limits::HELD_POSTS - 1])
}

/// Returns whether this post still waits for a moderator.
pub(super) fn is_held(connection: &Connection, held: HeldId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM held_post WHERE id = ?1")?.exists([held.0])
}

/// Returns whether the engine runs if the configuration does not say.
pub(super) fn runs_by_default(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT runs_by_default FROM engine", [], |row| row.get(0))
}

/// Keeps a message beyond its entries, and returns the reference.
pub(super) fn keep(connection: &Connection, message: MessageId) -> rusqlite::Result<i64> {
    connection.prepare_cached("INSERT INTO kept (delivery) VALUES (?1)")?.execute([message.0])?;
    Ok(connection.last_insert_rowid())
}

/// Remembers the Message-ID of a post.
pub(super) fn remember(
    connection: &Connection,
    list: ListNumber,
    message_id: MessageIdHash,
    now: i64,
) -> rusqlite::Result<()> {
    let Due { at, .. } = Due::after(now, limits::POSTED_REMEMBERED);
    let sql = "INSERT INTO posted (list, message_id, forget_at) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET forget_at = excluded.forget_at";
    connection.prepare_cached(sql)?.execute(params![list.0, message_id.0, at])?;
    Ok(())
}

/// Stores a post that is to be distributed, with the cutoff of this moment.
pub(super) fn distribute(connection: &Connection, post: &NewPost, now: i64) -> rusqlite::Result<()> {
    let NewPost { list, kind, message, message_id, size, settings, personal, skipped, instead_of_owners } =
        post;
    let kept = keep(connection, *message)?;
    let personal = match (personal, kind) {
        (Personal::Always, _) | (_, PostKind::Owner) => true,
        (Personal::Never, PostKind::Post) => false,
        (Personal::Auto, PostKind::Post) => is_cheap(connection, *list, *size, now)?,
    };
    let sql = "INSERT INTO post (list, kind, kept, message_id, accepted_at, settings, personal, skipped, cutoff)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT seq FROM sqlite_sequence WHERE name = 'member'))";
    connection.prepare_cached(sql)?.execute(params![
        list.0,
        kind.as_str(),
        kept,
        message_id,
        now,
        settings,
        personal,
        skipped.map(|Seq(seq)| seq),
    ])?;
    let id = connection.last_insert_rowid();
    outbox::give_turn(connection, PostId(id))?;
    if let Some(address) = instead_of_owners
        && !has_owner(connection, *list, now)?
    {
        outbox::add_recipient(connection, PostId(id), (address, outbox::NO_OWNER), now)?;
    }
    Ok(())
}

/// Returns whether copies for each member cost little, by their number and size. In a list with very many members whose
/// delivery is off, they are taken to be expensive, because counting the others is.
fn is_cheap(connection: &Connection, list: ListNumber, size: u64, now: i64) -> rusqlite::Result<bool> {
    let most = limits::PERSONAL_RECIPIENTS.min(limits::PERSONAL_OCTETS / size.max(1));
    let more = format!(
        "SELECT 1 FROM (SELECT off, off_until, off_span FROM member INDEXED BY member_role
                        WHERE list = ?2 AND role = 'member' LIMIT ?3)
         WHERE {} LIMIT 1 OFFSET ?4",
        members::RECEIVES
    );
    let values = params![now, list.0, limits::SCANNED_AT_ONCE, most];
    if connection.prepare_cached(&more)?.exists(values)? {
        return Ok(false);
    }
    let others =
        "SELECT 1 FROM member INDEXED BY member_role WHERE list = ?1 AND role = 'member' LIMIT 1 OFFSET ?2";
    Ok(!connection.prepare_cached(others)?.exists(params![list.0, limits::SCANNED_AT_ONCE])?)
}

/// Returns whether a list has an owner or moderator who gets mail.
pub(super) fn has_owner(connection: &Connection, list: ListNumber, now: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT 1 FROM member INDEXED BY member_role
         WHERE list = ?2 AND role IN ('owner', 'moderator') AND {}",
        members::RECEIVES
    );
    connection.prepare_cached(&sql)?.exists(params![now, list.0])
}

fn json(texts: &[String]) -> String {
    serde_json::to_string(texts).expect("texts are valid JSON")
}

/// Reads texts that [`json`] has written.
fn texts(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let read = serde_json::from_str(row.get_ref(column)?.as_str()?);
    read.map_err(|why| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why)))
}

/// Holds a post for a moderator, and returns its number.
pub(super) fn hold(connection: &Connection, held: &NewHeldPost, now: i64) -> rusqlite::Result<HeldId> {
    let kept = keep(connection, held.message)?;
    let sql = "INSERT INTO held_post (list, kept, mail_from, message_id, author, subject, reasons, held_at, notified)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        held.list.0,
        kept,
        held.mail_from,
        held.message_id,
        held.author,
        cut(&held.subject),
        json(&held.reasons),
        now,
        json(&held.notified),
    ])?;
    Ok(HeldId(connection.last_insert_rowid()))
}

/// Ends the wait of a held post, and notes what became of it.
pub(super) fn unhold(
    connection: &Connection,
    held: HeldId,
    outcome: DecisionOutcome,
    now: i64,
) -> rusqlite::Result<()> {
    offers::end(connection, held, outcome, now)?;
    let kept = "DELETE FROM kept WHERE id = (SELECT kept FROM held_post WHERE id = ?1)";
    connection.prepare_cached(kept)?.execute([held.0])?;
    connection.prepare_cached("DELETE FROM held_post WHERE id = ?1")?.execute([held.0])?;
    Ok(())
}

/// Returns up to `most` held posts of a list, or of all with `None`, with the smallest ids above `after`.
pub(super) fn held_after(
    connection: &Connection,
    list_id: Option<&str>,
    after: HeldId,
    most: usize,
) -> rusqlite::Result<Vec<HeldPost>> {
    let sql = format!(
        "{HELD_POST} WHERE (?1 IS NULL OR roster.list_id = ?1) AND held_post.id > ?2
         ORDER BY held_post.id LIMIT ?3"
    );
    connection.prepare(&sql)?.query_map(params![list_id, after.0, most], read_held)?.collect()
}

/// Returns a held post.
pub(super) fn held_post(connection: &Connection, id: HeldId) -> rusqlite::Result<Option<HeldPost>> {
    let sql = format!("{HELD_POST} WHERE held_post.id = ?1");
    connection.prepare(&sql)?.query_row([id.0], read_held).optional()
}

/// Returns up to `most` held posts with this Message-ID, those with the smallest ids.
pub(super) fn held_with(
    connection: &Connection,
    message_id: &str,
    most: usize,
) -> rusqlite::Result<Vec<HeldPost>> {
    let sql = format!("{HELD_POST} WHERE held_post.message_id = ?1 ORDER BY held_post.id LIMIT ?2");
    connection.prepare(&sql)?.query_map(params![message_id, most], read_held)?.collect()
}

/// Selects what [`read_held`] reads.
const HELD_POST: &str =
    "SELECT held_post.id, roster.list_id, delivery.id, delivery.size, held_post.mail_from, held_post.message_id, author,
            subject, reasons, held_at, notified
     FROM held_post JOIN roster ON roster.list = held_post.list AND roster.list_id IS NOT NULL
          JOIN kept ON kept.id = held_post.kept
          JOIN delivery ON delivery.id = kept.delivery";

fn read_held(row: &Row<'_>) -> rusqlite::Result<HeldPost> {
    Ok(HeldPost {
        id: HeldId(row.get(0)?),
        list_id: row.get(1)?,
        message: MessageId(row.get(2)?),
        size: row.get(3)?,
        mail_from: row.get(4)?,
        message_id: row.get(5)?,
        author: row.get(6)?,
        subject: row.get(7)?,
        reasons: texts(row, 8)?,
        held_at: time_at(row.get(9)?),
        notified: texts(row, 10)?,
    })
}

/// Records what became of a message.
pub(super) fn record_decision(
    connection: &Connection,
    decision: &NewDecision,
    now: i64,
) -> rusqlite::Result<()> {
    let Due { at: forget_at, .. } = Due::after(now, limits::POST_REMEMBERED);
    let sql = "INSERT INTO decision (list, message_id, mail_from, outcome, reasons, decided_at, forget_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute(params![
        decision.list.0,
        decision.message_id,
        decision.mail_from,
        decision.outcome.as_str(),
        json(&decision.reasons),
        now,
        forget_at,
    ])?;
    Ok(())
}

/// Returns up to `most` decisions about messages with this Message-ID, those with the smallest ids above `after`.
pub(super) fn decisions_after(
    connection: &Connection,
    message_id: &str,
    after: DecisionId,
    most: usize,
) -> rusqlite::Result<Vec<DecisionRecord>> {
    let sql = "SELECT id, roster.list_id, mail_from, outcome, reasons, decided_at
               FROM decision JOIN roster ON roster.list = decision.list AND roster.list_id IS NOT NULL
               WHERE message_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let read = |row: &Row<'_>| {
        let unknown = || {
            rusqlite::Error::FromSqlConversionFailure(
                3,
                Type::Text,
                "an unknown outcome of a decision".into(),
            )
        };
        Ok(DecisionRecord {
            id: DecisionId(row.get(0)?),
            list_id: row.get(1)?,
            message_id: message_id.to_owned(),
            mail_from: row.get(2)?,
            outcome: DecisionOutcome::from_name(row.get_ref(3)?.as_str()?).ok_or_else(unknown)?,
            reasons: texts(row, 4)?,
            decided_at: time_at(row.get(5)?),
        })
    };
    connection.prepare(sql)?.query_map(params![message_id, after.0, most], read)?.collect()
}

/// Returns the first octets of a test message that has come back.
pub(super) fn test_message(connection: &Connection, subject: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT header FROM bounce INDEXED BY bounce_test WHERE purpose = 'test' AND subject = ?1";
    connection.prepare_cached(sql)?.query_row([subject], |row| row.get(0)).optional()
}

/// Records a bounce. Of those without a valid token, a list keeps [`limits::UNSIGNED_BOUNCES`], and counts all.
pub(super) fn record_bounce(connection: &Connection, bounce: &NewBounce, now: i64) -> rusqlite::Result<()> {
    let (purpose, subject, header) = match &bounce.evidence {
        Evidence::Signed { about, subject } => (Some(about.as_str()), Some(*subject), None),
        Evidence::Unsigned { header } => {
            let count = "UPDATE roster SET unsigned_bounces = unsigned_bounces + 1 WHERE list = ?1";
            connection.prepare_cached(count)?.execute([bounce.list.0])?;
            let many = "SELECT 1 FROM bounce INDEXED BY bounce_unsigned WHERE list = ?1 AND purpose IS NULL LIMIT 1 OFFSET ?2";
            if connection
                .prepare_cached(many)?
                .exists(params![bounce.list.0, limits::UNSIGNED_BOUNCES - 1])?
            {
                return Ok(());
            }
            (None, None, Some(header))
        }
        Evidence::Test { subject, message } => (Some("test"), Some(*subject), Some(message)),
    };
    let Due { at: forget_at, .. } = Due::after(now, limits::BOUNCE_REMEMBERED);
    let sql = "INSERT INTO bounce (list, purpose, subject, class, status, diagnostic, header, received_at, forget_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        bounce.list.0,
        purpose,
        subject,
        bounce.class,
        bounce.status,
        bounce.diagnostic.as_deref().map(cut),
        header,
        now,
        forget_at,
    ])?;
    Ok(())
}
