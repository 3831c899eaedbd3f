//! Why a Mailman site cannot be served or looked at.

use super::cfg::CfgError;
use super::database::SourceError;
use crate::backends::lock::LockError;
use crate::model::StoreError;
use std::io;
use std::path::PathBuf;

/// Why a Mailman site cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Cfg(#[from] CfgError),
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}; Mailman makes its queues when it starts: start it once, or run Listgate as its user")]
    Queues(StoreError),
}
