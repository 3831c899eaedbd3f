//! Listgate, a mailing-list server beside a mail server.
//!
//! The program is `listgate serve`. This library runs its gate, without the engine, inside another process:
//!
//! ```
//! use listgate::{Config, Gate};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config { listen: vec!["127.0.0.1:0".parse()?], ..Config::new(dir.path()) };
//! let gate = Gate::start(config)?;
//! println!("LMTP at {}", gate.addresses()[0]);
//! gate.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Programs process the queued entries through [`queue`].
//!
//! Start reading at [`Gate::start`]; ARCHITECTURE.md gives an overview.

mod admin;
mod backends;
mod bench;
mod capacity;
#[doc(hidden)]
pub mod cli;
mod config;
mod directory;
mod doctor;
mod engine;
mod error_chain;
mod file_error;
mod file_id;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod intake;
mod limits;
mod lmtp_server;
mod log_lines;
mod message;
mod metrics;
mod model;
mod net;
mod operations;
mod outgoing;
pub mod queue;
mod route;
mod serve;
mod services;
mod socketmap;
mod systemd;
mod texts;
mod work;

pub use backends::mailman::cfg::Site as MailmanSite;
pub use config::{
    BackendKind, Config, ConfigError, Conflict, OutgoingTls, RefuseAt, Reload, Target, TargetError,
    ValueError,
};
#[doc(hidden)]
pub use config::{KeyEntry, key_entries};
pub use file_error::FileError;
pub use listgate_lmtp::{BareNewline, Mailbox};
pub use model::Redelivery;
pub use net::{AddressError, InvalidServerAddress, ListenAddress, NetworkError, Networks, ServerAddress};
pub use serve::{Gate, GateError};
