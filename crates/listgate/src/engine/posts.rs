//! Decides about a post, and stores what becomes of it.

use super::authors::{self, Post};
use super::context::Context;
use super::decision::{Became, Decision, report};
use super::lists::Compiled;
use super::message::{self, Ends};
use super::moderators;
use super::not_decided::NotDecided;
use super::why::Why;
use crate::backends::Posts;
use crate::limits;
use crate::model::{
    DecisionOutcome, Effect, Entry, Expect, Lease, Member, MemberAddress, MemberRole, MessageIdHash,
    NewDecision, NewHeldPost, NewPost, PostKind, Role, Seq, Step, StoreError, Verdict,
};
use listgate_engine::comparable::Comparable;
use listgate_engine::notice::Template;
use listgate_engine::posting::{Answer, Facts, Outcome, Question, Standing, decide as rules};
use listgate_engine::view::View;
use listgate_lmtp::ReversePath;
use std::collections::HashMap;
use std::sync::Arc;

/// Decides about a post.
pub(super) async fn decide(
    context: &Arc<Context>,
    lease: &Lease,
    list: &Compiled,
) -> Result<Decision, NotDecided> {
    let entry = &lease.entry;
    let ends = Ends::read(&*context.store, message::id(entry), entry.size).await?;
    let view = ends.view()?;
    let Found { outcome, mut why, message_id, members } = find(context, entry, list, &view).await?;
    let mut step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(list.changes))?;
    if let Some(message_id) = message_id
        && matches!(outcome, DecisionOutcome::Accepted | DecisionOutcome::Held)
    {
        step = step.expecting(Expect::NotPosted(list.number, message_id))?;
        step = step.with(Effect::Remember(list.number, message_id))?;
    }
    match outcome {
        DecisionOutcome::Accepted => {
            let author = authors(&view).filter_map(|author| members.get(&author)).flatten();
            let post = NewPost { skipped: skipped(author), ..post(list, entry, PostKind::Post) };
            step = step.with(Effect::Distribute(Box::new(post)))?;
        }
        DecisionOutcome::Held => {
            let mut held = held(list, entry, &view, &why);
            let asked;
            (step, asked) = moderators::ask(context, list, (&mut held, entry.size), step).await?;
            let told;
            (step, told) = tell(context, entry, list, &view, (outcome, &why, &members), step).await?;
            if let Why::AuthorNotified(author) = &told {
                held.notified.push(author.as_str().to_owned());
            }
            why.extend([asked, told]);
            step = step.with(Effect::Hold(Box::new(held)))?;
        }
        DecisionOutcome::Rejected => {
            let told;
            (step, told) = tell(context, entry, list, &view, (outcome, &why, &members), step).await?;
            why.push(told);
        }
        _ => {}
    }
    let step = step.with(record(list, entry, outcome, &why))?;
    Ok(Decision { step, report: report(context, entry, Role::Post, Became::Decided(outcome), &why) })
}

/// Adds to a step a mail to the author of a post that is held or rejected, if the author may get one.
async fn tell(
    context: &Context,
    entry: &Entry,
    list: &Compiled,
    view: &View<'_>,
    (outcome, why, members): (DecisionOutcome, &[Why], &Senders),
    step: Step,
) -> Result<(Step, Why), NotDecided> {
    let template = match outcome {
        DecisionOutcome::Held if !list.respond_to_post_requests => return Ok((step, Why::AuthorOff)),
        DecisionOutcome::Held => Template::PostHeld,
        _ => Template::PostRejected,
    };
    let (sender, settings) = (sender(entry), context.settings());
    let post = Post {
        view,
        sender: &sender,
        message_id: entry.message_id.as_deref().unwrap_or_default(),
        authserv_id: settings.authserv_id.as_deref(),
    };
    let reasons = |author: &Comparable| {
        // The reason about one sender also depends on what the others are to the list, which is a secret.
        let is_alone = members.keys().all(|sender| sender == author);
        let shown = why.iter().filter(|why| is_alone || !why.is_about_standing());
        let shown: Vec<String> = shown.map(|why| why.text(str::to_owned)).collect();
        if shown.is_empty() { vec![NO_REASON.to_owned()] } else { shown }
    };
    authors::tell(&*context.store, list, post, (template, reasons), step).await
}

/// What an author sees if no reason can be shown.
const NO_REASON: &str = "the list does not accept all posts";

/// The senders of a post that were looked up, with their roles in the list.
type Senders = HashMap<Comparable, Vec<Member>>;

/// What was found about a post.
struct Found {
    outcome: DecisionOutcome,
    why: Vec<Why>,
    /// The hash of its Message-ID, if it has one that matters.
    message_id: Option<MessageIdHash>,
    members: Senders,
}

/// Applies the rules, and looks up what they ask for.
async fn find(
    context: &Context,
    entry: &Entry,
    list: &Compiled,
    view: &View<'_>,
) -> Result<Found, StoreError> {
    let store: &dyn Posts = &*context.store;
    let mut facts = Facts::new(sender(entry));
    let (mut message_id, mut members) = (None, HashMap::new());
    // The rules ask at most once.
    for _ in 0..2 {
        let questions = match rules(&list.posting, &facts, view) {
            Answer::Needs(questions) => questions,
            Answer::Decided(decided) => {
                let mut outcome = became(decided.outcome);
                let mut why: Vec<Why> = decided.reasons.into_iter().map(Why::Rule).collect();
                if outcome == DecisionOutcome::Held && store.holds_too_many(list.number).await? {
                    outcome = DecisionOutcome::Discarded;
                    why.insert(0, Why::TooManyHeld);
                }
                return Ok(Found { outcome, why, message_id, members });
            }
        };
        for question in questions {
            match question {
                Question::Duplicate(id) => {
                    let id = *message_id.insert(MessageIdHash::of(&id));
                    facts.is_duplicate = Some(store.is_posted(list.number, id).await?);
                }
                Question::Standing(sender) => {
                    let address = MemberAddress::stored(sender.as_str().to_owned(), None);
                    let roles = store.standing(list.number, &address).await?;
                    facts.standings.insert(sender.clone(), standing(&roles));
                    members.insert(sender, roles);
                }
            }
        }
    }
    unreachable!("all questions were answered")
}

/// Returns the envelope sender.
pub(super) fn sender(entry: &Entry) -> ReversePath {
    reverse_path(entry.mail_from.as_deref().unwrap_or_default())
}

/// Reads an envelope sender that was stored.
pub(super) fn reverse_path(mail_from: &str) -> ReversePath {
    mail_from.parse().map_or(ReversePath::Null, ReversePath::Mailbox)
}

fn standing(roles: &[Member]) -> Standing {
    let has = |role| roles.iter().any(|member| member.role == role);
    if has(MemberRole::Member) {
        Standing::Member(None)
    } else if has(MemberRole::Nonmember) {
        Standing::Nonmember(None)
    } else {
        Standing::Unknown
    }
}

fn became(outcome: Outcome) -> DecisionOutcome {
    match outcome {
        Outcome::Accept => DecisionOutcome::Accepted,
        Outcome::Hold => DecisionOutcome::Held,
        Outcome::Reject => DecisionOutcome::Rejected,
        Outcome::Discard => DecisionOutcome::Discarded,
    }
}

/// Returns the authors of a post: the addresses in From.
pub(super) fn authors(view: &View<'_>) -> impl Iterator<Item = Comparable> {
    let addresses = view.addresses("From").into_iter();
    addresses.filter_map(|address| address.mailbox).map(|author| Comparable::new(&author))
}

/// Returns the membership of an author, given all their roles, if their own posts do not reach them.
pub(super) fn skipped<'m>(roles: impl IntoIterator<Item = &'m Member>) -> Option<Seq> {
    let own_posts_off = |member: &&Member| member.role == MemberRole::Member && !member.settings.own_posts;
    roles.into_iter().find(own_posts_off).map(|author| author.seq)
}

/// Returns a post of this kind, for all recipients.
pub(super) fn post(list: &Compiled, entry: &Entry, kind: PostKind) -> NewPost {
    NewPost {
        list: list.number,
        kind,
        message: message::id(entry),
        message_id: entry.message_id.clone().unwrap_or_default(),
        size: entry.size,
        settings: list.settings.clone(),
        personal: list.personal,
        skipped: None,
        instead_of_owners: None,
    }
}

fn held(list: &Compiled, entry: &Entry, view: &View<'_>, why: &[Why]) -> NewHeldPost {
    let author = view.addresses("From").into_iter().find_map(|address| address.mailbox);
    let subject = view.first("Subject").map(|field| field.decoded()).unwrap_or_default();
    NewHeldPost {
        list: list.number,
        message: message::id(entry),
        mail_from: entry.mail_from.clone().unwrap_or_default(),
        message_id: entry.message_id.clone().unwrap_or_default(),
        author: author.map(|author| author.to_string()).unwrap_or_default(),
        subject: subject.chars().take(limits::HELD_SUBJECT).collect(),
        reasons: texts(why),
        notified: Vec::new(),
    }
}

/// Returns the record of a decision.
pub(super) fn record(list: &Compiled, entry: &Entry, outcome: DecisionOutcome, why: &[Why]) -> Effect {
    Effect::RecordDecision(Box::new(NewDecision {
        list: list.number,
        message_id: entry.message_id.clone().unwrap_or_default(),
        mail_from: entry.mail_from.clone().unwrap_or_default(),
        outcome,
        reasons: texts(why),
    }))
}

fn texts(why: &[Why]) -> Vec<String> {
    why.iter().map(|why| why.text(str::to_owned)).collect()
}
