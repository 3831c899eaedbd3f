//! The engine's view of an entry: which decision it needs.

use super::context::Context;
use super::decision::{Decision, shunted};
use super::not_decided::NotDecided;
use super::why::Why;
use super::{bounces, commands, owners, posts};
use crate::error_chain::Chain;
use crate::model::{Entry, Lease, Role};
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
            // Its sender has been promised that it will be handled, so an operator must see it.
            (Some(role), None) => Ok(shunted(context, lease, role, Why::NoList)),
            (None, _) => Err(NotDecided::Role),
        }
    }
}

/// Returns the role in which the list was addressed.
fn role(entry: &Entry) -> Option<Role> {
    match entry.msgdata.get("subaddress") {
        None => Some(Role::Post),
        Some(suffix) => Role::of_subaddress(suffix.as_str()?),
    }
}
