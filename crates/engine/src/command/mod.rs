//! Commands by mail: what a person asks of a list with a mail to `-request`, `-join`, `-leave` or `-confirm`, and what
//! becomes of it.

mod decide;
mod decided;
mod facts;
mod reply;
#[cfg(test)]
pub(crate) mod samples;
mod settings;
#[cfg(test)]
mod tests;
mod trust;
pub mod words;

pub use decide::{Addressed, Answer, Mail, QUESTIONS, decide};
pub(crate) use decide::{Refused, is_reachable, refusal};
pub use decided::{About, Decided, Effect, Limit, Outcome, Reason, Sending, To};
pub use facts::{
    Answered, Asked, Facts, Former, Member, Offer, Phase, Question, Request, RequestKind, Roster, Ruling,
    Standing,
};
pub use settings::{RosterVisibility, Settings, SubscriptionPolicy};
pub(crate) use trust::is_authenticated;
