//! What an operator decides about held posts.

use super::lists::Compiled;
use super::message::Ends;
use super::not_decided::NotDecided;
use super::posts::{authors, skipped};
use crate::backends::PostAdmin;
use crate::model::{
    DecisionOutcome, Effect, Expect, HeldPost, ListNumber, MemberAddress, MessageIdHash, NewDecision,
    NewPost, PostKind, Step,
};
use listgate_engine::posting::SENDERS;

/// Returns the step that sends a held post to the members, with the settings that its list has now; `None` if the list was
/// removed.
///
/// # Errors
/// The message or the list cannot be read.
pub(crate) async fn accept(store: &dyn PostAdmin, held: &HeldPost) -> Result<Option<Step>, NotDecided> {
    let Some(snapshot) = store.snapshot(&held.list_id).await? else { return Ok(None) };
    let list = Compiled::new(snapshot)?;
    let ends = Ends::read(store, held.message, held.size).await?;
    let mut roles = Vec::new();
    for author in authors(&ends.view()?).take(SENDERS) {
        let address = MemberAddress::stored(author.as_str().to_owned(), None);
        roles.extend(store.standing(list.number, &address).await?);
    }
    let post = NewPost {
        list: list.number,
        kind: PostKind::Post,
        message: held.message,
        message_id: held.message_id.clone(),
        size: held.size,
        settings: list.settings,
        personal: list.personal,
        skipped: skipped(&roles),
        instead_of_owners: None,
    };
    let mut step = decided(list.number, held, DecisionOutcome::Accepted)?
        .expecting(Expect::Lists(list.changes))?
        .with(Effect::Distribute(Box::new(post)))?;
    if !held.message_id.is_empty() {
        // It was remembered when it was held, which may be long ago.
        step = step.with(Effect::Remember(list.number, MessageIdHash::of(&held.message_id)))?;
    }
    Ok(Some(step))
}

/// Returns the step that removes a held post; `None` if its list was removed.
///
/// # Errors
/// The list cannot be read.
pub(crate) async fn discard(store: &dyn PostAdmin, held: &HeldPost) -> Result<Option<Step>, NotDecided> {
    let Some(snapshot) = store.snapshot(&held.list_id).await? else { return Ok(None) };
    Ok(Some(decided(snapshot.number, held, DecisionOutcome::Discarded)?))
}

/// Returns a step that ends the wait of a held post and records the decision.
fn decided(list: ListNumber, held: &HeldPost, outcome: DecisionOutcome) -> Result<Step, NotDecided> {
    let record = NewDecision {
        list,
        message_id: held.message_id.clone(),
        mail_from: held.mail_from.clone(),
        outcome,
        reasons: vec![format!("an operator {} the held post", outcome.as_str())],
    };
    let step = Step::settling_nothing().expecting(Expect::Held(held.id))?.with(Effect::Unhold(held.id))?;
    Ok(step.with(Effect::RecordDecision(Box::new(record)))?)
}
