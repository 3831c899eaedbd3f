//! Sockets, whatever is spoken on them: addresses, listeners, who may connect, and how it all ends.

mod address;
mod admission;
mod listener;
mod peers;
mod socket_file;
mod stage;

pub use address::ListenAddress;
pub(crate) use admission::Admission;
pub(crate) use listener::{Accepted, Listener, Stream};
pub use peers::Peers;
pub(crate) use socket_file::SocketFile;
pub(crate) use stage::{Stage, reached};
