//! Members who leave and come back, in the embedded backend.

use crate::limits;
use crate::model::{DisplayName, Due, FormerMember, ListNumber, MemberAddress, Seq, time_at};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The columns that a former member has in common with a member, besides its seq and joined_at.
const COLUMNS: &str = "list, address, given, name, verified_at, off, off_until, off_span, own_posts, hidden";

/// Whether a former member can still come back. The parameters are those of [`bounds`].
const CAN_RETURN: &str = "seq = ?1 AND list = ?2 AND forget_at > ?3 AND forget_at <= ?4";

/// Returns between which times the rows end that count now: if one ends later, the clock was set back.
fn bounds(now: i64) -> (i64, i64) {
    (now, now.saturating_add(Due::after(now, limits::FORMER_REMEMBERED).span))
}

/// Ends a membership. Returns whether there was one.
pub(super) fn leave(connection: &Connection, list: ListNumber, seq: Seq, now: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "INSERT INTO former_member (seq, {COLUMNS}, left_at, forget_at)
         SELECT seq, {COLUMNS}, ?3, ?4 FROM member WHERE seq = ?1 AND list = ?2 AND role = 'member'"
    );
    let forget = Due::after(now, limits::FORMER_REMEMBERED);
    let left = connection.prepare_cached(&sql)?.execute(params![seq.0, list.0, now, forget.at])?;
    if left > 0 {
        connection.prepare_cached("DELETE FROM member WHERE seq = ?1")?.execute([seq.0])?;
    }
    Ok(left > 0)
}

/// Makes a former member a member again, and returns the new seq; `None` if that is no longer possible, or if the address
/// is a member.
pub(super) fn rejoin(
    connection: &Connection,
    list: ListNumber,
    seq: Seq,
    now: i64,
) -> rusqlite::Result<Option<Seq>> {
    let sql = format!(
        "INSERT INTO member ({COLUMNS}, role, joined_at)
         SELECT {COLUMNS}, 'member', ?3 FROM former_member WHERE {CAN_RETURN}
         ON CONFLICT (address, list, role) DO NOTHING"
    );
    let (now, latest) = bounds(now);
    if connection.prepare_cached(&sql)?.execute(params![seq.0, list.0, now, latest])? == 0 {
        return Ok(None);
    }
    let joined = Seq(connection.last_insert_rowid());
    connection.prepare_cached("DELETE FROM former_member WHERE seq = ?1")?.execute([seq.0])?;
    Ok(Some(joined))
}

/// Returns a former member who can come back.
pub(super) fn former(
    connection: &Connection,
    list: ListNumber,
    seq: Seq,
    now: i64,
) -> rusqlite::Result<Option<FormerMember>> {
    let sql = format!("SELECT address, given, name, left_at FROM former_member WHERE {CAN_RETURN}");
    let read = |row: &Row<'_>| {
        Ok(FormerMember {
            seq,
            list,
            address: MemberAddress::stored(row.get(0)?, row.get(1)?),
            name: row.get::<_, Option<String>>(2)?.map(DisplayName::stored),
            left_at: time_at(row.get(3)?),
        })
    };
    let (now, latest) = bounds(now);
    connection.prepare_cached(&sql)?.query_row(params![seq.0, list.0, now, latest], read).optional()
}
