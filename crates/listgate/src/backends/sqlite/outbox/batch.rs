//! Batches as they are stored, and the recipients of a range.

use crate::backends::sqlite::members;
use crate::backends::sqlite::reason::cut;
use crate::model::{BatchId, Due, PostId, Recipient, Seq};
use rusqlite::{Connection, Row, params};

/// A batch as it is stored.
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) post: PostId,
    /// Its recipients have a seq above this, and up to `upto`.
    pub(super) above: Seq,
    pub(super) upto: Seq,
    /// How often the mail server deferred it, and the pauses after those in milliseconds.
    pub(super) attempts: u32,
    pub(super) waited: i64,
    pub(super) doubts: u32,
    /// How many recipients it had when it was claimed last, without those whose refusal was recorded since.
    pub(super) recipients: u64,
}

impl Batch {
    pub(super) const COLUMNS: &str = "id, post, above, upto, attempts, waited, doubts, recipients";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: BatchId(row.get(0)?),
            post: PostId(row.get(1)?),
            above: Seq(row.get(2)?),
            upto: Seq(row.get(3)?),
            attempts: row.get(4)?,
            waited: row.get(5)?,
            doubts: row.get(6)?,
            recipients: row.get(7)?,
        })
    }

    /// Returns whether it has recipients who were deferred alone, instead of a range.
    pub(super) fn is_of_deferred(&self) -> bool {
        self.upto == Seq(0)
    }

    /// Stores it under a new id, to be tried again at `due`.
    pub(super) fn insert_to_wait(
        &self,
        connection: &Connection,
        due: Due,
        why: &str,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO batch (post, above, upto, state, due_at, due_span, attempts, waited, doubts, recipients,
                                      reply)
                   VALUES (?1, ?2, ?3, 'later', ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        connection.prepare_cached(sql)?.execute(params![
            self.post.0,
            self.above.0,
            self.upto.0,
            due.at,
            due.span,
            self.attempts,
            self.waited,
            self.doubts,
            self.recipients,
            cut(why),
        ])?;
        Ok(())
    }
}

/// What the recipients of a post are looked up by.
pub(super) struct Audience {
    pub(super) post: PostId,
    pub(super) list: i64,
    pub(super) is_of_owners: bool,
    pub(super) skipped: Option<i64>,
}

/// Some recipients in a range of seqs, and how far the range was looked at.
pub(super) struct Found {
    pub(super) recipients: Vec<Recipient>,
    pub(super) reached: Seq,
}

impl Audience {
    pub(super) fn of(connection: &Connection, post: PostId) -> rusqlite::Result<Self> {
        let sql = "SELECT list, kind IN ('owner', 'owner_notice'), skipped FROM post WHERE id = ?1";
        connection.prepare_cached(sql)?.query_row([post.0], |row| {
            Ok(Self { post, list: row.get(0)?, is_of_owners: row.get(1)?, skipped: row.get(2)? })
        })
    }

    /// Returns up to `most` recipients in a range of seqs, without those who are listed as exceptions. It looks at no
    /// more than `rows` members, and reduces that by those it has looked at.
    pub(super) fn in_range(
        &self,
        connection: &Connection,
        (above, upto): (Seq, Seq),
        most: usize,
        rows: &mut usize,
        now: i64,
    ) -> rusqlite::Result<Found> {
        let roles = if self.is_of_owners {
            // An owner who is a moderator too gets one copy.
            format!(
                "role IN ('owner', 'moderator')
                 AND NOT EXISTS (SELECT 1 FROM member
                                 WHERE address = one.address AND list = one.list
                                   AND role IN ('owner', 'moderator') AND seq < one.seq AND {})",
                members::RECEIVES
            )
        } else {
            "role = 'member'".to_owned()
        };
        let sql = format!(
            "SELECT seq, coalesce(given, address),
                    {} AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.post = ?5 AND recipient.seq = one.seq)
             FROM member one INDEXED BY member_role
             WHERE list = ?2 AND {roles} AND seq > ?3 AND seq <= ?4
             ORDER BY seq",
            members::RECEIVES
        );
        let mut found = Found { recipients: Vec::new(), reached: above };
        let mut all = connection.prepare_cached(&sql)?;
        let mut all = all.query(params![now, self.list, above.0, upto.0, self.post.0])?;
        while found.recipients.len() < most && *rows > 0 {
            let Some(row) = all.next()? else {
                found.reached = upto;
                break;
            };
            *rows -= 1;
            let (seq, receives): (i64, Option<bool>) = (row.get(0)?, row.get(2)?);
            found.reached = Seq(seq);
            if receives == Some(true) && self.skipped != Some(seq) {
                found.recipients.push(Recipient { seq: Seq(seq), address: row.get(1)? });
            }
        }
        Ok(found)
    }
}
