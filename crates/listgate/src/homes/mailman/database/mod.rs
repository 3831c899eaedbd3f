//! Mailman's database, asked read-only which list answers for a name now. That it is away is a
//! doubt: the mail server tries again, and so does the next question.

mod postgres;
mod sqlite;

use crate::lists::{List, ListAddress, ListState};
use crate::model::{StoreError, StoreErrorKind};
use crate::route::Names;
use postgres::Postgres;
use sqlite::Sqlite;
use std::path::PathBuf;
use std::{fmt, io};

/// Where Mailman keeps its tables.
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

/// Why a database can never be asked, whatever becomes of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot use the URL of Mailman's PostgreSQL database: {0}")]
    Url(Why),
    #[error("cannot start the thread that asks Mailman's database: {0}")]
    Thread(io::Error),
}

/// What kept it from answering, in whosever words.
type Why = Box<dyn std::error::Error + Send + Sync>;

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
    /// Nothing is connected to or opened before the first question.
    pub(crate) fn open(database: &Database) -> Result<Self, SourceError> {
        match database {
            Database::Sqlite(path) => Sqlite::open(path).map(Self::Sqlite).map_err(SourceError::Thread),
            Database::Postgres(url) => {
                let server = Postgres::open(url).map_err(SourceError::Url)?;
                Ok(Self::Postgres(Box::new(server)))
            }
        }
    }

    /// The list that answers for `names`: as Mailman compares, exactly, an alias domain replaced by
    /// the first that has it, and the whole name before the base name.
    pub(super) async fn find(&self, names: &Names) -> Result<Option<List>, StoreError> {
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
        }))
    }

    /// Whether mail to `domain` is the site's.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        let served = match self {
            Self::Sqlite(file) => file.serves(domain).await,
            Self::Postgres(server) => server.serves(domain).await,
        };
        served.map_err(away(SERVES))
    }

    /// The domains whose mail is the site's, in order.
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

fn away(operation: &'static str) -> impl Fn(Why) -> StoreError {
    move |why| StoreError::database(StoreErrorKind::Database, operation, why)
}

/// `list_name`, `mail_host` and `list_id` of a list.
type Found = [String; 3];

#[cfg(test)]
mod tests {
    use super::*;

    /// What intake reads of Mailman's tables, as Mailman creates them in either database.
    pub(super) const TABLES: &str = "
        CREATE TABLE mailinglist (id INTEGER PRIMARY KEY, list_name VARCHAR, mail_host VARCHAR, list_id VARCHAR);
        CREATE UNIQUE INDEX ix_mailinglist_list_id ON mailinglist (list_id);
        CREATE INDEX ix_mailinglist_list_name ON mailinglist (list_name);
        CREATE INDEX ix_mailinglist_mail_host ON mailinglist (mail_host);
        CREATE TABLE domain (id INTEGER PRIMARY KEY, mail_host VARCHAR UNIQUE, description VARCHAR,
                             alias_domain VARCHAR, base_url VARCHAR);
        INSERT INTO domain (id, mail_host, alias_domain) VALUES
            (1, 'x.example', 'alias.example'), (2, 'y.example', 'twice.example'),
            (3, 'a.example', 'twice.example'), (4, 'MiXed.example', 'MiXedAlias.example');
        INSERT INTO mailinglist VALUES
            (1, 'test', 'x.example', 'test.x.example'), (2, 'test-join', 'x.example', 'test-join.x.example'),
            (3, 'other', 'x.example', 'other.x.example'), (4, 'test', 'a.example', 'test.a.example'),
            (5, 'test', 'y.example', 'test.y.example'), (6, 'Mixed', 'x.example', 'mixed.x.example');
    ";

    pub(super) fn names(whole: &str, base: Option<&str>, domain: &str) -> Names {
        Names { whole: whole.to_owned(), base: base.map(str::to_owned), domain: domain.to_owned() }
    }

    async fn id(source: &Source, whole: &str, base: Option<&str>, domain: &str) -> Option<String> {
        source.find(&names(whole, base, domain)).await.unwrap().map(|list| list.list_id)
    }

    /// Mailman's rules, in either database.
    pub(super) async fn finds_as_mailman_does(source: &Source) {
        let some = |id: &str| Some(id.to_owned());
        assert_eq!(id(source, "test", None, "x.example").await, some("test.x.example"));
        assert_eq!(id(source, "test-join", Some("test"), "x.example").await, some("test-join.x.example"));
        assert_eq!(id(source, "test-owner", Some("test"), "x.example").await, some("test.x.example"));
        assert_eq!(id(source, "other-join", Some("other"), "alias.example").await, some("other.x.example"));
        assert_eq!(id(source, "test", None, "twice.example").await, some("test.a.example"));
        assert_eq!(id(source, "nobody", None, "x.example").await, None);
        assert_eq!(id(source, "nobody-join", Some("nobody"), "x.example").await, None);
        assert_eq!(id(source, "test", None, "nowhere.example").await, None);
        assert_eq!(id(source, "mixed", None, "x.example").await, None, "compared exactly");
        assert_eq!(id(source, "test", None, "mixedalias.example").await, None, "compared exactly");
        assert_eq!(id(source, "x' OR '1'='1", None, "x.example").await, None);
        let list = source.find(&names("other-leave", Some("other"), "alias.example")).await.unwrap().unwrap();
        assert_eq!(list.address.to_string(), "other@x.example");
        assert_eq!((list.state, list.max_size), (ListState::Open, None));
        assert!(source.serves("x.example").await.unwrap() && source.serves("alias.example").await.unwrap());
        assert!(!source.serves("nowhere.example").await.unwrap());
        let domains = ["MiXed.example", "MiXedAlias.example", "a.example", "alias.example"];
        let mut all = source.domains().await.unwrap();
        // Each database has an order of its own.
        all.sort();
        assert_eq!(all, [&domains[..], &["twice.example", "x.example", "y.example"]].concat());
        assert_eq!(source.count_lists().await.unwrap(), 6);
    }
}
