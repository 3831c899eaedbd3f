//! What becomes of held posts when somebody decides.

use super::authors::{self, Post};
use super::lists::Compiled;
use super::message::Ends;
use super::not_decided::NotDecided;
use super::posts::{authors, reverse_path, skipped};
use super::why::Why;
use crate::backends::{Messages, PostAdmin, Posts};
use crate::model::{
    DecisionOutcome, Effect, Expect, HeldPost, ListNumber, MemberAddress, MessageIdHash, NewDecision,
    NewPost, PostKind, Step,
};
use listgate_engine::notice::Template;
use listgate_engine::posting::SENDERS;

/// Who decides, if the decision is made by a command.
const OPERATOR: &str = "an operator";

/// Returns the step that sends a held post to the members, with the settings that its list has now; `None` if the list was
/// removed.
///
/// # Errors
/// The message or the list cannot be read.
pub(crate) async fn accept(store: &dyn PostAdmin, held: &HeldPost) -> Result<Option<Step>, NotDecided> {
    let Some((list, step)) = begin(store, held).await? else { return Ok(None) };
    Ok(Some(accepting(store, &list, held, OPERATOR, step).await?))
}

/// Returns the step that removes a held post, with a mail to its author if the author may get one; `None` if its list was
/// removed. The mail says `words`, or that a moderator has decided. `authserv_id` is the name under which the site's mail
/// server writes Authentication-Results.
///
/// # Errors
/// The message or the list cannot be read.
pub(crate) async fn reject(
    store: &dyn PostAdmin,
    held: &HeldPost,
    words: Option<&str>,
    authserv_id: Option<&str>,
) -> Result<Option<Step>, NotDecided> {
    let Some((list, step)) = begin(store, held).await? else { return Ok(None) };
    let by = Rejection { by: OPERATOR, words, authserv_id };
    Ok(Some(rejecting(store, &list, held, by, step).await?))
}

/// Returns the step that removes a held post; `None` if its list was removed.
///
/// # Errors
/// The list cannot be read.
pub(crate) async fn discard(store: &dyn PostAdmin, held: &HeldPost) -> Result<Option<Step>, NotDecided> {
    // This works for a list whose settings cannot be read, too.
    let Some(list) = store.snapshot(&held.list_id).await? else { return Ok(None) };
    let by = (DecisionOutcome::Discarded, OPERATOR);
    Ok(Some(decided(list.number, held, by, Vec::new(), Step::settling_nothing())?))
}

/// Returns the list of a held post, and a step that settles nothing; `None` if the list was removed.
async fn begin(store: &dyn PostAdmin, held: &HeldPost) -> Result<Option<(Compiled, Step)>, NotDecided> {
    let Some(snapshot) = store.snapshot(&held.list_id).await? else { return Ok(None) };
    let list = Compiled::new(snapshot)?;
    let step = Step::settling_nothing().expecting(Expect::Lists(list.changes))?;
    Ok(Some((list, step)))
}

/// Adds to a step that a held post is sent to the members. `by` says who decided.
pub(super) async fn accepting(
    store: &(impl Posts + Messages + ?Sized),
    list: &Compiled,
    held: &HeldPost,
    by: &str,
    step: Step,
) -> Result<Step, NotDecided> {
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
        settings: list.settings.clone(),
        personal: list.personal,
        skipped: skipped(&roles),
        instead_of_owners: None,
    };
    let mut step = decided(list.number, held, (DecisionOutcome::Accepted, by), Vec::new(), step)?
        .with(Effect::Distribute(Box::new(post)))?;
    if !held.message_id.is_empty() {
        // It was remembered when it was held, which may be long ago.
        step = step.with(Effect::Remember(list.number, MessageIdHash::of(&held.message_id)))?;
    }
    Ok(step)
}

/// How a held post is rejected.
pub(super) struct Rejection<'r> {
    /// Who decides.
    pub(super) by: &'r str,
    /// Why, for the author.
    pub(super) words: Option<&'r str>,
    /// The name under which the site's mail server writes Authentication-Results.
    pub(super) authserv_id: Option<&'r str>,
}

/// Adds to a step that a held post is removed, and that its author gets a mail if the author may get one.
pub(super) async fn rejecting(
    store: &(impl Posts + Messages + ?Sized),
    list: &Compiled,
    held: &HeldPost,
    Rejection { by, words, authserv_id }: Rejection<'_>,
    step: Step,
) -> Result<Step, NotDecided> {
    let ends = Ends::read(store, held.message, held.size).await?;
    let (view, sender) = (ends.view()?, reverse_path(&held.mail_from));
    let post = Post { view: &view, sender: &sender, message_id: &held.message_id, authserv_id };
    let words = words.unwrap_or("A moderator of the list has rejected it.").to_owned();
    let (step, told) =
        authors::tell(store, list, post, (Template::PostRejected, |_: &_| vec![words]), step).await?;
    decided(list.number, held, (DecisionOutcome::Rejected, by), vec![told], step)
}

/// Adds to a step that a held post is decided, and records the decision.
fn decided(
    list: ListNumber,
    held: &HeldPost,
    (outcome, by): (DecisionOutcome, &str),
    more: Vec<Why>,
    step: Step,
) -> Result<Step, NotDecided> {
    let reason = format!("{by} {} the held post", outcome.as_str());
    let more = more.iter().map(|why| why.text(str::to_owned));
    let record = NewDecision {
        list,
        message_id: held.message_id.clone(),
        mail_from: held.mail_from.clone(),
        outcome,
        reasons: [reason].into_iter().chain(more).collect(),
    };
    let step = step.expecting(Expect::Held(held.id))?.with(Effect::Unhold(held.id, outcome))?;
    Ok(step.with(Effect::RecordDecision(Box::new(record)))?)
}
