//! The error of an operation on a file.

use std::io;
use std::path::{Path, PathBuf};

/// The error of a failed operation on a file or directory. Its source is the system's error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The operation, worded to follow "cannot", such as `create`.
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), source }
    }
}

/// Adds the operation and the path to an I/O error.
pub(crate) trait During<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(operation, path, source))
    }
}
