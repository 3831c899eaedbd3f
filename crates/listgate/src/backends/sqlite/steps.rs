//! Takes steps within a transaction. Each step has a savepoint, so that a failed step affects nothing else in the
//! commit.

use super::connection::in_savepoint;
use super::{former_members, leasing, lists, members, notice_bounces, notices, offers, posts, requests};
use crate::limits;
use crate::model::{Effect, Expect, KeptId, ListNumber, MemberRole, NotStepped, Stale, Step, Stepped};
use rusqlite::{Connection, params};

/// Takes a step, completely or not at all.
///
/// # Errors
/// The transaction itself has failed. A problem with only this step is in the inner result.
pub(super) fn take(
    connection: &Connection,
    step: &Step,
    now: i64,
) -> rusqlite::Result<Result<Stepped, NotStepped>> {
    in_savepoint(connection, "take a step", || apply(connection, step, now))
}

fn apply(connection: &Connection, step: &Step, now: i64) -> rusqlite::Result<Result<Stepped, NotStepped>> {
    for expect in step.expects() {
        if !holds(connection, expect, now)? {
            return Ok(Err(NotStepped::Outdated));
        }
    }
    let lists = step.effects().iter().filter_map(Effect::list);
    for list in lists.filter(|list| *list != ListNumber::SITE) {
        // Nothing is stored for a list that was removed, because it would never be removed.
        let exists = "SELECT 1 FROM roster WHERE list = ?1 AND list_id IS NOT NULL";
        if !connection.prepare_cached(exists)?.exists([list.0])? {
            return Ok(Err(NotStepped::Outdated));
        }
    }
    let mut stepped = Stepped::default();
    let mut effects: Vec<&Effect> = step.effects().iter().collect();
    effects.sort_by_key(|effect| effect.turn());
    for effect in effects {
        if !apply_one(connection, effect, &mut stepped, now)? {
            return Ok(Err(NotStepped::Outdated));
        }
    }
    if let Some((lease, verdict)) = step.settle()
        && leasing::settle(connection, *lease, verdict, now)? == Err(Stale)
    {
        return Ok(Err(NotStepped::Stale));
    }
    Ok(Ok(stepped))
}

/// Makes a change. Returns whether that is possible as things are now.
fn apply_one(
    connection: &Connection,
    effect: &Effect,
    stepped: &mut Stepped,
    now: i64,
) -> rusqlite::Result<bool> {
    match effect {
        Effect::Keep(message) => stepped.kept.push(KeptId(posts::keep(connection, *message)?)),
        Effect::LetGo(KeptId(id)) => {
            connection.prepare_cached("DELETE FROM kept WHERE id = ?1")?.execute([id])?;
        }
        Effect::Remember(list, message_id) => posts::remember(connection, *list, *message_id, now)?,
        Effect::Distribute(post) => posts::distribute(connection, post, now)?,
        Effect::Hold(held) => stepped.held = Some(posts::hold(connection, held, now)?),
        Effect::Unhold(held, outcome) => posts::unhold(connection, *held, *outcome, now)?,
        Effect::RecordDecision(decision) => posts::record_decision(connection, decision, now)?,
        Effect::RecordBounce(bounce) => {
            posts::record_bounce(connection, bounce, now)?;
            notice_bounces::note_bounce(connection, bounce, now)?;
        }
        Effect::Join(list, new) => {
            stepped.joined = members::join(connection, *list, new, now)?;
            return Ok(stepped.joined.is_some());
        }
        Effect::Leave(list, seq) => return former_members::leave(connection, *list, *seq, now),
        Effect::Rejoin(list, seq) => {
            stepped.joined = former_members::rejoin(connection, *list, *seq, now)?;
            return Ok(stepped.joined.is_some());
        }
        Effect::Ask(request) => stepped.asked = Some(requests::ask(connection, request, now)?),
        Effect::MarkEarly(id) => return requests::mark_early(connection, *id),
        Effect::ToModerator(id) => return requests::to_moderator(connection, *id, now),
        Effect::EndRequest(id) => return requests::end(connection, *id),
        Effect::Notify(notice) => notices::notify(connection, notice, stepped, now)?,
    }
    Ok(true)
}

fn holds(connection: &Connection, expect: &Expect, now: i64) -> rusqlite::Result<bool> {
    match expect {
        Expect::NotPosted(list, message_id) => {
            posts::is_posted(connection, *list, *message_id, now).map(|posted| !posted)
        }
        Expect::Held(held) => posts::is_held(connection, *held),
        Expect::Offered(list, id) => {
            let offer = offers::offer(connection, *list, *id)?;
            Ok(offer.is_some_and(|offer| offer.is_open()))
        }
        Expect::Announced(list, count) => Ok(offers::announced(connection, *list, now)? <= *count),
        Expect::Lists(changes) => Ok(lists::changes(connection)? == *changes),
        Expect::Kept(KeptId(id)) => {
            connection.prepare_cached("SELECT 1 FROM kept WHERE id = ?1")?.exists(params![id])
        }
        Expect::NotMember(list, address) => {
            let roles = members::standing(connection, *list, address)?;
            Ok(roles.iter().all(|role| role.role != MemberRole::Member))
        }
        Expect::Member(list, seq) => Ok(members::by_seq(connection, *list, *seq)?.is_some()),
        Expect::Former(list, seq) => Ok(former_members::former(connection, *list, *seq, now)?.is_some()),
        Expect::Request(id, version) => {
            let request = requests::request(connection, *id, now)?;
            Ok(request.is_some_and(|request| request.version == *version))
        }
        Expect::NoRequest(list, address, kind) => {
            Ok(requests::request_of(connection, *list, address, *kind, now)?.is_none())
        }
        Expect::Answered { to, account_day, domain_hour } => {
            let now = notices::answered(connection, to, now)?;
            Ok(now.account_day <= *account_day && now.domain_hour <= *domain_hour)
        }
    }
}

/// Splits steps into parts that each fit in a commit.
pub(super) fn chunks(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    let mut left = steps;
    std::iter::from_fn(move || {
        let mut octets = 0;
        let fits = left.iter().take(limits::COMMIT_STEPS).take_while(|step| {
            octets += step.octets();
            octets <= limits::COMMIT_STEP_OCTETS
        });
        let (some, rest) = left.split_at(fits.count());
        left = rest;
        (!some.is_empty()).then_some(some)
    })
}
