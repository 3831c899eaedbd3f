//! Errors of commands.

use crate::backends::sqlite::backup::BackupError;
use crate::bench::BenchError;
use crate::bench::mail::RecipientsError;
use crate::config::ConfigError;
use crate::file_error::FileError;
use crate::model::{ChangeError, DisplayNameError, EntryError, StoreError};
use crate::net::ListenAddress;
use crate::operations::OperationError;
use crate::serve::GateError;
use crate::systemd::{NotifyError, SocketsError};
use crate::work::WorkError;
use listgate_lmtp::Closed;
use std::io;
use tokio::task::JoinError;

/// The reason a command failed. Each message says what to do next, if that is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Consumer(#[from] crate::queue::Error),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Member(#[from] MemberUseError),
    #[error(transparent)]
    Mta(#[from] MtaError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Key(#[from] NotRotated),
    #[error(transparent)]
    Recipients(#[from] RecipientsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot wait for the gate to end")]
    Wait(#[from] JoinError),
    #[error("stopped at once")]
    StoppedAtOnce,
    #[error("cannot {operation}")]
    System { operation: &'static str, source: io::Error },
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl CliError {
    /// Returns a function that turns the system's error for `operation` into a [`CliError`].
    pub(super) fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }
}

/// The reason why options and values of `listgate member` do not fit together.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemberUseError {
    #[error("--name fits one address: write the others as \"Anne Person <anne@example.com>\"")]
    OneName,
    #[error("delivery would be on at once: name a time in the future")]
    Past,
    #[error(transparent)]
    Name(#[from] DisplayNameError),
}

/// The reason `listgate mta` prints nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum MtaError {
    #[error("{key}: {address} is another port at each start: choose one")]
    AnyPort { key: &'static str, address: ListenAddress },
    #[error("server.listen names no address")]
    NoAddress,
    #[error("Exim queries the gate only over TCP: add an address such as 127.0.0.1:8024 to server.listen")]
    NoTcp,
    #[error(
        "--ask-domains needs an address in socketmap.listen that a chrooted Postfix reaches, such as 127.0.0.1:8026"
    )]
    NoSocketmap,
    #[error("{from}: line {line} is not a setting (NAME = VALUE); write there what `postconf -n` prints")]
    NotASetting { from: String, line: usize },
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
}

/// The reason why the key was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRotated {
    #[error("the key was not changed: answer `yes`, or give --yes, to change it")]
    NotConfirmed,
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
}

/// The reason `listgate send` cannot send a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("no LMTP session with {server} (does `listgate serve` run there?)")]
    Connection { server: ListenAddress, source: io::Error },
    #[error("{server}: {why}")]
    Ended { server: ListenAddress, why: Closed },
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
}
