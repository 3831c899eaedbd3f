//! Sockets, independent of the protocol: addresses, listeners, who may connect, and how a gate ends.

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
pub use address::{AddressError, ListenAddress};
pub(crate) use admission::{Admission, AdmissionRules};
pub(crate) use connect::{Connection, connect};
pub(crate) use listener::Listener;
pub use peers::{Peers, PeersError};
pub(crate) use socket_file::SocketFile;
pub(crate) use stage::{Stage, reached};
pub(crate) use stream::Stream;
