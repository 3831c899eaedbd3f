//! Errors of a site's configuration.

use crate::file_error::FileError;
use std::path::PathBuf;

/// The reason why a site's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CfgError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}, line {line}: {why}; Mailman does not start with such a line", path.display())]
    Syntax { path: PathBuf, line: usize, why: &'static str },
    #[error("{}: {why}", path.display())]
    Value { path: PathBuf, why: String },
    #[error("[mta] lmtp_host: {host} has no address")]
    NoAddress { host: String },
    #[error("the path {} is not in UTF-8: move the site or the working directory", path.display())]
    NotText { path: PathBuf },
}
