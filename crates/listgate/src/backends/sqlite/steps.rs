//! Takes steps within a transaction. Each step has a savepoint, so that a failed step affects nothing else in the
//! commit.

use super::connection::in_savepoint;
use super::{leasing, lists, posts};
use crate::limits;
use crate::model::{Effect, Expect, KeptId, NotStepped, Stale, Step, Stepped};
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
        if !holds(connection, *expect, now)? {
            return Ok(Err(NotStepped::Outdated));
        }
    }
    for list in step.effects().iter().filter_map(Effect::list) {
        // Nothing is stored for a list that was removed, because it would never be removed.
        let exists = "SELECT 1 FROM roster WHERE list = ?1 AND list_id IS NOT NULL";
        if !connection.prepare_cached(exists)?.exists([list.0])? {
            return Ok(Err(NotStepped::Outdated));
        }
    }
    let mut stepped = Stepped::default();
    // References end last, and so does the lease, so that a message that the step keeps always has one.
    let (last, first): (Vec<_>, Vec<_>) = step.effects().iter().partition(|effect| effect.ends_a_reference());
    for effect in first.into_iter().chain(last) {
        apply_one(connection, effect, &mut stepped, now)?;
    }
    if let Some((lease, verdict)) = step.settle()
        && leasing::settle(connection, *lease, verdict, now)? == Err(Stale)
    {
        return Ok(Err(NotStepped::Stale));
    }
    Ok(Ok(stepped))
}

fn apply_one(
    connection: &Connection,
    effect: &Effect,
    stepped: &mut Stepped,
    now: i64,
) -> rusqlite::Result<()> {
    match effect {
        Effect::Keep(message) => stepped.kept.push(KeptId(posts::keep(connection, *message)?)),
        Effect::LetGo(KeptId(id)) => {
            connection.prepare_cached("DELETE FROM kept WHERE id = ?1")?.execute([id])?;
        }
        Effect::Remember(list, message_id) => posts::remember(connection, *list, *message_id, now)?,
        Effect::Distribute(post) => posts::distribute(connection, post, now)?,
        Effect::Hold(held) => posts::hold(connection, held, now)?,
        Effect::Unhold(held) => posts::unhold(connection, *held)?,
        Effect::RecordDecision(decision) => posts::record_decision(connection, decision, now)?,
        Effect::RecordBounce(bounce) => posts::record_bounce(connection, bounce, now)?,
    }
    Ok(())
}

fn holds(connection: &Connection, expect: Expect, now: i64) -> rusqlite::Result<bool> {
    match expect {
        Expect::NotPosted(list, message_id) => {
            posts::is_posted(connection, list, message_id, now).map(|posted| !posted)
        }
        Expect::Held(held) => posts::is_held(connection, held),
        Expect::Lists(changes) => Ok(lists::changes(connection)? == changes),
        Expect::Kept(KeptId(id)) => {
            connection.prepare_cached("SELECT 1 FROM kept WHERE id = ?1")?.exists(params![id])
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
