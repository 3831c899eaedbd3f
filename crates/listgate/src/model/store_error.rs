//! Errors of a backend that cannot store or answer now. They are independent of any database: each backend
//! classifies its own.

use crate::file_error::FileError;
use listgate_lmtp::Refusal;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of a backend. A mail server always gets a 4xx for it, because a retry may succeed.
#[derive(Clone, Debug)]
pub(crate) struct StoreError {
    kind: Kind,
    /// The operation that failed; it follows "cannot" in the message.
    operation: &'static str,
    path: Option<PathBuf>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kind of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The database failed to do it, or did not answer.
    Database,
    /// A file could not be read or written.
    File,
    /// The disk is full.
    Full,
    /// The disk failed to sync. What it holds is unknown, and another sync may falsely report success.
    Sync,
    /// The open files are no longer the ones at their paths, so what is written now could not be found.
    Replaced,
    /// A thread of the backend panicked.
    Panicked,
    /// The backend was closed after a failure of one of the last three kinds.
    Closed,
}

impl StoreError {
    /// Returns the error for an `operation` that failed at a database, with its cause.
    pub(crate) fn database(
        kind: Kind,
        operation: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, operation, path: None, source: Some(source.into().into()) }
    }

    /// Returns the error for a file that could not be synced.
    pub(crate) fn sync(failed: FileError) -> Self {
        Self { kind: Kind::Sync, ..failed.into() }
    }

    /// Returns the error for a file at `path` that is not the one that was opened there. `source` has the whole
    /// message.
    pub(crate) fn replaced(path: &Path, source: impl Error + Send + Sync + 'static) -> Self {
        let path = Some(path.to_owned());
        Self { kind: Kind::Replaced, operation: "use", path, source: Some(Arc::new(source)) }
    }

    pub(crate) fn panicked(thread: &'static str) -> Self {
        Self { kind: Kind::Panicked, operation: thread, path: None, source: None }
    }

    pub(crate) fn closed() -> Self {
        Self { kind: Kind::Closed, operation: "store", path: None, source: None }
    }

    /// Returns whether nothing more may be stored: after a failed sync, after a panic, or in files that were
    /// replaced.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Sync | Kind::Replaced | Kind::Panicked)
    }

    /// Returns whether an earlier failure was final.
    pub(crate) fn is_closed(&self) -> bool {
        self.kind == Kind::Closed
    }

    /// Returns the label of the metric that counts it.
    pub(crate) fn label(&self) -> &'static str {
        match (self.kind, &self.path) {
            (Kind::Database, _) | (Kind::Full, None) => "database",
            (Kind::File, _) | (Kind::Full, Some(_)) => "file",
            (Kind::Sync, _) => "sync",
            (Kind::Replaced, _) => "replaced",
            (Kind::Panicked | Kind::Closed, _) => "closed",
        }
    }

    /// Returns what an operator can expect from the next start after a final failure, to be appended to a sentence.
    pub(crate) fn after_the_end(&self) -> &'static str {
        match self.kind {
            Kind::Replaced => "; the next start uses what is on the path then",
            _ => "; the next start recovers",
        }
    }

    /// Returns the reply to the mail server.
    pub(crate) fn refusal(&self) -> Refusal {
        if self.kind == Kind::Full {
            Refusal::new(451, 3, 1, "Requested action aborted: no space, try again later")
        } else {
            Refusal::new(451, 3, 0, "Requested action aborted: error in processing, try again later")
        }
    }
}

impl From<FileError> for StoreError {
    fn from(FileError { operation, path, source }: FileError) -> Self {
        let kind = if source.kind() == io::ErrorKind::StorageFull { Kind::Full } else { Kind::File };
        Self { kind, operation, path: Some(path), source: Some(Arc::new(source)) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, operation, path, source } = self;
        match (kind, path, source) {
            (Kind::Closed, ..) => f.write_str(
                "the store is closed after a failed sync, a panic, or because its files were replaced",
            ),
            (Kind::Panicked, ..) => write!(f, "the thread `{operation}` panicked"),
            (Kind::Replaced, _, Some(source)) => source.fmt(f),
            (Kind::Sync, Some(path), _) => write!(f, "the disk failed to {operation} {}", path.display()),
            (_, Some(path), _) => write!(f, "cannot {operation} {}", path.display()),
            (_, None, _) => write!(f, "cannot {operation}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (self.kind, self.source.as_deref()) {
            // This error already shows its source's own message.
            (Kind::Replaced, source) => source?.source(),
            (_, source) => source.map(|source| source as _),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::Chain;

    #[test]
    fn each_kind_names_what_failed_and_only_the_last_are_final() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let path = Path::new("/data/x");
        for (error, text, label, is_final, code) in [
            (StoreError::database(Kind::Database, "ask", "no"), "cannot ask: no", "database", false, "4.3.0"),
            (StoreError::database(Kind::Full, "ask", "no"), "cannot ask: no", "database", false, "4.3.1"),
            (
                FileError::new("write", path, full()).into(),
                "cannot write /data/x: no storage",
                "file",
                false,
                "4.3.1",
            ),
            (
                FileError::new("write", path, io::Error::other("no")).into(),
                "cannot write /data/x: no",
                "file",
                false,
                "4.3.0",
            ),
            (
                StoreError::sync(FileError::new("sync", path, io::Error::other("no"))),
                "the disk failed to sync /data/x: no",
                "sync",
                true,
                "4.3.0",
            ),
            (StoreError::panicked("writer"), "the thread `writer` panicked", "closed", true, "4.3.0"),
            (StoreError::closed(), "the store is closed", "closed", false, "4.3.0"),
        ] {
            let message = Chain(&error).to_string();
            assert!(message.starts_with(text), "{message}");
            assert_eq!((error.label(), error.is_final()), (label, is_final), "{error}");
            assert!(error.refusal().to_string().starts_with(&format!("451 {code} ")), "{error}");
        }
    }
}
