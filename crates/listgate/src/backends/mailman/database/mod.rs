//! Mailman's database, queried read-only for the list that currently answers for a name. While it is unavailable,
//! the answer is unknown: the mail server retries, and the next lookup queries it again.

mod answer;
mod postgres;
mod source;
mod sqlite;

pub(crate) use source::{Database, Source, SourceError};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ListState, Names};

    /// The part of Mailman's tables that the intake reads, as Mailman creates them in either database.
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

    /// Checks Mailman's rules, with either database.
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
        // Each database sorts differently.
        all.sort();
        assert_eq!(all, [&domains[..], &["twice.example", "x.example", "y.example"]].concat());
        assert_eq!(source.count_lists().await.unwrap(), 6);
    }
}
