//! Claims batches. Posts take turns: the one whose turn was longest ago comes first.

use super::{Batch, finish, refresh};
use crate::limits;
use crate::model::{
    BatchId, ClaimRequest, Claimed, ListAddress, MessageId, PostId, PostKind, Recipient, Seq,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

/// Claims up to `request.batches` batches that are due.
pub(super) fn claim(
    connection: &Connection,
    request: ClaimRequest,
    now: i64,
) -> rusqlite::Result<Vec<Claimed>> {
    let mut claimed = Vec::new();
    for _ in 0..limits::POSTS_AT_ONCE {
        if claimed.len() == request.batches {
            break;
        }
        let Some(post) = next_post(connection, now)? else { break };
        claimed.extend(claim_one(connection, post, request, now)?);
    }
    Ok(claimed)
}

/// Returns whether a post has something to send at `now`, in milliseconds since 1970. This needs no write lock.
pub(in crate::backends::sqlite) fn has_due(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    next_post(connection, now).map(|post| post.is_some())
}

fn next_post(connection: &Connection, now: i64) -> rusqlite::Result<Option<PostId>> {
    let due = [
        "SELECT id FROM post INDEXED BY post_due WHERE due_at <= ?1 ORDER BY due_at LIMIT 1",
        // The clock was set back.
        "SELECT id FROM post INDEXED BY post_set_back WHERE due_at IS NOT NULL AND due_at - due_span > ?1
         ORDER BY due_at - due_span DESC LIMIT 1",
    ];
    for sql in due {
        let post = connection.prepare_cached(sql)?.query_row([now], |row| row.get(0)).optional()?;
        if post.is_some() {
            return Ok(post.map(PostId));
        }
    }
    Ok(None)
}

/// Claims the next batch of a post: one that is tried again, the next range, or recipients who were deferred alone.
/// Returns `None` if it has no recipients; the post has moved on then.
fn claim_one(
    connection: &Connection,
    id: PostId,
    request: ClaimRequest,
    now: i64,
) -> rusqlite::Result<Option<Claimed>> {
    let Some(post) = Post::read(connection, id)? else {
        // Its list was removed.
        finish(connection, id, now)?;
        return Ok(None);
    };
    let most = if post.personal { request.personal } else { request.bulk };
    let claimed = match again(connection, &post, now)? {
        Some(claimed) => Some(claimed),
        None if post.cursor < post.cutoff => next_range(connection, &post, most, now)?,
        None => deferred(connection, &post, most, now)?,
    };
    refresh(connection, id, now)?;
    Ok(claimed.map(|Taken { batch, recipients }| post.claimed(&batch, recipients)))
}

/// A batch that was claimed, and its recipients: at least one.
struct Taken {
    batch: Batch,
    recipients: Vec<Recipient>,
}

/// A post that is not finished, and its list.
struct Post {
    id: PostId,
    list: i64,
    kind: PostKind,
    personal: bool,
    skipped: Option<i64>,
    cutoff: Seq,
    cursor: Seq,
    message: MessageId,
    size: u64,
    settings: String,
    list_id: String,
    address: ListAddress,
    alias: Option<String>,
}

impl Post {
    /// Reads a post; `None` if its list was removed.
    fn read(connection: &Connection, id: PostId) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT post.list, kind, personal, skipped, cutoff, cursor, delivery.id, size, settings, list.list_id,
                          local, domain, alias
                   FROM post JOIN kept ON kept.id = post.kept JOIN delivery ON delivery.id = kept.delivery
                        JOIN roster ON roster.list = post.list JOIN list ON list.list_id = roster.list_id
                   WHERE post.id = ?1";
        let read = |row: &Row<'_>| {
            let kind = PostKind::from_name(row.get_ref(1)?.as_str()?);
            Ok(Self {
                id,
                list: row.get(0)?,
                kind: kind.ok_or_else(|| {
                    rusqlite::Error::FromSqlConversionFailure(1, Type::Text, "an unknown kind of post".into())
                })?,
                personal: row.get(2)?,
                skipped: row.get(3)?,
                cutoff: Seq(row.get(4)?),
                cursor: Seq(row.get(5)?),
                message: MessageId(row.get(6)?),
                size: row.get(7)?,
                settings: row.get(8)?,
                list_id: row.get(9)?,
                address: ListAddress { local: row.get(10)?, domain: row.get(11)? },
                alias: row.get(12)?,
            })
        };
        connection.prepare_cached(sql)?.query_row([id.0], read).optional()
    }

    fn claimed(self, batch: &Batch, recipients: Vec<Recipient>) -> Claimed {
        Claimed {
            batch: batch.id,
            post: self.id,
            kind: self.kind,
            message: self.message,
            size: self.size,
            list_id: self.list_id,
            list: self.address,
            alias: self.alias,
            settings: self.settings,
            personal: self.personal,
            is_retry: batch.is_of_deferred(),
            recipients,
            attempts: batch.attempts,
            doubts: batch.doubts,
        }
    }
}

/// Takes the batch of a post that is tried again next, if one is due. A batch whose recipients have all left is done.
fn again(connection: &Connection, post: &Post, now: i64) -> rusqlite::Result<Option<Taken>> {
    let sql = format!(
        "SELECT {} FROM batch
         WHERE post = ?1 AND state = 'later' AND (due_at <= ?2 OR due_at - due_span > ?2) ORDER BY due_at LIMIT 1",
        Batch::COLUMNS
    );
    let batch = connection.prepare_cached(&sql)?.query_row([post.id.0, now], Batch::read).optional()?;
    let Some(batch) = batch else { return Ok(None) };
    let recipients = recipients_of(connection, post, &batch, now)?;
    let state = if recipients.is_empty() { "done" } else { "claimed" };
    let sql = "UPDATE batch SET state = ?2, recipients = ?3, due_at = NULL, due_span = NULL WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![batch.id.0, state, recipients.len()])?;
    Ok((!recipients.is_empty()).then_some(Taken { batch, recipients }))
}

/// Returns the recipients of a batch that are not settled.
fn recipients_of(
    connection: &Connection,
    post: &Post,
    batch: &Batch,
    now: i64,
) -> rusqlite::Result<Vec<Recipient>> {
    if batch.is_of_deferred() {
        let sql = "SELECT seq, address FROM recipient WHERE batch = ?1 ORDER BY seq";
        let mut all = connection.prepare_cached(sql)?;
        return all.query_map([batch.id.0], read_recipient)?.collect();
    }
    in_range(connection, post, (batch.above, batch.upto), usize::MAX, now)
}

/// Makes a batch of the next range of a post, and moves the cursor past it.
fn next_range(
    connection: &Connection,
    post: &Post,
    most: usize,
    now: i64,
) -> rusqlite::Result<Option<Taken>> {
    let recipients = in_range(connection, post, (post.cursor, post.cutoff), most, now)?;
    let upto = match recipients.last() {
        Some(last) if recipients.len() == most => last.seq,
        _ => post.cutoff,
    };
    let sql = "UPDATE post SET cursor = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([post.id.0, upto.0])?;
    if recipients.is_empty() {
        return Ok(None);
    }
    insert(connection, post, (post.cursor, upto), recipients).map(Some)
}

/// Makes a batch of recipients of a post who were deferred alone, and are due. Those who have left, or have turned
/// delivery off, are dropped.
fn deferred(connection: &Connection, post: &Post, most: usize, now: i64) -> rusqlite::Result<Option<Taken>> {
    let due =
        "post = ?1 AND state = 'deferred' AND batch IS NULL AND (due_at <= ?2 OR due_at - due_span > ?2)";
    let gone = format!(
        "DELETE FROM recipient WHERE {due} AND seq > 0
         AND NOT EXISTS (SELECT 1 FROM member WHERE member.seq = recipient.seq AND {RECEIVES})"
    );
    connection.prepare_cached(&gone)?.execute([post.id.0, now])?;
    let sql = format!("SELECT seq, address FROM recipient WHERE {due} ORDER BY due_at LIMIT ?3");
    let mut some = connection.prepare_cached(&sql)?;
    let some = some.query_map(params![post.id.0, now, most], read_recipient)?;
    let mut recipients = some.collect::<rusqlite::Result<Vec<_>>>()?;
    if recipients.is_empty() {
        return Ok(None);
    }
    recipients.sort_by_key(|recipient| recipient.seq);
    let taken = insert(connection, post, (Seq(0), Seq(0)), recipients)?;
    let mut bind =
        connection.prepare_cached("UPDATE recipient SET batch = ?3 WHERE post = ?1 AND seq = ?2")?;
    for recipient in &taken.recipients {
        bind.execute([post.id.0, recipient.seq.0, taken.batch.id.0])?;
    }
    Ok(Some(taken))
}

fn insert(
    connection: &Connection,
    post: &Post,
    (above, upto): (Seq, Seq),
    recipients: Vec<Recipient>,
) -> rusqlite::Result<Taken> {
    let sql = "INSERT INTO batch (post, above, upto, state, recipients) VALUES (?1, ?2, ?3, 'claimed', ?4)";
    connection.prepare_cached(sql)?.execute(params![post.id.0, above.0, upto.0, recipients.len()])?;
    let id = BatchId(connection.last_insert_rowid());
    let batch = Batch { id, post: post.id, above, upto, attempts: 0, waited: 0, doubts: 0 };
    Ok(Taken { batch, recipients })
}

/// Whether delivery to a member is on. `?2` is the time.
const RECEIVES: &str = "(off IS NULL OR off_until <= ?2 OR off_until - off_span > ?2)";

/// Returns up to `most` recipients of a post in a range of seqs, without those that are listed as exceptions.
fn in_range(
    connection: &Connection,
    post: &Post,
    (above, upto): (Seq, Seq),
    most: usize,
    now: i64,
) -> rusqlite::Result<Vec<Recipient>> {
    let roles = match post.kind {
        PostKind::Post => "role = 'member'",
        // An owner who is a moderator too gets one copy.
        PostKind::Owner => {
            "role IN ('owner', 'moderator')
             AND NOT EXISTS (SELECT 1 FROM member other
                             WHERE other.address = member.address AND other.list = member.list
                               AND other.role IN ('owner', 'moderator') AND other.seq < member.seq)"
        }
    };
    let sql = format!(
        "SELECT seq, coalesce(given, address) FROM member
         WHERE list = ?1 AND {roles} AND seq > ?3 AND seq <= ?4 AND seq IS NOT ?5 AND {RECEIVES}
           AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.post = ?6 AND recipient.seq = member.seq)
         ORDER BY seq LIMIT ?7"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut some = connection.prepare_cached(&sql)?;
    let values = params![post.list, now, above.0, upto.0, post.skipped, post.id.0, most];
    some.query_map(values, read_recipient)?.collect()
}

fn read_recipient(row: &Row<'_>) -> rusqlite::Result<Recipient> {
    Ok(Recipient { seq: Seq(row.get(0)?), address: row.get(1)? })
}
