//! Decides about mail to the owners of a list.

use super::context::Context;
use super::decision::{Became, Decision, report};
use super::lists::{Compiled, mailbox};
use super::message::{self, Ends};
use super::not_decided::NotDecided;
use super::posts::{post, record};
use super::why::Why;
use crate::model::{DecisionOutcome, Effect, Expect, Lease, NewPost, PostKind, Role, Step, Verdict};
use listgate_engine::distribution::went_to_owners;
use listgate_engine::posting::Reason;
use std::sync::Arc;

/// Decides about mail to the owners: it goes to all of them, unless it has done so before.
pub(super) async fn decide(
    context: &Arc<Context>,
    lease: &Lease,
    list: &Compiled,
) -> Result<Decision, NotDecided> {
    let entry = &lease.entry;
    let ends = Ends::read(&*context.store, message::id(entry), entry.size).await?;
    let view = ends.view()?;
    let (outcome, why) = if !view.has_whole_header() {
        // Its fields could not be changed on the way out.
        (DecisionOutcome::Rejected, vec![Why::Rule(Reason::HeaderTooLarge)])
    } else if went_to_owners(&mailbox(&list.address), &view) {
        (DecisionOutcome::Discarded, vec![Why::SentToOwners])
    } else {
        (DecisionOutcome::Accepted, Vec::new())
    };
    let mut step = Step::settling(lease.id(), Verdict::Done).expecting(Expect::Lists(list.changes))?;
    if outcome == DecisionOutcome::Accepted {
        let instead_of_owners = context.settings().site_owner;
        let post = NewPost { instead_of_owners, ..post(list, entry, PostKind::Owner) };
        step = step.with(Effect::Distribute(Box::new(post)))?;
    }
    let step = step.with(record(list, entry, outcome, &why))?;
    Ok(Decision { step, report: report(context, entry, Role::Owner, Became::Decided(outcome), &why) })
}
