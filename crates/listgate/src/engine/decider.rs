//! The engine's view of an entry: which decision it needs.

use super::context::Context;
use super::decision::{Became, Decision, report};
use super::not_decided::NotDecided;
use super::why::Why;
use super::{bounces, commands, owners, posts};
use crate::error_chain::Chain;
use crate::model::{Entry, Lease, Role, Step, Verdict};
use crate::work::{Body, Outcome, Processor};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Decides about entries of all queues.
pub(super) struct Decider(pub(super) Arc<Context>);

impl Processor for Decider {
    async fn process(&self, lease: &Lease, _body: Body, _stopped: oneshot::Receiver<()>) -> Outcome {
        match self.decide(lease).await {
            Ok(Decision { step, report }) => Outcome::Reported(step, report),
            Err(why) => Outcome::Failed { why: Chain(&why).to_string() },
        }
    }

    fn outdated(&self, lease: &Lease) {
        self.0.lists.forget(&lease.entry.list_id);
    }
}

impl Decider {
    async fn decide(&self, lease: &Lease) -> Result<Decision, NotDecided> {
        let context = &self.0;
        let list = context.lists.get(&*context.store, &lease.entry.list_id).await?;
        match (role(&lease.entry), list) {
            (Some(Role::Post), Some(list)) => posts::decide(context, lease, &list).await,
            (Some(Role::Owner), Some(list)) => owners::decide(context, lease, &list).await,
            (Some(Role::Bounces), Some(list)) => bounces::decide(context, lease, &list).await,
            (Some(role), Some(list)) => commands::decide(context, lease, &list, role).await,
            (Some(Role::Bounces), None) => Ok(bounces::without_list(context, lease)),
            (Some(role), None) => Ok(self.without_list(lease, role)),
            (None, _) => Err(NotDecided::Role),
        }
    }

    /// Returns the decision about mail whose list was removed while it waited. Its sender has been promised that it will
    /// be handled, so an operator must see it: it is shunted.
    fn without_list(&self, lease: &Lease, role: Role) -> Decision {
        let verdict = Verdict::Shunt { why: Why::NoList.text(str::to_owned) };
        let report = report(&self.0, &lease.entry, role, Became::Shunted, &[Why::NoList]);
        Decision { step: Step::settling(lease.id(), verdict), report }
    }
}

/// Returns the role in which the list was addressed.
fn role(entry: &Entry) -> Option<Role> {
    match entry.msgdata.get("subaddress") {
        None => Some(Role::Post),
        Some(suffix) => Role::of_subaddress(suffix.as_str()?),
    }
}
