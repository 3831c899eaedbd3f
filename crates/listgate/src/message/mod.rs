//! The octets of one message: the edit of its header, the facts that are noted as it passes, and where it is kept
//! while it arrives.

mod body;
mod edit;
mod facts;
mod incoming;
mod mailman_ascii;
pub(crate) mod mailman_id;
mod mailman_mail_from;
mod spool;

pub(crate) use body::{Body, Message};
pub(crate) use edit::{HeaderEdit, Style};
#[cfg(any(test, fuzzing))]
pub(crate) use edit::{ID_DIGITS, MessageId};
pub(crate) use facts::Facts;
pub(crate) use incoming::Incoming;
#[cfg(any(test, fuzzing))]
pub(crate) use mailman_ascii::ascii_field;
pub(crate) use spool::{Spool, Spooled};
