//! Code that Listgate's tests share: a data directory, a gate or a `listgate serve` on it, the command line,
//! a peer that speaks LMTP line by line, a mail server that follows a script, and system calls as recorded by strace.
//!
//! Start with [`Site`]. Everything here panics to fail the test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
pub mod calls;
pub mod clock;
pub mod disk;
mod http;
mod installed;
pub mod mount;
mod outbox;
mod page;
mod patience;
mod peer;
mod program;
mod server;
pub mod service_manager;
mod site;
pub mod smtp_server;
pub mod socketmap;
pub mod tls;
pub mod trace;

pub use addresses::{free_address, socketmap, stop_listening, tcp};
pub use http::{get, request};
pub use installed::installed;
pub use outbox::{Outbox, Transaction};
pub use page::blocks;
pub use patience::{PATIENCE, until};
pub use peer::{Peer, queued_as, stuffed};
pub use program::program;
pub use server::Server;
pub use site::{OWNER, Site};
