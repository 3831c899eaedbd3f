//! Records bounces.

use super::context::Context;
use super::decision::Decision;
use super::lists::Compiled;
use super::message::{self, Ends};
use super::not_decided::NotDecided;
use crate::limits;
use crate::model::{BounceOf, Effect, Entry, Evidence, Expect, Lease, NewBounce, Step, Verdict};
use crate::work::Report;
use listgate_engine::bounce;
use listgate_engine::token::{Check, Purpose};
use listgate_engine::view::View;
use std::sync::Arc;

/// What a bounce says.
struct Class {
    /// Its name, such as `permanent`.
    name: &'static str,
    /// The enhanced status code (RFC 3463).
    status: Option<String>,
    diagnostic: Option<String>,
}

/// Decides about mail to `-bounces`: it is recorded, as evidence if its address has a token that we signed.
pub(super) async fn decide(
    context: &Arc<Context>,
    lease: &Lease,
    list: &Compiled,
) -> Result<Decision, NotDecided> {
    let entry = &lease.entry;
    let ends = Ends::read(&*context.store, message::id(entry), entry.size).await?;
    let view = ends.view()?;
    let signed = match entry.detail.as_deref() {
        Some(detail) => signed(context, &entry.list_id, detail).await?,
        None => Signed::No,
    };
    let (token, evidence) = match signed {
        Signed::Bounce(about, subject) => (about.as_str(), Evidence::Signed { about, subject }),
        Signed::Test(subject) => {
            ("test", Evidence::Test { subject, message: ends.beginning(limits::TEST_MESSAGE).to_vec() })
        }
        Signed::No => {
            ("none", Evidence::Unsigned { header: ends.header(&view, limits::BOUNCE_HEADER).to_vec() })
        }
    };
    let Class { name: class, status, diagnostic } = match evidence {
        Evidence::Test { .. } => Class { name: "not_a_bounce", status: None, diagnostic: None },
        _ => classify(&view),
    };
    let report = report(context, entry, class, token);
    let bounce = NewBounce { list: list.number, evidence, class, status, diagnostic };
    let step = Step::settling(lease.id(), Verdict::Done)
        .expecting(Expect::Lists(list.changes))?
        .with(Effect::RecordBounce(Box::new(bounce)))?;
    Ok(Decision { step, report })
}

/// What the token in an address says.
enum Signed {
    /// What the bounce is about, and the id in the token.
    Bounce(BounceOf, u64),
    /// It is a test message that has come back.
    Test(u64),
    /// It is not a token that we signed for this.
    No,
}

/// Returns what a token says, if it is valid for mail to `-bounces` of the list. The keys are read each time, so that new
/// ones are known at once.
async fn signed(context: &Context, list_id: &str, text: &str) -> Result<Signed, NotDecided> {
    let keys = context.store.keys().await?;
    let Check::Valid { claim, .. } = keys.check(list_id, text.as_bytes(), context.today()) else {
        return Ok(Signed::No);
    };
    let subject = claim.subject.id();
    Ok(match claim.purpose {
        Purpose::MemberBounce => Signed::Bounce(BounceOf::Member, subject),
        Purpose::BatchBounce => Signed::Bounce(BounceOf::Batch, subject),
        Purpose::NoticeBounce => Signed::Bounce(BounceOf::Notice, subject),
        Purpose::Test => Signed::Test(subject),
        _ => Signed::No,
    })
}

/// Returns what a bounce says.
fn classify(view: &View<'_>) -> Class {
    match bounce::classify(view) {
        Ok(bounce) => Class {
            name: bounce.class.name(),
            status: bounce.status.map(|status| status.to_string()),
            diagnostic: Some(bounce.diagnostic).filter(|text| !text.is_empty()),
        },
        Err(_) => Class { name: "not_a_bounce", status: None, diagnostic: None },
    }
}

/// Returns the decision about a bounce of a list that no longer exists: it is only counted.
pub(super) fn without_list(context: &Arc<Context>, lease: &Lease) -> Decision {
    let step = Step::settling(lease.id(), Verdict::Done);
    Decision { step, report: report(context, &lease.entry, "no_list", "none") }
}

/// Returns the report on a bounce: a line in the log, and a metric.
fn report(context: &Arc<Context>, entry: &Entry, class: &'static str, token: &'static str) -> Report {
    let (id, list) = (entry.id.to_string(), entry.list_id.clone());
    let message_id = entry.message_id.clone().unwrap_or_default();
    let context = Arc::clone(context);
    Report(Box::new(move |took| {
        context.metrics.bounced(class, token);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(id, list, message_id, class, token, ms, "bounce recorded");
    }))
}
