//! LMTP (RFC 2033) and what it needs of RFC 5321, as state machines.
#![forbid(unsafe_code)]

mod client;
mod command;
mod data;
pub mod limits;
mod line;
mod mailbox;
mod per_recipient;
mod reply;
mod session;

pub use client::{Client, ClientEvent, Closed};
pub use command::Sender;
pub use limits::Limits;
pub use mailbox::{
    Domain, ForwardPath, InvalidAddress, LocalPart, Mailbox, ReversePath, is_domain_name, is_dot_string,
};
pub use per_recipient::PerRecipient;
pub use reply::{Refusal, Reply};
pub use session::{BareNewline, Event, Session, Settings};
