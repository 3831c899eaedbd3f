//! Classifies SQLite's errors.

use crate::backends::sqlite_error::SqliteError;
use crate::model::{StoreError, StoreErrorKind};
use rusqlite::{ErrorCode, ffi};

/// Returns the error for an operation that SQLite refused.
pub(super) fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + Copy {
    move |source| {
        let kind = match source.sqlite_error_code() {
            _ if is_sync_failure(&source) => StoreErrorKind::Sync,
            Some(ErrorCode::DiskFull) => StoreErrorKind::Full,
            _ => StoreErrorKind::Database,
        };
        StoreError::database(kind, operation, SqliteError::from(source))
    }
}

/// Returns whether SQLite reports a failed sync.
pub(super) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}
