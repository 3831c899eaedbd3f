//! Mailman's SQLite file. It has a rollback journal, with which a reader delays a writer's commit, and a writer
//! delays readers. So each query is one short statement, and the thread that runs it does nothing else.

use super::answer::{Found, NoAnswer};
use crate::file_error::During;
use crate::file_id::FileId;
use crate::limits;
use crate::model::Names;
use rusqlite::{Connection, OpenFlags, OptionalExtension, ffi, params};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::time;

/// Uses only the index on `list_name`. The plus keeps SQLite from using the one on `mail_host`, which has the same
/// value for all lists of most sites.
const FIND: &str = "
    SELECT list_name, mail_host, list_id FROM mailinglist
    WHERE list_name IN (?1, ?2)
      AND +mail_host = coalesce((SELECT mail_host FROM domain WHERE alias_domain = ?3
                                 ORDER BY mail_host LIMIT 1), ?3)
    ORDER BY list_name <> ?1 LIMIT 1";
const SERVES: &str = "SELECT 1 FROM domain WHERE mail_host = ?1 OR alias_domain = ?1";
const DOMAINS: &str = "
    SELECT mail_host FROM domain
    UNION SELECT alias_domain FROM domain WHERE alias_domain IS NOT NULL ORDER BY 1";
const COUNT: &str = "SELECT count(*) FROM mailinglist";

/// The file, read by a thread of its own. Dropping this ends the thread.
pub(crate) struct Sqlite {
    queries: mpsc::Sender<Query>,
}

/// A query that sends its answer to the caller.
type Query = Box<dyn FnOnce(&mut Reader) + Send>;

impl Sqlite {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (queries, mut waiting) = mpsc::channel::<Query>(limits::WAITING_QUERIES);
        let mut reader = Reader { path: path.to_owned(), open: None };
        thread::Builder::new().name("lists".to_owned()).spawn(move || {
            while let Some(query) = waiting.blocking_recv() {
                query(&mut reader);
            }
        })?;
        Ok(Self { queries })
    }

    pub(super) async fn find(&self, names: &Names) -> Result<Option<Found>, NoAnswer> {
        let names = names.clone();
        self.query(move |connection| {
            let mut statement = connection.prepare_cached(FIND)?;
            let values = params![names.whole, names.base, names.domain];
            statement.query_row(values, |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).optional()
        })
        .await
    }

    pub(super) async fn serves(&self, domain: &str) -> Result<bool, NoAnswer> {
        let domain = domain.to_owned();
        self.query(move |connection| connection.prepare_cached(SERVES)?.exists([domain])).await
    }

    pub(super) async fn domains(&self) -> Result<Vec<String>, NoAnswer> {
        self.query(|connection| {
            connection.prepare_cached(DOMAINS)?.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }

    pub(super) async fn count_lists(&self) -> Result<u64, NoAnswer> {
        self.query(|connection| connection.query_row(COUNT, [], |row| row.get(0))).await
    }

    /// Runs a query on the thread. Its timeout starts here, so that a query does not wait longer because others
    /// also wait for a locked file.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let until = Instant::now() + limits::SOURCE_PATIENCE;
        let (answer, answered) = oneshot::channel();
        let query: Query = Box::new(move |reader| {
            // The caller may be gone.
            if !answer.is_closed() {
                let _ = answer.send(reader.query(until, query));
            }
        });
        let queried = async {
            self.queries.send(query).await.map_err(|_| NoAnswer::Ended)?;
            answered.await.map_err(|_| NoAnswer::Ended)?
        };
        // The timeout of the query has no effect on a file system that hangs.
        time::timeout(2 * limits::SOURCE_PATIENCE, queried).await.map_err(|_| NoAnswer::Hangs)?
    }
}

/// The state of the thread.
struct Reader {
    path: PathBuf,
    open: Option<(FileId, Connection)>,
}

impl Reader {
    fn query<T>(
        &mut self,
        until: Instant,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, NoAnswer> {
        let answer = self.connection(until).and_then(|connection| query(connection).map_err(explain));
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    /// Returns a connection to the file that is at the path now. A file that was restored from a backup is a
    /// different one.
    fn connection(&mut self, until: Instant) -> Result<&Connection, NoAnswer> {
        let id = FileId::of(&self.path).during("look at", &self.path)?;
        let mut connection = match self.open.take() {
            Some((opened, connection)) if opened == id => connection,
            _ => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(&self.path, flags)?
            }
        };
        // SQLite's own handler sleeps longer the longer it waits, so that it misses every gap when Mailman is busy.
        connection.busy_handler(Some(move |_| {
            thread::sleep(limits::LOCK_RETRY);
            Instant::now() < until
        }))?;
        Ok(&self.open.insert((id, connection)).1)
    }
}

/// Replaces SQLite's own message for a journal that it may not roll back, which would mislead an operator.
fn explain(why: rusqlite::Error) -> NoAnswer {
    match why.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_READONLY_ROLLBACK) => NoAnswer::CutShort,
        _ => why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TABLES, finds_as_mailman_does, names};
    use super::super::{Database, Source};
    use super::*;
    use crate::error_chain::Chain;
    use crate::model::StoreError;
    use std::cell::Cell;
    use std::fs;
    use std::time::Duration;
    use tempfile::TempDir;

    struct Site {
        _dir: TempDir,
        path: PathBuf,
        source: Source,
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mailman.db");
        let source = Source::open(&Database::Sqlite(path.clone())).unwrap();
        Site { _dir: dir, path, source }
    }

    fn mailman(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection
    }

    async fn has(source: &Source, whole: &str) -> Result<bool, StoreError> {
        source.find(&names(whole, None, "x.example")).await.map(|found| found.is_some())
    }

    #[tokio::test]
    async fn a_list_is_found_as_mailman_finds_it() {
        let site = site();
        drop(mailman(&site.path));
        finds_as_mailman_does(&site.source).await;
    }

    #[tokio::test]
    async fn a_change_is_seen_at_once_and_a_rename_keeps_the_list_id() {
        let site = site();
        let mailman = mailman(&site.path);
        assert!(!has(&site.source, "renamed").await.unwrap());
        mailman.execute("UPDATE mailinglist SET list_name = 'renamed' WHERE id = 1", []).unwrap();
        let list = site.source.find(&names("renamed", None, "x.example")).await.unwrap().unwrap();
        assert_eq!((list.list_id.as_str(), &*list.address.local), ("test.x.example", "renamed"));
        assert!(!has(&site.source, "test").await.unwrap());
    }

    #[test]
    fn a_lookup_uses_the_index_on_the_name() {
        let mailman = mailman(Path::new(":memory:"));
        let mut plan = mailman.prepare(&format!("EXPLAIN QUERY PLAN {FIND}")).unwrap();
        let steps = plan.query_map(params!["a", "b", "c"], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains("USING INDEX ix_mailinglist_list_name (list_name=?)"), "{steps:?}");
    }

    #[tokio::test]
    async fn a_locked_file_is_a_temporary_failure_and_does_not_delay_others() {
        let site = site();
        let mailman = mailman(&site.path);
        assert!(has(&site.source, "test").await.unwrap());
        mailman.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let began = Instant::now();
        let ticks = Cell::new(0);
        let others = async {
            loop {
                time::sleep(Duration::from_millis(10)).await;
                ticks.set(ticks.get() + 1);
            }
        };
        let many = async {
            tokio::join!(
                has(&site.source, "test"),
                has(&site.source, "other"),
                site.source.serves("x.example")
            )
        };
        let (first, second, third) =
            tokio::select! { answers = many => answers, () = others => unreachable!() };
        assert!(
            Chain(&first.unwrap_err()).to_string().contains("locked") && second.is_err() && third.is_err()
        );
        // If each waited as long by itself, it would take twice the time.
        assert!(began.elapsed() < 2 * limits::SOURCE_PATIENCE);
        assert!(ticks.get() > 5, "{} ticks", ticks.get());
        mailman.execute_batch("COMMIT").unwrap();
        assert!(has(&site.source, "test").await.unwrap());
    }

    #[tokio::test]
    async fn a_query_waits_for_a_short_lock() {
        let site = site();
        let mailman = mailman(&site.path);
        mailman.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let unlock = async {
            time::sleep(Duration::from_millis(200)).await;
            mailman.execute_batch("COMMIT").unwrap();
        };
        let (found, ()) = tokio::join!(has(&site.source, "test"), unlock);
        assert!(found.unwrap());
    }

    #[tokio::test]
    async fn a_query_leaves_no_lock_behind() {
        let site = site();
        let mailman = mailman(&site.path);
        mailman.busy_timeout(Duration::ZERO).unwrap();
        assert!(has(&site.source, "test").await.unwrap());
        assert!(site.source.serves("x.example").await.unwrap());
        assert_eq!(site.source.count_lists().await.unwrap(), 6);
        mailman.execute_batch("BEGIN EXCLUSIVE; DELETE FROM mailinglist; COMMIT").unwrap();
        assert!(!has(&site.source, "test").await.unwrap());
    }

    #[tokio::test]
    async fn a_journal_that_only_mailman_may_roll_back_is_a_temporary_failure() {
        let dir = tempfile::tempdir().unwrap();
        let alive = dir.path().join("alive.db");
        let mailman = mailman(&alive);
        // With a cache of few pages, changes are written to the file before the commit, which never happens.
        mailman
            .execute_batch("PRAGMA cache_size = 2; BEGIN; UPDATE mailinglist SET list_name = 'gone'")
            .unwrap();
        for id in 100..2000 {
            let row = params![id, "l".repeat(200), "x.example", format!("{id}.x.example")];
            mailman.execute("INSERT INTO mailinglist VALUES (?1, ?2, ?3, ?4)", row).unwrap();
        }
        let site = site();
        let journal = site.path.with_extension("db-journal");
        fs::copy(dir.path().join("alive.db-journal"), &journal).unwrap();
        fs::copy(&alive, &site.path).unwrap();
        let octets = (fs::read(&site.path).unwrap(), fs::read(&journal).unwrap());
        let why = Chain(&has(&site.source, "gone").await.unwrap_err()).to_string();
        assert!(why.contains("rolled back when Mailman"), "{why}");
        assert_eq!(
            octets,
            (fs::read(&site.path).unwrap(), fs::read(&journal).unwrap()),
            "nothing was written"
        );
        // Mailman opens the file and rolls the transaction back.
        let lists: u64 =
            Connection::open(&site.path).unwrap().query_row(COUNT, [], |row| row.get(0)).unwrap();
        assert_eq!(lists, 6);
        assert!(has(&site.source, "test").await.unwrap());
    }

    #[tokio::test]
    async fn a_missing_empty_or_foreign_file_is_a_temporary_failure() {
        let site = site();
        assert!(has(&site.source, "test").await.is_err());
        assert!(!site.path.exists(), "it is not ours to create");
        fs::write(&site.path, "").unwrap();
        assert!(has(&site.source, "test").await.is_err(), "it has no tables yet");
        fs::write(&site.path, "no database ".repeat(1000)).unwrap();
        assert!(has(&site.source, "test").await.is_err());
        fs::remove_file(&site.path).unwrap();
        drop(mailman(&site.path));
        assert!(has(&site.source, "test").await.unwrap());
        // The file is restored from a backup, under the same name.
        let backup = site.path.with_extension("backup");
        mailman(&backup).execute_batch("DELETE FROM mailinglist WHERE id = 1").unwrap();
        fs::rename(&backup, &site.path).unwrap();
        assert!(!has(&site.source, "test").await.unwrap());
        let files = fs::read_dir(site.path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "it left nothing beside the file");
    }
}
