//! Decides about mail to the owners of a list, and to the postmasters of a domain.

use super::context::Context;
use super::decision::{Became, Decision, report, shunted};
use super::lists::{Compiled, mailbox};
use super::message::{self, Ends};
use super::not_decided::NotDecided;
use super::posts::{post, record};
use super::why::Why;
use crate::model::{
    DecisionOutcome, Effect, Expect, Lease, ListAddress, ListNumber, NewPost, POSTMASTERS, PostKind, Role,
    Step, Verdict, comparable_domain,
};
use listgate_engine::distribution::went_to_owners;
use listgate_engine::posting::Reason;
use listgate_engine::view::View;
use std::sync::Arc;

/// Decides about mail to the owners: it goes to all of them, unless it has done so before. Mail to the postmasters of a
/// domain goes to the site's, in place of owners.
pub(super) async fn decide(
    context: &Arc<Context>,
    lease: &Lease,
    list: &Compiled,
) -> Result<Decision, NotDecided> {
    let entry = &lease.entry;
    let ends = Ends::read(&*context.store, message::id(entry), entry.size).await?;
    let view = ends.view()?;
    let instead_of_owners = match list.number {
        ListNumber::SITE => match postmaster(context).await? {
            Ok(address) => Some(address),
            Err(why) => return Ok(shunted(context, lease, Role::Owner, why)),
        },
        _ => context.settings().site_owner,
    };
    let (outcome, why) = if !view.has_whole_header() {
        // Its fields could not be changed on the way out.
        (DecisionOutcome::Rejected, vec![Why::Rule(Reason::HeaderTooLarge)])
    } else if let Some(why) = sent_before(list, &view) {
        (DecisionOutcome::Discarded, vec![why])
    } else {
        (DecisionOutcome::Accepted, Vec::new())
    };
    let mut step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(list.changes))?;
    if outcome == DecisionOutcome::Accepted {
        let post = NewPost { instead_of_owners, ..post(list, entry, PostKind::Owner) };
        step = step.with(Effect::Distribute(Box::new(post)))?;
    }
    let step = step.with(record(list, entry, outcome, &why))?;
    Ok(Decision { step, report: report(context, entry, Role::Owner, Became::Decided(outcome), &why) })
}

/// Returns the reason to discard mail that went the same way before.
fn sent_before(list: &Compiled, view: &View<'_>) -> Option<Why> {
    let went = |address: &ListAddress| went_to_owners(&mailbox(address), view);
    if list.number != ListNumber::SITE {
        return went(&list.address).then_some(Why::SentToOwners);
    }
    let domain = &list.address.domain;
    let all = POSTMASTERS.map(|name| ListAddress { local: name.to_owned(), domain: domain.clone() });
    all.iter().any(went).then_some(Why::SentToPostmaster)
}

/// Returns the address that gets mail to the postmasters, or the reason why none can.
async fn postmaster(context: &Context) -> Result<Result<String, Why>, NotDecided> {
    let Some(postmaster) = context.settings().postmaster else { return Ok(Err(Why::NoPostmaster)) };
    let domain = comparable_domain(postmaster.domain().as_str());
    let is_here = context.store.is_own_domain(&domain).await?;
    let address = postmaster.to_string();
    Ok(if is_here { Err(Why::PostmasterIsHere(address)) } else { Ok(address) })
}
