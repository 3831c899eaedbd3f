//! Why a command failed.

use crate::backends::sqlite::backup::BackupError;
use crate::bench::BenchError;
use crate::bench::mail::RecipientsError;
use crate::config::ConfigError;
use crate::model::{ChangeError, EntryError, StoreError};
use crate::operations::OperationError;
use crate::serve::GateError;
use crate::work::WorkError;
use std::io;

/// Why a command failed. Each text says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error(transparent)]
    Gate(#[from] GateError),
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
    Recipients(#[from] RecipientsError),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Other(String),
}
