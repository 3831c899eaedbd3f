//! Mailman's tables of lists and domains, in either database.

use super::answer::NoAnswer;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use crate::model::{List, ListAddress, ListState, Names, StoreError, StoreErrorKind};
use std::path::PathBuf;
use std::{fmt, io};

/// The place where Mailman keeps its tables.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    /// `postgresql://user:password@host/name`
    Postgres(String),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// The reason why a database can never be queried, whatever its state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot use the URL of Mailman's PostgreSQL database")]
    Url(#[source] tokio_postgres::Error),
    #[error("cannot start the thread that asks Mailman's database")]
    Thread(#[source] io::Error),
}

const FIND: &str = "look up the list in Mailman's database";
const SERVES: &str = "look up the domain in Mailman's database";
const DOMAINS: &str = "look up the domains in Mailman's database";
const COUNT: &str = "count the lists in Mailman's database";

/// Mailman's tables of lists and domains.
pub(crate) enum Source {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Source {
    /// Prepares to query the database. It neither connects nor opens a file before the first query.
    pub(crate) fn open(database: &Database) -> Result<Self, SourceError> {
        match database {
            Database::Sqlite(path) => Sqlite::open(path).map(Self::Sqlite).map_err(SourceError::Thread),
            Database::Postgres(url) => {
                let server = Postgres::open(url).map_err(SourceError::Url)?;
                Ok(Self::Postgres(Box::new(server)))
            }
        }
    }

    /// Returns the list that answers for `names`. As in Mailman, names are compared exactly, an alias domain is
    /// replaced by the first domain that has this alias, and the whole name comes before the base name.
    pub(crate) async fn find(&self, names: &Names) -> Result<Option<List>, StoreError> {
        let found = match self {
            Self::Sqlite(file) => file.find(names).await,
            Self::Postgres(server) => server.find(names).await,
        };
        let found = found.map_err(away(FIND))?;
        Ok(found.map(|[local, domain, list_id]| List {
            list_id,
            address: ListAddress { local, domain },
            state: ListState::Open,
            max_size: None,
            alias: None,
        }))
    }

    /// Returns whether mail to `domain` belongs to the site.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        let served = match self {
            Self::Sqlite(file) => file.serves(domain).await,
            Self::Postgres(server) => server.serves(domain).await,
        };
        served.map_err(away(SERVES))
    }

    /// Returns the domains whose mail belongs to the site, in order.
    pub(crate) async fn domains(&self) -> Result<Vec<String>, StoreError> {
        let domains = match self {
            Self::Sqlite(file) => file.domains().await,
            Self::Postgres(server) => server.domains().await,
        };
        domains.map_err(away(DOMAINS))
    }

    pub(crate) async fn count_lists(&self) -> Result<u64, StoreError> {
        let count = match self {
            Self::Sqlite(file) => file.count_lists().await,
            Self::Postgres(server) => server.count_lists().await,
        };
        count.map_err(away(COUNT))
    }
}

fn away(operation: &'static str) -> impl Fn(NoAnswer) -> StoreError {
    move |why| StoreError::database(StoreErrorKind::Database, operation, why)
}
