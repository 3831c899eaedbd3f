//! Requests that wait for an answer, in the embedded backend. One that has waited for too long counts as gone, even if its
//! row is still there.

use super::counted::counted_within;
use crate::limits;
use crate::model::{
    DisplayName, Due, ListNumber, Mailed, MemberAddress, NewRequest, Request, RequestId, RequestKind,
    RequestPhase, time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::Type};

/// Whether a request still waits. The parameters are those of [`Now`].
const WAITS: &str = "(one.forget_at > :now AND one.forget_at <= CASE one.phase WHEN 'confirm' THEN :confirm ELSE :moderate END)";

/// Selects what [`read`] reads.
fn select(condition: &str) -> String {
    format!(
        "SELECT one.id, one.list, roster.list_id, one.kind, one.phase, one.address, one.given, one.name, one.confirmed,
                one.asked_at, one.asked, one.early, one.version, one.forget_at,
                (SELECT count(*) FROM notice INDEXED BY notice_request
                 WHERE notice.request = one.id AND notice.address IS NOT NULL AND at > :hour AND at <= :hour_on),
                (SELECT count(*) FROM notice INDEXED BY notice_request
                 WHERE notice.request = one.id AND notice.address IS NOT NULL AND at > :day AND at <= :day_on),
                (SELECT max(finished_at) FROM notice INDEXED BY notice_request JOIN post ON post.id = notice.post
                 WHERE notice.request = one.id AND notice.address IS NOT NULL AND post.sent > 0)
         FROM request one JOIN roster ON roster.list = one.list AND roster.list_id IS NOT NULL
         WHERE {WAITS} AND {condition}"
    )
}

/// The times that decide whether a request waits, and which of its mails count, in milliseconds since 1970.
struct Now {
    now: i64,
    /// The latest times at which requests can end that wait, by phase; if one is later, the clock was set back.
    confirm: i64,
    moderate: i64,
    hour: (i64, i64),
    day: (i64, i64),
}

impl Now {
    fn new(now: i64) -> Self {
        let latest = |phase: RequestPhase| now.saturating_add(Due::after(now, phase.lasts()).span);
        Self {
            now,
            confirm: latest(RequestPhase::Confirm),
            moderate: latest(RequestPhase::Moderate),
            hour: counted_within(limits::ANSWERS_TO_DOMAIN, now),
            day: counted_within(limits::ANSWERS_TO_ACCOUNT, now),
        }
    }

    /// Returns the parameters of [`select`].
    fn values(&self) -> [(&'static str, &dyn ToSql); 7] {
        [
            (":now", &self.now),
            (":confirm", &self.confirm),
            (":moderate", &self.moderate),
            (":hour", &self.hour.0),
            (":hour_on", &self.hour.1),
            (":day", &self.day.0),
            (":day_on", &self.day.1),
        ]
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Request> {
    let wrong = |column, what: &'static str| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
    };
    let kind = RequestKind::from_name(row.get_ref(3)?.as_str()?);
    let phase = RequestPhase::from_name(row.get_ref(4)?.as_str()?);
    let mailed = Mailed {
        hour: row.get(14)?,
        day: row.get(15)?,
        handed_over_at: row.get::<_, Option<i64>>(16)?.map(time_at),
    };
    Ok(Request {
        id: RequestId(row.get(0)?),
        list: ListNumber(row.get(1)?),
        list_id: row.get(2)?,
        kind: kind.ok_or_else(|| wrong(3, "an unknown kind of request"))?,
        phase: phase.ok_or_else(|| wrong(4, "an unknown phase of a request"))?,
        address: MemberAddress::stored(row.get(5)?, row.get(6)?),
        name: row.get::<_, Option<String>>(7)?.map(DisplayName::stored),
        confirmed: row.get(8)?,
        asked_at: time_at(row.get(9)?),
        asked: row.get(10)?,
        early: row.get(11)?,
        version: row.get(12)?,
        forget_at: time_at(row.get(13)?),
        mailed,
    })
}

/// Returns a request that waits.
pub(super) fn request(connection: &Connection, id: RequestId, now: i64) -> rusqlite::Result<Option<Request>> {
    let now = Now::new(now);
    let mut values = now.values().to_vec();
    values.push((":id", &id.0));
    connection.prepare_cached(&select("one.id = :id"))?.query_row(&values[..], read).optional()
}

/// Returns the request of a kind that waits for an address.
pub(super) fn request_of(
    connection: &Connection,
    list: ListNumber,
    address: &MemberAddress,
    kind: RequestKind,
    now: i64,
) -> rusqlite::Result<Option<Request>> {
    let (now, address, kind) = (Now::new(now), address.key(), kind.as_str());
    let mut values = now.values().to_vec();
    values.extend([(":list", &list.0 as &dyn ToSql), (":address", &address), (":kind", &kind)]);
    let sql = select("one.list = :list AND one.address = :address AND one.kind = :kind");
    connection.prepare_cached(&sql)?.query_row(&values[..], read).optional()
}

/// Returns how many requests to join a list wait, counted up to `most`.
pub(super) fn to_join(
    connection: &Connection,
    list: ListNumber,
    most: usize,
    now: i64,
) -> rusqlite::Result<usize> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM request one
                               WHERE one.list = :list AND one.kind = :kind AND {WAITS} LIMIT :most)"
    );
    let (now, kind) = (Now::new(now), RequestKind::Join.as_str());
    let values: [(&str, &dyn ToSql); 6] = [
        (":list", &list.0),
        (":kind", &kind),
        (":most", &most),
        (":now", &now.now),
        (":confirm", &now.confirm),
        (":moderate", &now.moderate),
    ];
    connection.prepare_cached(&sql)?.query_row(&values[..], |row| row.get(0))
}

/// Returns up to `most` requests of a list, or of all with `None`, with the smallest ids above `after`.
pub(super) fn requests_after(
    connection: &Connection,
    list_id: Option<&str>,
    after: RequestId,
    most: usize,
    now: i64,
) -> rusqlite::Result<Vec<Request>> {
    let now = Now::new(now);
    let mut values = now.values().to_vec();
    values.extend([(":list_id", &list_id as &dyn ToSql), (":after", &after.0), (":most", &most)]);
    let sql = select(
        "(:list_id IS NULL OR roster.list_id = :list_id) AND one.id > :after ORDER BY one.id LIMIT :most",
    );
    connection.prepare(&sql)?.query_map(&values[..], read)?.collect()
}

/// Stores a request, or counts the one that waits already. Returns its id.
pub(super) fn ask(connection: &Connection, new: &NewRequest, now: i64) -> rusqlite::Result<RequestId> {
    let NewRequest { list, kind, phase, address, name, confirmed } = new;
    if let Some(waiting) = request_of(connection, *list, address, *kind, now)? {
        let sql = "UPDATE request SET asked = asked + 1, version = version + 1, forget_at = ?2 WHERE id = ?1";
        let forget = Due::after(now, waiting.phase.lasts());
        connection.prepare_cached(sql)?.execute([waiting.id.0, forget.at])?;
        return Ok(waiting.id);
    }
    let key = params![list.0, address.key(), kind.as_str()];
    let gone = "DELETE FROM request WHERE list = ?1 AND address = ?2 AND kind = ?3";
    connection.prepare_cached(gone)?.execute(key)?;
    let sql = "INSERT INTO request (list, kind, phase, address, given, name, confirmed, asked_at, forget_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        list.0,
        kind.as_str(),
        phase.as_str(),
        address.key(),
        address.given(),
        name.as_ref().map(DisplayName::as_str),
        confirmed,
        now,
        Due::after(now, phase.lasts()).at,
    ])?;
    Ok(RequestId(connection.last_insert_rowid()))
}

/// Notes that a reply came too early. Returns whether there is such a request.
pub(super) fn mark_early(connection: &Connection, id: RequestId) -> rusqlite::Result<bool> {
    let sql = "UPDATE request SET early = 1, version = version + 1 WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.execute([id.0])? > 0)
}

/// Lets a request that was confirmed wait for a moderator. Returns whether there is such a request.
pub(super) fn to_moderator(connection: &Connection, id: RequestId, now: i64) -> rusqlite::Result<bool> {
    let phase = RequestPhase::Moderate;
    let sql =
        "UPDATE request SET phase = ?2, confirmed = 1, forget_at = ?3, version = version + 1 WHERE id = ?1";
    let values = params![id.0, phase.as_str(), Due::after(now, phase.lasts()).at];
    Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
}

/// Ends a request. Returns whether there was one.
pub(super) fn end(connection: &Connection, id: RequestId) -> rusqlite::Result<bool> {
    Ok(connection.prepare_cached("DELETE FROM request WHERE id = ?1")?.execute([id.0])? > 0)
}
