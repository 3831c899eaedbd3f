//! Mailman's PostgreSQL database: one connection with pipelined queries.

use super::answer::{Found, NoAnswer};
use crate::limits;
use crate::model::Names;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{self, Instant};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

const FIND: &str = "
    SELECT list_name::text, mail_host::text, list_id::text FROM mailinglist
    WHERE list_name IN ($1::text, $2::text)
      AND mail_host = coalesce((SELECT mail_host FROM domain WHERE alias_domain = $3::text
                                ORDER BY mail_host LIMIT 1), $3::text)
    ORDER BY list_name <> $1::text LIMIT 1";
const SERVES: &str = "SELECT 1 FROM domain WHERE mail_host = $1::text OR alias_domain = $1::text LIMIT 1";
const DOMAINS: &str = "
    SELECT mail_host::text FROM domain
    UNION SELECT alias_domain::text FROM domain WHERE alias_domain IS NOT NULL ORDER BY 1";
const COUNT: &str = "SELECT count(*) FROM mailinglist";

/// The server; a connection is made for the first query.
pub(crate) struct Postgres {
    config: Config,
    link: Mutex<Link>,
}

/// The state of the connection.
enum Link {
    /// Not connected yet, or no longer.
    None,
    Up(Arc<Session>),
    /// An attempt to connect failed at that time.
    Down(Instant, NoAnswer),
}

/// A connection, and the statements that are prepared on it.
struct Session {
    client: Client,
    connection: AbortHandle,
    find: Statement,
    serves: Statement,
    domains: Statement,
    count: Statement,
}

impl Postgres {
    pub(super) fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let mut config: Config = url.parse()?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            // Where libpq, and therefore Mailman, looks on Debian and Red Hat.
            config.host_path("/var/run/postgresql");
        }
        config.application_name("listgate").connect_timeout(limits::SOURCE_PATIENCE);
        // Often enough that no firewall forgets the connection.
        config.keepalives_idle(Duration::from_secs(60));
        Ok(Self { config, link: Mutex::new(Link::None) })
    }

    pub(super) async fn find(&self, names: &Names) -> Result<Option<Found>, NoAnswer> {
        let rows = self.query(|it| &it.find, &[&names.whole, &names.base, &names.domain]).await?;
        let read = |row: &Row| Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?]);
        rows.first().map(read).transpose()
    }

    pub(super) async fn serves(&self, domain: &str) -> Result<bool, NoAnswer> {
        Ok(!self.query(|it| &it.serves, &[&domain]).await?.is_empty())
    }

    pub(super) async fn domains(&self) -> Result<Vec<String>, NoAnswer> {
        let rows = self.query(|it| &it.domains, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub(super) async fn count_lists(&self) -> Result<u64, NoAnswer> {
        let rows = self.query(|it| &it.count, &[]).await?;
        let count: i64 = rows.first().ok_or(NoAnswer::NoCount)?.try_get(0)?;
        u64::try_from(count).map_err(|_| NoAnswer::NoCount)
    }

    /// Runs a query. After an error or a timeout it closes the connection, and the next query opens another.
    /// Queries that were sent meanwhile fail too: otherwise each would wait in turn for whatever held up this one.
    async fn query(
        &self,
        statement: impl Fn(&Session) -> &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, NoAnswer> {
        let session = self.session().await?;
        let query = session.client.query(statement(&session), params);
        // The server cancels a statement sooner than this; the timeout is for a server that has vanished.
        let why = match time::timeout(2 * limits::SOURCE_PATIENCE, query).await {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(why)) => why.into(),
            Err(_) => NoAnswer::Silent,
        };
        session.connection.abort();
        let mut link = self.link.lock().await;
        if matches!(&*link, Link::Up(current) if Arc::ptr_eq(current, &session)) {
            *link = Link::None;
        }
        Err(why)
    }

    /// Returns the connection, which the first caller makes. Callers that arrive during the attempt share its
    /// result, even if it fails.
    async fn session(&self) -> Result<Arc<Session>, NoAnswer> {
        let arrived = Instant::now();
        let mut link = self.link.lock().await;
        match &*link {
            Link::Up(session) if !session.client.is_closed() => return Ok(Arc::clone(session)),
            Link::Down(at, why) if *at >= arrived => return Err(why.clone()),
            _ => {}
        }
        let made = time::timeout(2 * limits::SOURCE_PATIENCE, Session::begin(&self.config)).await;
        match made.unwrap_or(Err(NoAnswer::Silent)) {
            Ok(session) => {
                let session = Arc::new(session);
                *link = Link::Up(Arc::clone(&session));
                Ok(session)
            }
            Err(why) => {
                *link = Link::Down(Instant::now(), why.clone());
                Err(why)
            }
        }
    }
}

impl Session {
    async fn begin(config: &Config) -> Result<Self, NoAnswer> {
        let (client, connection) = config.connect(NoTls).await?;
        // The task ends when the client is dropped. If the connection fails, so do its queries.
        let connection = tokio::spawn(connection).abort_handle();
        let patience = limits::SOURCE_PATIENCE.as_millis();
        let settings =
            format!("SET default_transaction_read_only = on; SET statement_timeout = '{patience}ms'");
        client.batch_execute(&settings).await?;
        let standby = client.query_one("SELECT pg_is_in_recovery()", &[]).await?;
        if standby.try_get(0)? {
            // A standby may lag behind, so its negative answer could be older than the query.
            return Err(NoAnswer::Standby);
        }
        let prepared = tokio::try_join!(
            client.prepare(FIND),
            client.prepare(SERVES),
            client.prepare(DOMAINS),
            client.prepare(COUNT)
        );
        let (find, serves, domains, count) = prepared?;
        Ok(Self { client, connection, find, serves, domains, count })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TABLES, finds_as_mailman_does, names};
    use super::super::{Database, Source};
    use super::*;
    use crate::error_chain::Chain;
    use crate::model::StoreError;
    use std::fs;
    use std::os::unix::{fs::chown, process::CommandExt};
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    /// A server that a test starts, with a Unix socket in a directory of its own.
    struct Server {
        dir: TempDir,
        postgres: Option<Child>,
    }

    impl Server {
        /// Starts a server with Mailman's tables.
        async fn start() -> Self {
            let mut server = Self { dir: tempfile::tempdir().unwrap(), postgres: None };
            if rustix::process::geteuid().is_root() {
                chown(server.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let mut initdb = server.command("initdb");
            initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
            assert!(initdb.arg("--pgdata").arg(server.data()).status().unwrap().success());
            server.run().await;
            server.client().await.batch_execute(TABLES).await.unwrap();
            server
        }

        fn data(&self) -> PathBuf {
            self.dir.path().join("data")
        }

        /// Returns the command for a program of PostgreSQL. Those refuse to run as root.
        fn command(&self, program: &str) -> Command {
            let versions = fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
            let newest = versions.max().unwrap();
            let mut command = Command::new(newest.join("bin").join(program));
            command.current_dir(self.dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
            if rustix::process::geteuid().is_root() {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        }

        async fn run(&mut self) {
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.data()).arg("-k").arg(self.dir.path());
            command.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
            self.postgres = Some(command.spawn().unwrap());
            let deadline = Instant::now() + Duration::from_secs(30);
            while let Err(why) = self.config().connect(NoTls).await {
                assert!(Instant::now() < deadline, "{why}");
                time::sleep(Duration::from_millis(20)).await;
            }
        }

        fn stop(&mut self) {
            let Some(mut postgres) = self.postgres.take() else { return };
            // PostgreSQL calls this an immediate shutdown.
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&postgres),
                rustix::process::Signal::QUIT,
            )
            .unwrap();
            postgres.wait().unwrap();
        }

        fn url(&self) -> String {
            format!("postgresql:///postgres?user=postgres&host={}", self.dir.path().display())
        }

        fn config(&self) -> Config {
            self.url().parse().unwrap()
        }

        async fn client(&self) -> Client {
            let (client, connection) = self.config().connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        }

        fn source(&self) -> Source {
            open(&self.url())
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.stop();
        }
    }

    const NOBODY: u32 = 65534;

    fn open(url: &str) -> Source {
        Source::open(&Database::Postgres(url.to_owned())).unwrap()
    }

    async fn has(source: &Source, whole: &str) -> Result<bool, StoreError> {
        source.find(&names(whole, None, "x.example")).await.map(|found| found.is_some())
    }

    /// Waits until something is so.
    async fn until(what: &str, so: impl AsyncFn() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !so().await {
            assert!(Instant::now() < end, "{what}: not in time");
            time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn sessions(client: &Client) -> i64 {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listgate'";
        client.query_one(count, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    #[ignore = "needs postgres"]
    async fn a_list_is_found_as_mailman_finds_it() {
        let server = Server::start().await;
        let (source, mailman) = (server.source(), server.client().await);
        finds_as_mailman_does(&source).await;
        assert!(!has(&source, "renamed").await.unwrap());
        mailman.execute("UPDATE mailinglist SET list_name = 'renamed' WHERE id = 1", &[]).await.unwrap();
        let list = source.find(&names("renamed", None, "x.example")).await.unwrap().unwrap();
        assert_eq!((list.list_id.as_str(), &*list.address.local), ("test.x.example", "renamed"));
        assert!(!has(&source, "test").await.unwrap());
    }

    #[tokio::test]
    #[ignore = "needs postgres"]
    async fn the_next_query_reconnects_to_a_server_that_was_down() {
        let mut server = Server::start().await;
        let source = Arc::new(server.source());
        let mut many = JoinSet::new();
        for _ in 0..20 {
            let source = Arc::clone(&source);
            many.spawn(async move { has(&source, "test").await.unwrap() });
        }
        assert!(many.join_all().await.into_iter().all(|found| found));
        assert_eq!(sessions(&server.client().await).await, 1, "one connection, however many ask");
        for _ in 0..2 {
            server.stop();
            assert!(has(&source, "test").await.is_err());
            assert!(source.serves("x.example").await.is_err());
            server.run().await;
            assert!(has(&source, "test").await.unwrap());
        }
        let mailman = server.client().await;
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listgate'";
        mailman.execute(end, &[]).await.unwrap();
        until("it reconnects", async || has(&source, "test").await.is_ok_and(|found| found)).await;
        drop(source);
        until("the connection is closed", async || sessions(&mailman).await == 0).await;
    }

    #[tokio::test]
    #[ignore = "needs postgres"]
    async fn a_locked_table_is_a_temporary_failure_within_the_time_limit() {
        let server = Server::start().await;
        let (source, mailman) = (server.source(), server.client().await);
        assert!(has(&source, "test").await.unwrap());
        mailman.batch_execute("BEGIN; LOCK TABLE mailinglist IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let began = Instant::now();
        let (one, other) = tokio::join!(has(&source, "test"), has(&source, "other"));
        let why = Chain(&one.unwrap_err()).to_string();
        assert!(why.contains("statement timeout") && other.is_err(), "{why}");
        assert!(began.elapsed() < 2 * limits::SOURCE_PATIENCE, "{:?}", began.elapsed());
        let again = Chain(&has(&source, "test").await.unwrap_err()).to_string();
        assert!(again.contains("statement timeout"), "{again}");
        mailman.batch_execute("COMMIT").await.unwrap();
        assert!(has(&source, "test").await.unwrap());
    }

    #[tokio::test]
    #[ignore = "needs postgres"]
    async fn a_server_in_recovery_is_unavailable() {
        let mut server = Server::start().await;
        let source = server.source();
        assert!(has(&source, "test").await.unwrap());
        server.stop();
        fs::write(server.data().join("standby.signal"), "").unwrap();
        server.run().await;
        let why = Chain(&has(&source, "test").await.unwrap_err()).to_string();
        assert!(why.contains("in recovery"), "{why}");
        server.stop();
        fs::remove_file(server.data().join("standby.signal")).unwrap();
        server.run().await;
        assert!(has(&source, "test").await.unwrap());
    }

    #[tokio::test]
    async fn a_silent_server_is_unavailable_to_all_concurrent_queries() {
        // Once this listener is closed, no other test may listen on its port.
        let listener = TcpListener::bind(listgate_test_support::free_address()).await.unwrap();
        let source = open(&format!("postgresql://mailman:secret@{}/mailman", listener.local_addr().unwrap()));
        let began = Instant::now();
        let (one, other) = tokio::join!(has(&source, "test"), has(&source, "other"));
        let why = Chain(&one.unwrap_err()).to_string();
        assert!(other.is_err() && why.contains("does not answer") && !why.contains("secret"), "{why}");
        assert!(began.elapsed() < 3 * limits::SOURCE_PATIENCE);
        listener.accept().await.unwrap();
        let another = time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(another.is_err(), "one attempt for both");
        listgate_test_support::stop_listening(listener.into_std().unwrap());
        let why = Chain(&has(&source, "test").await.unwrap_err()).to_string();
        assert!(why.contains("refused"), "{why}");
    }

    #[test]
    fn an_unusable_url_is_reported_at_the_start() {
        for url in ["postgresql://host:port/mailman", "postgresql://host/mailman?unheard=of", "mailman"] {
            let refused = Source::open(&Database::Postgres(url.to_owned())).err().unwrap();
            let refused = Chain(&refused).to_string();
            assert!(refused.starts_with("cannot use the URL"), "{refused}");
        }
    }
}
