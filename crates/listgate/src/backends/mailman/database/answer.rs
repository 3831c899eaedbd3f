//! Answers of Mailman's database.

use crate::backends::sqlite_error::SqliteError;
use crate::file_error::FileError;
use std::sync::Arc;

/// The reason why a database did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the server does not answer")]
    Silent,
    #[error("the server is in recovery, a copy of another")]
    Standby,
    #[error("it counted nothing")]
    NoCount,
    #[error("its thread has ended")]
    Ended,
    #[error("its file system hangs")]
    Hangs,
    #[error("a transaction was cut short, and is rolled back when Mailman next opens its database")]
    CutShort,
    #[error(transparent)]
    File(Arc<FileError>),
    #[error(transparent)]
    Sqlite(Arc<SqliteError>),
    #[error(transparent)]
    Postgres(Arc<tokio_postgres::Error>),
}

impl From<FileError> for NoAnswer {
    fn from(why: FileError) -> Self {
        Self::File(why.into())
    }
}

impl From<rusqlite::Error> for NoAnswer {
    fn from(why: rusqlite::Error) -> Self {
        Self::Sqlite(SqliteError::from(why).into())
    }
}

impl From<tokio_postgres::Error> for NoAnswer {
    fn from(why: tokio_postgres::Error) -> Self {
        Self::Postgres(why.into())
    }
}

/// The `list_name`, `mail_host` and `list_id` of a list.
pub(super) type Found = [String; 3];
