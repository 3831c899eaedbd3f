//! Notices in the embedded backend: posts without a stored message.

use super::counted::counted_within;
use super::{offers, outbox, posts};
use crate::limits;
use crate::model::{
    About, Answered, ListNumber, MemberAddress, NOTICE, NewNotice, NoticeTo, OfferId, OfferedTo, PostId,
    RequestId, Seq, Stepped, notice_id,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Stores a notice that is to be sent. `step` is what its step has made so far.
pub(super) fn notify(
    connection: &Connection,
    notice: &NewNotice,
    step: &Stepped,
    now: i64,
) -> rusqlite::Result<()> {
    let NewNotice { list, to, about, counted, template, content } = notice;
    let made = |of: Option<i64>| of.ok_or(rusqlite::Error::QueryReturnedNoRows).map(Some);
    let asked = step.asked.map(|RequestId(id)| id);
    let (subject, request, held) = match about {
        About::Nothing => (None, None, None),
        About::Asked => (made(asked)?, asked, None),
        About::Request(RequestId(id)) => (Some(*id), Some(*id), None),
        About::Joined => (made(step.joined.map(|Seq(seq)| seq))?, None, None),
        About::Former(Seq(seq)) => (Some(*seq), None, None),
        About::Held(offered_to) => {
            let held = step.held.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let OfferId(id) = offers::add(connection, *list, held, *offered_to, now)?;
            ((*offered_to != OfferedTo::SiteOwner).then_some(id), None, Some(held.0))
        }
    };
    let post = store_post(connection, *list, to, content, now)?;
    let message_id = "UPDATE post SET message_id = '<' || ?2 || '@' || (
                          SELECT domain FROM list JOIN roster ON roster.list_id = list.list_id WHERE roster.list = ?3
                      ) || '>' WHERE id = ?1";
    let id = notice_id(post, request.map(RequestId));
    connection.prepare_cached(message_id)?.execute(params![post.0, id, list.0])?;
    let address = match to {
        NoticeTo::Address(address) => Some(address),
        NoticeTo::Owners { .. } => None,
    };
    let sql =
        "INSERT INTO notice (post, template, subject, request, address, account, domain, at, counted, held)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        post.0,
        template,
        subject,
        request,
        address.map(MemberAddress::key),
        address.map(MemberAddress::account),
        address.map(MemberAddress::domain),
        now,
        counted,
        held,
    ])?;
    Ok(())
}

/// Stores the post of a notice. One to an address has no members, and a recipient who is due at once.
fn store_post(
    connection: &Connection,
    list: ListNumber,
    to: &NoticeTo,
    content: &str,
    now: i64,
) -> rusqlite::Result<PostId> {
    let sql = "INSERT INTO post (list, kind, message_id, accepted_at, settings, personal, cutoff)
               VALUES (?1, ?2, '', ?3, ?4, 1,
                       CASE ?2 WHEN ?5 THEN 0 ELSE (SELECT seq FROM sqlite_sequence WHERE name = 'member') END)";
    connection.prepare_cached(sql)?.execute(params![list.0, to.kind(), now, content, NOTICE])?;
    let post = PostId(connection.last_insert_rowid());
    outbox::give_turn(connection, post)?;
    match to {
        NoticeTo::Address(address) => {
            outbox::add_recipient(connection, post, (&address.to_string(), ""), now)?;
        }
        NoticeTo::Owners { instead: Some(address) } if !posts::has_owner(connection, list, now)? => {
            outbox::add_recipient(connection, post, (address, outbox::NO_OWNER), now)?;
        }
        NoticeTo::Owners { .. } => {}
    }
    Ok(post)
}

/// Returns the address that got the first notice about a request, and its template.
pub(super) fn asked(
    connection: &Connection,
    RequestId(id): RequestId,
) -> rusqlite::Result<Option<(MemberAddress, String)>> {
    let sql = "SELECT address, template FROM notice INDEXED BY notice_request
               WHERE request = ?1 AND address IS NOT NULL ORDER BY at, post LIMIT 1";
    let read = |row: &Row<'_>| Ok((MemberAddress::stored(row.get(0)?, None), row.get(1)?));
    connection.prepare_cached(sql)?.query_row([id], read).optional()
}

/// Returns how much counted mail there was to the account and to the domain of an address, and whether a notice to it has
/// bounced.
pub(super) fn answered(connection: &Connection, to: &MemberAddress, now: i64) -> rusqlite::Result<Answered> {
    let sql = "SELECT (SELECT count(*) FROM notice INDEXED BY notice_account
                       WHERE account = ?1 AND counted = 1 AND at > ?2 AND at <= ?3),
                      (SELECT count(*) FROM notice INDEXED BY notice_domain
                       WHERE domain = ?4 AND counted = 1 AND at > ?5 AND at <= ?6),
                      EXISTS (SELECT 1 FROM notice INDEXED BY notice_bounced
                              WHERE address = ?7 AND bounced_at > ?8 AND bounced_at <= ?9)";
    let account = counted_within(limits::ANSWERS_TO_ACCOUNT, now);
    let domain = counted_within(limits::ANSWERS_TO_DOMAIN, now);
    let bounced = counted_within(limits::NOTICE_BOUNCE, now);
    let values = params![
        to.account(),
        account.0,
        account.1,
        to.domain(),
        domain.0,
        domain.1,
        to.key(),
        bounced.0,
        bounced.1
    ];
    connection.prepare_cached(sql)?.query_row(values, |row| {
        Ok(Answered { account_day: row.get(0)?, domain_hour: row.get(1)?, bounced: row.get(2)? })
    })
}
