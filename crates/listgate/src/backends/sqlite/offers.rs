//! Held posts as they were offered to moderators, and who the moderators are, in the embedded backend.

use super::counted::counted_within;
use super::members;
use crate::limits;
use crate::model::{
    DecisionOutcome, Due, HeldId, ListNumber, MemberAddress, MemberRole, ModerationNow, Offer, OfferId,
    OfferedTo, Seq,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

/// Returns who decides about held posts of a list, how many it holds, and how many were announced recently.
pub(super) fn moderation(
    connection: &Connection,
    list: ListNumber,
    now: i64,
) -> rusqlite::Result<ModerationNow> {
    let of = |role| members::reachable(connection, list, role, limits::MODERATORS, now);
    let mut moderators = of(MemberRole::Moderator)?;
    if moderators.is_empty() {
        moderators = of(MemberRole::Owner)?;
    }
    let waiting = "SELECT count(*) FROM held_post WHERE list = ?1";
    let waiting = connection.prepare_cached(waiting)?.query_row([list.0], |row| row.get(0))?;
    Ok(ModerationNow { moderators, waiting, announced: announced(connection, list, now)? })
}

/// Returns of how many held posts of a list somebody has heard in recent time.
pub(super) fn announced(connection: &Connection, list: ListNumber, now: i64) -> rusqlite::Result<usize> {
    let (after, upto) = counted_within(limits::HELD_NOTICES_TIME, now);
    let sql =
        "SELECT count(DISTINCT held) FROM offer WHERE list = ?1 AND offered_at > ?2 AND offered_at <= ?3";
    connection.prepare_cached(sql)?.query_row(params![list.0, after, upto], |row| row.get(0))
}

/// Offers a held post to somebody.
pub(super) fn add(
    connection: &Connection,
    list: ListNumber,
    HeldId(held): HeldId,
    to: OfferedTo,
    now: i64,
) -> rusqlite::Result<OfferId> {
    let moderator = match to {
        OfferedTo::Moderator(Seq(seq)) => Some(seq),
        OfferedTo::SiteOwner => None,
    };
    let sql = "INSERT INTO offer (list, held, moderator, offered_at) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![list.0, held, moderator, now])?;
    Ok(OfferId(connection.last_insert_rowid()))
}

/// Notes what became of a held post.
pub(super) fn end(
    connection: &Connection,
    HeldId(held): HeldId,
    outcome: DecisionOutcome,
    now: i64,
) -> rusqlite::Result<()> {
    let Due { at: forget_at, .. } = Due::after(now, limits::POST_REMEMBERED);
    let sql = "UPDATE offer SET outcome = ?2, forget_at = ?3 WHERE held = ?1";
    connection.prepare_cached(sql)?.execute(params![held, outcome.as_str(), forget_at])?;
    Ok(())
}

/// Returns a held post as it was offered to a moderator.
pub(super) fn offer(
    connection: &Connection,
    list: ListNumber,
    id: OfferId,
) -> rusqlite::Result<Option<Offer>> {
    let sql = "SELECT held, outcome, member.address, given
               FROM offer LEFT JOIN member ON member.seq = offer.moderator AND member.list = offer.list
                                          AND role IN ('owner', 'moderator')
               WHERE offer.id = ?1 AND offer.list = ?2 AND moderator IS NOT NULL";
    let read = |row: &Row<'_>| {
        let unknown = || {
            rusqlite::Error::FromSqlConversionFailure(
                1,
                Type::Text,
                "an unknown outcome of a held post".into(),
            )
        };
        let outcome = row.get_ref(1)?.as_str_or_null()?;
        let outcome = outcome.map(|name| DecisionOutcome::from_name(name).ok_or_else(unknown)).transpose()?;
        let (address, given) = (row.get::<_, Option<String>>(2)?, row.get(3)?);
        let moderator = address.map(|address| MemberAddress::stored(address, given));
        Ok(Offer { id, held: HeldId(row.get(0)?), moderator, outcome })
    };
    connection.prepare_cached(sql)?.query_row(params![id.0, list.0], read).optional()
}
