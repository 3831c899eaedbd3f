//! The members of lists in the embedded backend.

use super::connection::write;
use super::counted::counted_within;
use crate::limits;
use crate::model::{
    Ban, BanPattern, DisplayName, Due, Joined, ListNumber, Member, MemberAddress, MemberChange,
    MemberDelivery, MemberError, MemberRole, MemberSettings, NewMember, OffBy, RoleCounts, Seq, milliseconds,
    time_at,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

/// The columns of a member, in the order in which [`read`] expects them.
const COLUMNS: &str = "seq, role, address, given, joined_at, version, name, verified_at, off, off_until, off_span, \
                       own_posts, hidden";

fn read(row: &Row<'_>) -> rusqlite::Result<Member> {
    let wrong = |column, what: &'static str| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
    };
    let due = row.get::<_, Option<i64>>(9)?.zip(row.get::<_, Option<i64>>(10)?);
    let until = due.map(|(at, span)| Due { at, span });
    let delivery = match row.get_ref(8)?.as_str_or_null()? {
        None => MemberDelivery::On,
        Some(by) => {
            let by =
                OffBy::from_name(by).ok_or_else(|| wrong(8, "an unknown reason for delivery being off"))?;
            MemberDelivery::Off { by, until }
        }
    };
    Ok(Member {
        seq: Seq(row.get(0)?),
        role: row.get_ref(1)?.as_str()?.parse().map_err(|_| wrong(1, "an unknown role"))?,
        address: MemberAddress::stored(row.get(2)?, row.get(3)?),
        joined_at: time_at(row.get(4)?),
        version: row.get(5)?,
        settings: MemberSettings {
            name: row.get::<_, Option<String>>(6)?.map(DisplayName::stored),
            verified_at: row.get::<_, Option<i64>>(7)?.map(time_at),
            delivery,
            own_posts: row.get(11)?,
            hidden: row.get(12)?,
        },
    })
}

/// The columns of a member's delivery: who turned it off, until when, and for how long at most.
fn off(delivery: MemberDelivery) -> (Option<&'static str>, Option<i64>, Option<i64>) {
    match delivery {
        MemberDelivery::On => (None, None, None),
        MemberDelivery::Off { by, until } => {
            (Some(by.as_str()), until.map(|due| due.at), until.map(|due| due.span))
        }
    }
}

/// Whether delivery to a member is on. `?1` is the time. It may be NULL, which means no.
pub(super) const RECEIVES: &str = "(off IS NULL OR off_until <= ?1 OR off_until - off_span > ?1)";

/// The number under which bans of all lists are stored.
const ALL_LISTS: i64 = 0;

/// Runs `work` with the number of a list, or of all lists with `None`.
fn with_list<T>(
    connection: &Connection,
    list_id: Option<&str>,
    work: impl FnOnce(i64) -> rusqlite::Result<Result<T, MemberError>>,
) -> rusqlite::Result<Result<T, MemberError>> {
    let Some(list_id) = list_id else { return work(ALL_LISTS) };
    match number(connection, list_id)? {
        Some(list) => work(list),
        None => Ok(Err(MemberError::NoList(list_id.to_owned()))),
    }
}

/// Returns the number of a list, if it exists.
fn number(connection: &Connection, list_id: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT list FROM roster WHERE list_id = ?1")?;
    statement.query_row([list_id], |row| row.get(0)).optional()
}

/// Adds addresses to a list. `now` is in milliseconds since 1970.
pub(super) fn add(
    connection: &mut Connection,
    list_id: &str,
    role: MemberRole,
    new: &[NewMember],
    now: i64,
) -> Result<Vec<Joined>, MemberError> {
    write(connection, "add the members", |connection| {
        with_list(connection, Some(list_id), |list| {
            new.iter().map(|new| insert(connection, list, role, new, now)).collect::<Result<_, _>>().map(Ok)
        })
    })
}

fn insert(
    connection: &Connection,
    list: i64,
    role: MemberRole,
    new: &NewMember,
    now: i64,
) -> rusqlite::Result<Joined> {
    let (address, given) = (new.named.address.key(), new.named.address.to_string());
    let MemberSettings { name, verified_at, delivery, own_posts, hidden } = new.settings(now);
    let (off, off_until, off_span) = off(delivery);
    let mut statement = connection.prepare_cached(
        "INSERT INTO member (list, role, address, given, joined_at, name, verified_at, off, off_until, off_span,
                             own_posts, hidden)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (address, list, role) DO NOTHING",
    )?;
    let inserted = statement.execute(params![
        list,
        role.as_str(),
        address,
        (given != address).then_some(given),
        now,
        name.as_ref().map(DisplayName::as_str),
        verified_at.map(milliseconds),
        off,
        off_until,
        off_span,
        own_posts,
        hidden,
    ])?;
    Ok(if inserted > 0 { Joined::Added } else { Joined::Already })
}

/// Gives a new list its owners. `now` is in milliseconds since 1970.
pub(super) fn add_owners(
    connection: &Connection,
    list_id: &str,
    owners: &[NewMember],
    now: i64,
) -> rusqlite::Result<()> {
    let list = number(connection, list_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    owners.iter().try_for_each(|owner| insert(connection, list, MemberRole::Owner, owner, now).map(drop))
}

/// Takes a role of a list from addresses, all or none.
pub(super) fn remove(
    connection: &mut Connection,
    list_id: &str,
    role: MemberRole,
    addresses: &[MemberAddress],
) -> Result<(), MemberError> {
    write(connection, "remove the members", |connection| {
        with_list(connection, Some(list_id), |list| {
            let sql = "DELETE FROM member WHERE address = ?1 AND list = ?2 AND role = ?3";
            let mut statement = connection.prepare_cached(sql)?;
            for address in addresses {
                if statement.execute(params![address.key(), list, role.as_str()])? == 0 {
                    return Ok(Err(MemberError::Missing(address.clone())));
                }
            }
            Ok(Ok(()))
        })
    })
}

/// Returns an address in each role that it has in a list.
pub(super) fn roles_of(
    connection: &Connection,
    list_id: &str,
    address: &MemberAddress,
) -> rusqlite::Result<Result<Vec<Member>, MemberError>> {
    with_list(connection, Some(list_id), |list| standing(connection, ListNumber(list), address).map(Ok))
}

/// Returns an address in each role that it has in a list.
pub(super) fn standing(
    connection: &Connection,
    list: ListNumber,
    address: &MemberAddress,
) -> rusqlite::Result<Vec<Member>> {
    let sql = format!("SELECT {COLUMNS} FROM member WHERE address = ?1 AND list = ?2 ORDER BY seq");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![address.key(), list.0], read)?.collect()
}

/// Returns a membership of a list.
pub(super) fn by_seq(
    connection: &Connection,
    list: ListNumber,
    seq: Seq,
) -> rusqlite::Result<Option<Member>> {
    let sql = format!("SELECT {COLUMNS} FROM member WHERE seq = ?1 AND list = ?2 AND role = 'member'");
    connection.prepare_cached(&sql)?.query_row([seq.0, list.0], read).optional()
}

/// Returns up to `most` members of a list, in the order in which they joined.
pub(super) fn roster(
    connection: &Connection,
    list: ListNumber,
    most: usize,
) -> rusqlite::Result<Vec<Member>> {
    let sql =
        format!("SELECT {COLUMNS} FROM member WHERE list = ?1 AND role = 'member' ORDER BY seq LIMIT ?2");
    connection.prepare_cached(&sql)?.query_map(params![list.0, most], read)?.collect()
}

/// Returns how many memberships of all lists began before a time, in milliseconds since 1970.
pub(super) fn joined_before(connection: &Connection, time: i64) -> rusqlite::Result<u64> {
    let sql =
        "SELECT count(*) FROM member JOIN roster ON roster.list = member.list AND roster.list_id IS NOT NULL
               WHERE role = 'member' AND joined_at < ?1";
    connection.query_row(sql, [time], |row| row.get(0))
}

/// Returns up to `most` addresses with a role in a list who get mail, in the order of their seqs, without those to whom a
/// notice has bounced.
pub(super) fn reachable(
    connection: &Connection,
    list: ListNumber,
    role: MemberRole,
    most: usize,
    now: i64,
) -> rusqlite::Result<Vec<Member>> {
    let (after, upto) = counted_within(limits::NOTICE_BOUNCE, now);
    let sql = format!(
        "SELECT {COLUMNS} FROM member WHERE list = ?2 AND role = ?3 AND {RECEIVES}
                AND NOT EXISTS (SELECT 1 FROM notice INDEXED BY notice_bounced
                                WHERE notice.address = member.address AND bounced_at > ?5 AND bounced_at <= ?6)
         ORDER BY seq LIMIT ?4"
    );
    let values = params![now, list.0, role.as_str(), most, after, upto];
    connection.prepare_cached(&sql)?.query_map(values, read)?.collect()
}

/// Makes an address a member, and returns its seq; `None` if it is one already.
pub(super) fn join(
    connection: &Connection,
    list: ListNumber,
    new: &NewMember,
    now: i64,
) -> rusqlite::Result<Option<Seq>> {
    Ok(match insert(connection, list.0, MemberRole::Member, new, now)? {
        Joined::Added => Some(Seq(connection.last_insert_rowid())),
        Joined::Already => None,
    })
}

/// Returns up to `most` addresses with a role in a list, those with the smallest seqs above `after`, in order.
pub(super) fn after(
    connection: &Connection,
    list_id: &str,
    role: MemberRole,
    after: Seq,
    most: usize,
) -> rusqlite::Result<Result<Vec<Member>, MemberError>> {
    with_list(connection, Some(list_id), |list| {
        let sql = format!(
            "SELECT {COLUMNS} FROM member WHERE list = ?1 AND role = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map(params![list, role.as_str(), after.0, most], read)?;
        Ok(Ok(found.collect::<Result<_, _>>()?))
    })
}

/// Counts the addresses with each role in a list.
pub(super) fn counts(connection: &Connection, list_id: &str) -> rusqlite::Result<RoleCounts> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM member WHERE list = (SELECT list FROM roster WHERE list_id = ?1) AND role = ?2",
    )?;
    let mut counts = RoleCounts::default();
    for role in MemberRole::ALL {
        counts.0[role as usize] = statement.query_row(params![list_id, role.as_str()], |row| row.get(0))?;
    }
    Ok(counts)
}

/// Changes the settings of a member, unless it has changed since. `now` is in milliseconds since 1970.
pub(super) fn change(
    connection: &mut Connection,
    member: &Member,
    changes: &[MemberChange],
    now: i64,
) -> Result<Member, MemberError> {
    let mut changed = Member { version: member.version + 1, ..member.clone() };
    changes.iter().for_each(|change| changed.settings.apply(change, now));
    let MemberSettings { name, verified_at, delivery, own_posts, hidden } = &changed.settings;
    let (off, off_until, off_span) = off(*delivery);
    write(connection, "change the member", |connection| {
        let updated = connection.execute(
            "UPDATE member SET name = ?3, verified_at = ?4, off = ?5, off_until = ?6, off_span = ?7, own_posts = ?8,
                               hidden = ?9, version = version + 1
             WHERE seq = ?1 AND version = ?2",
            params![
                member.seq.0,
                member.version,
                name.as_ref().map(DisplayName::as_str),
                verified_at.map(milliseconds),
                off,
                off_until,
                off_span,
                own_posts,
                hidden,
            ],
        )?;
        Ok(if updated > 0 { Ok(()) } else { Err(MemberError::Outdated) })
    })?;
    Ok(changed)
}

/// Adds bans, all or none, and returns whether each is new. `now` is in milliseconds since 1970.
pub(super) fn ban(
    connection: &mut Connection,
    list_id: Option<&str>,
    patterns: &[BanPattern],
    now: i64,
) -> Result<Vec<bool>, MemberError> {
    write(connection, "add the bans", |connection| {
        with_list(connection, list_id, |list| {
            let sql = "INSERT INTO ban (list, pattern, banned_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            let mut statement = connection.prepare_cached(sql)?;
            let new = patterns
                .iter()
                .map(|pattern| Ok(statement.execute(params![list, pattern.as_str(), now])? > 0));
            new.collect::<rusqlite::Result<_>>().map(Ok)
        })
    })
}

/// Removes bans, all or none.
pub(super) fn unban(
    connection: &mut Connection,
    list_id: Option<&str>,
    patterns: &[BanPattern],
) -> Result<(), MemberError> {
    write(connection, "remove the bans", |connection| {
        with_list(connection, list_id, |list| {
            let mut statement =
                connection.prepare_cached("DELETE FROM ban WHERE list = ?1 AND pattern = ?2")?;
            for pattern in patterns {
                if statement.execute(params![list, pattern.as_str()])? == 0 {
                    return Ok(Err(MemberError::NoBan(pattern.clone())));
                }
            }
            Ok(Ok(()))
        })
    })
}

/// Returns the bans of a list, or of all with `None`, ordered by their patterns.
pub(super) fn bans(
    connection: &Connection,
    list_id: Option<&str>,
) -> rusqlite::Result<Result<Vec<Ban>, MemberError>> {
    with_list(connection, list_id, |list| {
        let sql = "SELECT pattern, banned_at FROM ban WHERE list = ?1 ORDER BY pattern";
        let read = |row: &Row<'_>| {
            Ok(Ban { pattern: BanPattern::stored(row.get(0)?), banned_at: time_at(row.get(1)?) })
        };
        Ok(Ok(connection.prepare_cached(sql)?.query_map([list], read)?.collect::<Result<_, _>>()?))
    })
}
