//! LMTP on sockets: listeners, and one task for each connection.

mod admission;
mod connection;
mod guard;
mod listener;
mod shared;
mod stage;
mod transaction;

pub(crate) use admission::Admission;
pub(crate) use listener::{Listener, Stream, serve};
pub(crate) use shared::Shared;
pub(crate) use stage::{Stage, reached};
