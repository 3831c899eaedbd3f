//! Asks the moderators of a list about a post that is held.

use super::context::Context;
use super::lists::Compiled;
use super::not_decided::NotDecided;
use super::why::Why;
use crate::limits;
use crate::model::{
    About, Effect, Expect, ModerationNow, NewHeldPost, NewNotice, NoticeContent, NoticeTo, OfferedTo, Step,
};
use listgate_engine::notice::Template;
use std::collections::BTreeMap;

/// Adds to a step the notices about a post that it holds, whose size is in octets, and names their recipients in `held`.
/// Returns whom they go to, or why there are none.
pub(super) async fn ask(
    context: &Context,
    list: &Compiled,
    (held, size): (&mut NewHeldPost, u64),
    mut step: Step,
) -> Result<(Step, Why), NotDecided> {
    if !list.commands.admin_immed_notify {
        return Ok((step, Why::ModeratorsUnasked));
    }
    let now = context.store.moderation(list.number).await?;
    let to = match recipients(&now, context.settings().site_owner) {
        Ok(to) => to,
        Err(why) => return Ok((step, why)),
    };
    let content = content(list, held, size, &now);
    // Others that are decided at the same time must not take this one beyond the limit. How many there are does not matter.
    step = step.expecting(Expect::Announced(list.number, limits::HELD_NOTICES - 1))?;
    let mut named = Vec::new();
    for Recipient { address, to, offered_to } in to {
        let (template, content) = (Template::OwnerHeld.as_str(), content.clone());
        let about = About::Held(offered_to);
        let notice = NewNotice { list: list.number, to, about, counted: false, template, content };
        step = step.with(Effect::Notify(Box::new(notice)))?;
        named.push(address);
    }
    held.notified.extend_from_slice(&named);
    Ok((step, Why::ModeratorsAsked(named)))
}

/// Who gets a notice.
struct Recipient {
    address: String,
    to: NoticeTo,
    offered_to: OfferedTo,
}

/// Returns who gets a notice, or why nobody does.
fn recipients(now: &ModerationNow, site_owner: Option<String>) -> Result<Vec<Recipient>, Why> {
    if now.announced >= limits::HELD_NOTICES {
        return Err(Why::TooManyAnnounced);
    }
    if !now.moderators.is_empty() {
        let recipient = |moderator: &crate::model::Member| Recipient {
            address: moderator.address.to_string(),
            to: NoticeTo::Address(moderator.address.clone()),
            offered_to: OfferedTo::Moderator(moderator.seq),
        };
        return Ok(now.moderators.iter().map(recipient).collect());
    }
    let address = site_owner.ok_or(Why::NoModerators)?;
    let to = NoticeTo::Owners { instead: Some(address.clone()) };
    Ok(vec![Recipient { address, to, offered_to: OfferedTo::SiteOwner }])
}

fn content(list: &Compiled, held: &NewHeldPost, size: u64, now: &ModerationNow) -> String {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let subject: String = held.subject.chars().take(limits::NOTICE_SUBJECT).collect();
    let values = [
        ("author", or(&held.author, &held.mail_from)),
        ("subject", or(subject.trim(), "(none)")),
        ("size", size.to_string()),
        ("reasons", held.reasons.join("\n")),
        ("waiting", (now.waiting + 1).to_string()),
        ("limit", limits::HELD_NOTICES.to_string()),
    ];
    let values: BTreeMap<String, String> =
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    NoticeContent { values, list_name: list.display_name.clone(), in_reply_to: None }.to_json()
}
