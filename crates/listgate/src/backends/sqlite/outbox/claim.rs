//! Claims batches. Posts take turns: the one whose turn was longest ago comes first.

use super::batch::{Audience, Batch, Found};
use super::turn::{BATCHES_DUE, RECIPIENTS_DUE, finish, give_turn, refresh};
use crate::backends::sqlite::members;
use crate::limits;
use crate::model::{
    BatchId, ClaimRequest, Claimed, ClaimedNotice, Contents, Due, HeldId, List, ListAddress, ListNumber,
    MessageId, NOTICE, OWNER_NOTICE, PostId, PostKind, Recipient, RequestId, Seq, time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use std::time::Duration;

/// What was claimed.
#[derive(Default)]
pub(in crate::backends::sqlite) struct Claims {
    pub(in crate::backends::sqlite) claimed: Vec<Claimed>,
    /// Whether nothing was claimed only because one transaction looks at no more rows.
    pub(in crate::backends::sqlite) is_cut_short: bool,
}

/// Claims up to `request.batches` batches. It looks at no more than [`limits::SCANNED_AT_ONCE`] members, so that it
/// costs the same in a list of any size.
pub(super) fn claim(connection: &Connection, request: ClaimRequest, now: i64) -> rusqlite::Result<Claims> {
    wake(connection, now)?;
    let mut claims = Claims::default();
    let mut rows = limits::SCANNED_AT_ONCE;
    for _ in 0..limits::POSTS_AT_ONCE {
        if claims.claimed.len() >= request.batches {
            return Ok(claims);
        }
        let next = "SELECT id FROM post INDEXED BY post_turn WHERE turn IS NOT NULL ORDER BY turn LIMIT 1";
        let next = connection.prepare_cached(next)?.query_row([], |row| row.get(0)).optional()?;
        let Some(post) = next else { return Ok(claims) };
        claims.claimed.extend(claim_one(connection, PostId(post), request, &mut rows, now)?);
        if rows == 0 {
            break;
        }
    }
    claims.is_cut_short = claims.claimed.is_empty();
    Ok(claims)
}

/// Gives a turn to posts whose time has come, some at a time.
fn wake(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    let due = [
        "SELECT id FROM post INDEXED BY post_due WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
        // The clock was set back.
        "SELECT id FROM post INDEXED BY post_set_back WHERE due_at IS NOT NULL AND due_at - due_span > ?1
         ORDER BY due_at - due_span DESC LIMIT ?2",
    ];
    for sql in due {
        let mut due = connection.prepare_cached(sql)?;
        let posts = due.query_map(params![now, limits::POSTS_AT_ONCE], |row| row.get(0).map(PostId))?;
        for post in posts.collect::<rusqlite::Result<Vec<_>>>()? {
            give_turn(connection, post)?;
        }
    }
    Ok(())
}

/// Claims the next batch of a post: one that is tried again, the next range, or recipients who were deferred alone.
/// Returns `None` if it has no recipients; the post has moved on then.
fn claim_one(
    connection: &Connection,
    id: PostId,
    request: ClaimRequest,
    rows: &mut usize,
    now: i64,
) -> rusqlite::Result<Option<Claimed>> {
    let Some(post) = Post::read(connection, id)? else {
        // Its list was removed, or its message is gone.
        finish(connection, id, now)?;
        return Ok(None);
    };
    let most = if post.personal { request.personal } else { request.bulk }.max(1);
    let claimed = match next_due(connection, id, now)? {
        Some(batch) => again(connection, &post, batch, most, rows, now)?,
        None if post.cursor < post.cutoff => next_range(connection, &post, most, rows, now)?,
        None => deferred(connection, &post, most, now)?,
    };
    connection.prepare_cached("UPDATE post SET turn = NULL WHERE id = ?1")?.execute([id.0])?;
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
    audience: Audience,
    contents: Contents,
    personal: bool,
    cutoff: Seq,
    cursor: Seq,
    list_id: String,
    address: ListAddress,
    alias: Option<String>,
}

impl Post {
    /// Reads a post; `None` if its list was removed, or what it sends is gone.
    fn read(connection: &Connection, id: PostId) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT post.list, kind IN ('owner', 'owner_notice'), personal, skipped, cutoff, cursor, list.list_id,
                          local, list.domain, alias, kind, settings, accepted_at, delivery.id, delivery.size, template,
                          subject, request, notice.held
                   FROM post LEFT JOIN roster ON roster.list = post.list
                        LEFT JOIN list ON list.list_id = roster.list_id
                        LEFT JOIN kept ON kept.id = post.kept LEFT JOIN delivery ON delivery.id = kept.delivery
                        LEFT JOIN notice ON notice.post = post.id
                   WHERE post.id = ?1 AND (post.list = 0 OR list.list_id IS NOT NULL)";
        let read = |row: &Row<'_>| {
            let Some(contents) = contents(row)? else { return Ok(None) };
            let (list_id, address, alias) = list(row)?;
            Ok(Some(Self {
                audience: Audience {
                    post: id,
                    list: row.get(0)?,
                    is_of_owners: row.get(1)?,
                    skipped: row.get(3)?,
                },
                contents,
                personal: row.get(2)?,
                cutoff: Seq(row.get(4)?),
                cursor: Seq(row.get(5)?),
                list_id,
                address,
                alias,
            }))
        };
        Ok(connection.prepare_cached(sql)?.query_row([id.0], read).optional()?.flatten())
    }

    fn id(&self) -> PostId {
        self.audience.post
    }

    fn claimed(self, batch: &Batch, recipients: Vec<Recipient>) -> Claimed {
        Claimed {
            batch: batch.id,
            post: self.audience.post,
            contents: self.contents,
            list_id: self.list_id,
            list: self.address,
            alias: self.alias,
            personal: self.personal,
            is_retry: batch.is_of_deferred(),
            recipients,
            attempts: batch.attempts,
            doubts: batch.doubts,
        }
    }
}

/// Reads the list_id, the address and the alias of a post's list, or of what stands in its place.
fn list(row: &Row<'_>) -> rusqlite::Result<(String, ListAddress, Option<String>)> {
    if ListNumber(row.get(0)?) != ListNumber::SITE {
        return Ok((row.get(6)?, ListAddress { local: row.get(7)?, domain: row.get(8)? }, row.get(9)?));
    }
    let list = List::of_postmaster_post(row.get_ref(11)?.as_str()?)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(11, Type::Text, "no postmaster".into()))?;
    Ok((list.list_id, list.address, None))
}

/// Reads what a post sends; `None` if that is gone.
fn contents(row: &Row<'_>) -> rusqlite::Result<Option<Contents>> {
    let kind = row.get_ref(10)?.as_str()?;
    if kind == NOTICE || kind == OWNER_NOTICE {
        let Some(template) = row.get(15)? else { return Ok(None) };
        return Ok(Some(Contents::Notice(Box::new(ClaimedNotice {
            to_owners: kind == OWNER_NOTICE,
            template,
            content: row.get(11)?,
            subject: row.get(16)?,
            request: row.get::<_, Option<i64>>(17)?.map(RequestId),
            held: row.get::<_, Option<i64>>(18)?.map(HeldId),
            accepted_at: time_at(row.get(12)?),
        }))));
    }
    let kind = PostKind::from_name(kind).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(10, Type::Text, "an unknown kind of post".into())
    })?;
    let Some(message) = row.get::<_, Option<i64>>(13)? else { return Ok(None) };
    let (message, size, settings) = (MessageId(message), row.get(14)?, row.get(11)?);
    Ok(Some(Contents::Message { kind, message, size, settings }))
}

/// Returns the batch of a post that is tried again next, if one is due.
fn next_due(connection: &Connection, post: PostId, now: i64) -> rusqlite::Result<Option<Batch>> {
    for due in BATCHES_DUE {
        let sql = format!("SELECT {} {due} LIMIT 1", Batch::COLUMNS);
        let batch =
            connection.prepare_cached(&sql)?.query_row(params![post.0, now], Batch::read).optional()?;
        if batch.is_some() {
            return Ok(batch);
        }
    }
    Ok(None)
}

/// Takes a batch that is tried again. If more recipients are found than fit, the rest becomes a batch of its own. A batch
/// whose recipients have all left is done.
fn again(
    connection: &Connection,
    post: &Post,
    mut batch: Batch,
    most: usize,
    rows: &mut usize,
    now: i64,
) -> rusqlite::Result<Option<Taken>> {
    let Found { recipients, reached } =
        post.audience.in_range(connection, (batch.above, batch.upto), most, rows, now)?;
    if reached < batch.upto {
        let left = batch.recipients.saturating_sub(recipients.len() as u64);
        let rest = Batch { above: reached, recipients: left, ..batch };
        rest.insert_to_wait(connection, Due::after(now, Duration::ZERO), "the batch was divided")?;
        batch.upto = reached;
    }
    let state = if recipients.is_empty() { "done" } else { "claimed" };
    let sql = "UPDATE batch SET state = ?2, upto = ?3, recipients = ?4, due_at = NULL, due_span = NULL WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![batch.id.0, state, batch.upto.0, recipients.len()])?;
    Ok((!recipients.is_empty()).then_some(Taken { batch, recipients }))
}

/// Makes a batch of the next range of a post, and moves the cursor past it.
fn next_range(
    connection: &Connection,
    post: &Post,
    most: usize,
    rows: &mut usize,
    now: i64,
) -> rusqlite::Result<Option<Taken>> {
    let Found { recipients, reached } =
        post.audience.in_range(connection, (post.cursor, post.cutoff), most, rows, now)?;
    let sql = "UPDATE post SET cursor = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([post.id().0, reached.0])?;
    if recipients.is_empty() {
        return Ok(None);
    }
    let batch = Batch {
        id: BatchId(0),
        post: post.id(),
        above: post.cursor,
        upto: reached,
        attempts: 0,
        waited: 0,
        doubts: 0,
        recipients: recipients.len() as u64,
    };
    insert(connection, batch, recipients).map(Some)
}

/// Makes a batch of recipients of a post who were deferred alone, equally often, and are due. Those who have left, or have
/// turned delivery off, are dropped.
fn deferred(connection: &Connection, post: &Post, most: usize, now: i64) -> rusqlite::Result<Option<Taken>> {
    let mut due = due_recipients(connection, post.id(), RECIPIENTS_DUE[0], now)?;
    if due.is_empty() {
        due = due_recipients(connection, post.id(), RECIPIENTS_DUE[1], now)?;
    }
    let mut drop = connection.prepare_cached("DELETE FROM recipient WHERE post = ?1 AND seq = ?2")?;
    for gone in due.iter().filter(|deferred| !deferred.receives) {
        drop.execute([post.id().0, gone.recipient.seq.0])?;
    }
    due.retain(|deferred| deferred.receives);
    let Some(&Deferred { attempts, doubts, .. }) = due.first() else { return Ok(None) };
    due.retain(|deferred| (deferred.attempts, deferred.doubts) == (attempts, doubts));
    due.truncate(most);
    let mut recipients: Vec<Recipient> = due.into_iter().map(|deferred| deferred.recipient).collect();
    recipients.sort_by_key(|recipient| recipient.seq);
    let batch = Batch {
        id: BatchId(0),
        post: post.id(),
        above: Seq(0),
        upto: Seq(0),
        attempts,
        waited: 0,
        doubts,
        recipients: recipients.len() as u64,
    };
    let taken = insert(connection, batch, recipients)?;
    let mut bind =
        connection.prepare_cached("UPDATE recipient SET batch = ?3 WHERE post = ?1 AND seq = ?2")?;
    for recipient in &taken.recipients {
        bind.execute([post.id().0, recipient.seq.0, taken.batch.id.0])?;
    }
    Ok(Some(taken))
}

/// A recipient who was deferred alone.
struct Deferred {
    recipient: Recipient,
    attempts: u32,
    doubts: u32,
    /// Whether the member is still there, with delivery on.
    receives: bool,
}

/// Returns some recipients who were deferred alone and are due.
fn due_recipients(
    connection: &Connection,
    post: PostId,
    due: &str,
    now: i64,
) -> rusqlite::Result<Vec<Deferred>> {
    let sql = format!(
        "SELECT seq, address, attempts, doubts,
                seq = 0 OR EXISTS (SELECT 1 FROM member WHERE member.seq = recipient.seq AND {})
         {due} LIMIT ?3",
        members::RECEIVES.replace("?1", "?2")
    );
    let read = |row: &Row<'_>| {
        let recipient = Recipient { seq: Seq(row.get(0)?), address: row.get(1)? };
        Ok(Deferred { recipient, attempts: row.get(2)?, doubts: row.get(3)?, receives: row.get(4)? })
    };
    let mut some = connection.prepare_cached(&sql)?;
    some.query_map(params![post.0, now, limits::DEFERRED_AT_ONCE], read)?.collect()
}

/// Stores a batch that is claimed, with a new id.
fn insert(connection: &Connection, mut batch: Batch, recipients: Vec<Recipient>) -> rusqlite::Result<Taken> {
    let sql = "INSERT INTO batch (post, above, upto, state, attempts, doubts, recipients)
               VALUES (?1, ?2, ?3, 'claimed', ?4, ?5, ?6)";
    let Batch { post, above, upto, attempts, doubts, .. } = batch;
    let values = params![post.0, above.0, upto.0, attempts, doubts, recipients.len()];
    connection.prepare_cached(sql)?.execute(values)?;
    batch.id = BatchId(connection.last_insert_rowid());
    Ok(Taken { batch, recipients })
}
