//! Errors of a Mailman site that cannot be served or inspected.

use super::cfg::CfgError;
use super::database::SourceError;
use crate::backends::lock::LockError;
use crate::file_error::FileError;
use crate::model::StoreError;

/// The reason why a Mailman site cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Cfg(#[from] CfgError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(
        "cannot use Mailman's queues (it makes them when it starts: start it once, or run Listgate as its user)"
    )]
    Queues(#[source] StoreError),
}
