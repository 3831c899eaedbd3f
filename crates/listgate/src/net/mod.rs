//! Sockets, independent of the protocol: addresses, listeners, who may connect, and how a gate ends.

mod accept;
mod address;
mod admission;
mod client_tls;
mod connect;
mod greeting;
mod inherited;
mod listener;
mod mail_client;
mod networks;
mod phase;
mod server_address;
mod socket_file;
mod stream;
mod tls;

pub(crate) use accept::{Accepted, accept};
pub use address::{AddressError, ListenAddress};
pub(crate) use admission::{Admission, AdmissionRules, Standing};
pub(crate) use client_tls::{ClientTls, TlsPolicy};
pub(crate) use connect::{Connection, connect};
pub(crate) use greeting::greeting;
pub(crate) use inherited::{Inherited, NotInherited};
pub(crate) use listener::{BindError, Listener};
pub(crate) use mail_client::{MailClient, MailClientError, MailClientSettings, Operation, Patience};
pub use networks::{NetworkError, Networks};
pub(crate) use phase::{ShutdownPhase, reached};
pub use server_address::{InvalidServerAddress, ServerAddress};
pub(crate) use socket_file::SocketFile;
pub(crate) use stream::Stream;
pub(crate) use tls::{Tls, TlsFiles};
