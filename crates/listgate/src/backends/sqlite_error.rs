//! The errors that SQLite reports.

use std::error::Error;
use std::fmt;

/// An error from SQLite, shown with its message and extended code. It has no source, because the source of
/// rusqlite's error repeats the message.
#[derive(Debug)]
pub(crate) struct SqliteError(rusqlite::Error);

impl From<rusqlite::Error> for SqliteError {
    fn from(why: rusqlite::Error) -> Self {
        Self(why)
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            rusqlite::Error::SqliteFailure(code, Some(text)) => {
                write!(f, "{text} (SQLite error {})", code.extended_code)
            }
            why => why.fmt(f),
        }
    }
}

impl Error for SqliteError {}
