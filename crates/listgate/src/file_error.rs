//! The error of an operation on a file.

use std::io;
use std::path::{Path, PathBuf};

/// An operation on a file or a directory failed. The source is what the system says.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// What was tried, to follow "cannot", such as `create`.
    pub operation: &'static str,
    /// The file or the directory.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), source }
    }
}

/// Adds to an I/O error what was tried, and with which file.
pub(crate) trait During<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(operation, path, source))
    }
}
