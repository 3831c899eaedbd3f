//! Sockets, whatever is spoken on them: addresses, listeners, who may connect, and how it all ends.

mod accept;
mod address;
mod admission;
mod connect;
mod listener;
mod peers;
mod socket_file;
mod stage;
mod stream;

pub(crate) use accept::{Accepted, accept};
pub use address::ListenAddress;
pub(crate) use admission::Admission;
pub(crate) use connect::{Connection, connect};
pub(crate) use listener::Listener;
pub use peers::Peers;
pub(crate) use socket_file::SocketFile;
pub(crate) use stage::{Stage, reached};
pub(crate) use stream::Stream;
