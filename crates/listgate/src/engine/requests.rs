//! What an operator decides about requests: those that wait for a moderator, and invitations.

use super::lists::Compiled;
use super::not_decided::NotDecided;
use crate::backends::PostAdmin;
use crate::model::{
    About, Effect, Expect, Member, MemberAddress, MemberChange, MemberRole, NamedAddress, NewMember,
    NewNotice, NewRequest, NoticeContent, NoticeTo, Request, RequestKind, RequestPhase, Step,
};
use listgate_engine::notice::Template;
use std::collections::BTreeMap;

/// Returns the step that makes the address of a request a member; `None` if the list was removed. If an operator has added
/// it meanwhile, the request only ends.
///
/// # Errors
/// The list cannot be read.
pub(crate) async fn accept_request(
    store: &dyn PostAdmin,
    request: &Request,
    site_owner: Option<String>,
) -> Result<Option<Step>, NotDecided> {
    let Some(list) = list(store, &request.list_id).await? else { return Ok(None) };
    if is_member(store, &list, &request.address).await? {
        return Ok(Some(ending(&list, request)?));
    }
    let named = NamedAddress { address: request.address.clone(), name: request.name.clone() };
    let new = NewMember { named, changes: vec![MemberChange::Verified(true)] };
    let mut step = ending(&list, request)?.with(Effect::Join(list.number, Box::new(new)))?;
    if list.commands.send_welcome_message {
        step = step.with(notify(&list, to(&request.address), About::Joined, Template::Welcome, request))?;
    }
    if list.commands.admin_notify_mchanges {
        let owners = NoticeTo::Owners { instead: site_owner };
        step = step.with(notify(&list, owners, About::Nothing, Template::OwnerJoined, request))?;
    }
    Ok(Some(step))
}

/// Returns the step that ends a request, and the mail about that to its address; `None` if the list was removed.
///
/// # Errors
/// The list cannot be read.
pub(crate) async fn reject_request(
    store: &dyn PostAdmin,
    request: &Request,
) -> Result<Option<Step>, NotDecided> {
    let Some(list) = list(store, &request.list_id).await? else { return Ok(None) };
    let notice = notify(&list, to(&request.address), About::Nothing, Template::Rejected, request);
    Ok(Some(ending(&list, request)?.with(notice)?))
}

/// Returns the step that removes a request.
pub(crate) fn remove_request(request: &Request) -> Step {
    let unchanged = Expect::Request(request.id, request.version);
    let step = Step::settling_nothing().expecting(unchanged);
    step.and_then(|step| step.with(Effect::EndRequest(request.id))).expect("a step has room for this")
}

/// Returns the step that invites an address to a list; `None` if the list does not exist, or the address is a member.
///
/// # Errors
/// The list cannot be read.
pub(crate) async fn invite(
    store: &dyn PostAdmin,
    list_id: &str,
    named: NamedAddress,
) -> Result<Option<Step>, NotDecided> {
    let Some(list) = list(store, list_id).await? else { return Ok(None) };
    let NamedAddress { address, name } = named;
    if is_member(store, &list, &address).await? {
        return Ok(None);
    }
    let kind = RequestKind::Invite;
    let pending = store.request_of(list.number, &address, kind).await?;
    let unchanged = match pending {
        Some(request) => Expect::Request(request.id, request.version),
        None => Expect::NoRequest(list.number, address.clone(), kind),
    };
    let (phase, confirmed) = (RequestPhase::Confirm, false);
    let notice = NewNotice { about: About::Asked, ..of_template(&list, &address, Template::Invite) };
    let request = NewRequest { list: list.number, kind, phase, address: address.clone(), name, confirmed };
    let step = Step::settling_nothing()
        .expecting(Expect::Lists(list.changes))?
        .expecting(Expect::NotMember(list.number, address))?
        .expecting(unchanged)?
        .with(Effect::Ask(Box::new(request)))?
        .with(Effect::Notify(Box::new(notice)))?;
    Ok(Some(step))
}

async fn list(store: &dyn PostAdmin, list_id: &str) -> Result<Option<Compiled>, NotDecided> {
    Ok(store.snapshot(list_id).await?.map(Compiled::new).transpose()?)
}

async fn is_member(
    store: &dyn PostAdmin,
    list: &Compiled,
    address: &MemberAddress,
) -> Result<bool, NotDecided> {
    let standing = store.standing(list.number, address).await?;
    Ok(standing.iter().any(|member: &Member| member.role == MemberRole::Member))
}

/// Returns a step that ends a request, if its list has not changed.
fn ending(list: &Compiled, request: &Request) -> Result<Step, NotDecided> {
    Ok(remove_request(request).expecting(Expect::Lists(list.changes))?)
}

fn to(address: &MemberAddress) -> NoticeTo {
    NoticeTo::Address(address.clone())
}

fn notify(list: &Compiled, to: NoticeTo, about: About, template: Template, request: &Request) -> Effect {
    let notice = NewNotice { to, about, ..of_template(list, &request.address, template) };
    Effect::Notify(Box::new(notice))
}

/// Returns a notice about an address, which goes to it.
fn of_template(list: &Compiled, address: &MemberAddress, template: Template) -> NewNotice {
    // Only mail to owners has it.
    let values = BTreeMap::from([("person".to_owned(), address.to_string())]);
    let list_name = list.display_name.clone();
    NewNotice {
        list: list.number,
        to: to(address),
        about: About::Nothing,
        counted: false,
        template: template.as_str(),
        content: NoticeContent { values, list_name, in_reply_to: None }.to_json(),
    }
}
