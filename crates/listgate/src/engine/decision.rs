//! A decision about an entry, and how it is reported.

use super::context::Context;
use super::why::Why;
use crate::model::{DecisionOutcome, Entry, Lease, Role, Step, Verdict};
use crate::work::Report;
use std::sync::Arc;

/// A decision about an entry, with all its effects.
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) report: Report,
}

/// What became of a message to a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Became {
    Decided(DecisionOutcome),
    /// It can go nowhere, for example because its list does not exist, so it stays in the queue for an operator.
    Shunted,
}

impl Became {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Decided(outcome) => outcome.as_str(),
            Self::Shunted => "shunted",
        }
    }
}

/// Returns the decision about mail that can go nowhere. It stays in the queue for an operator.
pub(super) fn shunted(context: &Arc<Context>, lease: &Lease, role: Role, why: Why) -> Decision {
    let verdict = Verdict::Shunt { why: why.text(str::to_owned) };
    let report = report(context, &lease.entry, role, Became::Shunted, &[why]);
    Decision { step: Step::settling(lease.id(), verdict), report }
}

/// Returns the report on a message to a list: a line in the log, and a metric.
pub(super) fn report(
    context: &Arc<Context>,
    entry: &Entry,
    role: Role,
    became: Became,
    why: &[Why],
) -> Report {
    let settings = context.settings();
    let reasons: Vec<String> = why.iter().map(|why| why.text(|address| settings.named(address))).collect();
    let label = why.iter().find(|why| why.keeps_back()).or(why.first()).map_or("none", Why::label);
    let (id, list) = (entry.id.to_string(), entry.list_id.clone());
    let from = settings.named(entry.mail_from.as_deref().unwrap_or_default());
    let message_id = entry.message_id.clone().unwrap_or_default();
    let context = Arc::clone(context);
    Report(Box::new(move |took| {
        context.metrics.decided(role.name(), became.as_str(), label);
        let what = match role {
            Role::Post => "post",
            Role::Owner => "mail to owners",
            _ => "command",
        };
        let (outcome, reasons) = (became.as_str(), reasons.join("; "));
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if reasons.is_empty() {
            tracing::info!(id, list, from, message_id, ms, "{what} {outcome}");
        } else {
            tracing::info!(id, list, from, message_id, ms, reasons, "{what} {outcome}");
        }
    }))
}
