//! Helpers that the scenarios share besides the harness.

pub(crate) use crate::support::until;
use crate::support::{PATIENCE, Peer, Server, Site};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Row};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The longest time that counts as "at once" on a busy machine: far less than any fault here lasts.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(2);

/// Three endpoints of the list that every site has.
pub(crate) const THREE: [&str; 3] =
    ["mylist@example.com", "mylist-owner@example.com", "mylist-request@example.com"];

/// Starts `listgate serve` with a configuration file, and its log in a file.
pub(crate) fn serve(site: &Site, toml: &str) -> Server {
    Server::start(command(site, site.command(), toml))
}

/// Returns the command that [`serve`] starts. `base` runs Listgate, possibly under a tracer.
pub(crate) fn command(site: &Site, mut base: Command, toml: &str) -> Command {
    let config = site.data().join("listgate.toml");
    fs::write(&config, toml).unwrap();
    let log = File::options().create(true).append(true).open(log_path(site)).unwrap();
    base.args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--config"]).arg(config).stderr(log);
    base
}

fn log_path(site: &Site) -> PathBuf {
    site.data().join("log")
}

/// Returns what the gates of this site have logged.
pub(crate) fn log(site: &Site) -> String {
    fs::read_to_string(log_path(site)).unwrap()
}

/// Returns the peak memory use of the process, in octets.
pub(crate) fn peak_memory(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

pub(crate) fn open(site: &Site) -> Connection {
    let connection = Connection::open(site.data().join("listgate.db")).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection
}

/// Waits until the writer of a gate that gets no mail has sorted the records of recent mail. It commits nothing after
/// that.
pub(crate) fn until_sorted(site: &Site) {
    let database = open(site);
    let is_sorted = || {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM seen_lately)";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    until("the records are sorted", is_sorted);
}

/// Leaves nothing to copy from the log of a gate that gets no mail, so that the gate, when idle, syncs nothing.
pub(crate) fn copy_log(site: &Site) {
    until_sorted(site);
    let database = open(site);
    let is_copied = || {
        let read = |row: &Row<'_>| Ok(row.get::<_, i64>("log")? == row.get::<_, i64>("checkpointed")?);
        database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], read).unwrap()
    };
    until("the log is copied", is_copied);
}

/// Keeps a gate from copying its log, which must hold nothing to copy now. The log stays when this is dropped.
pub(crate) fn hold_log(site: &Site) -> Connection {
    let reader = open(site);
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM list").unwrap();
    reader
}

/// Takes the write lock, as another program might. Dropping the connection releases it.
pub(crate) fn hold_write_lock(site: &Site) -> Connection {
    let connection = open(site);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// Returns how many entries the message with this id has.
pub(crate) fn entries(site: &Site, message_id: &str) -> u64 {
    let sql = "SELECT count(*) FROM entry e JOIN delivery d ON d.id = e.delivery WHERE d.message_id = ?1";
    open(site).query_row(sql, [message_id], |row| row.get(0)).unwrap()
}

/// Returns the names in the spool directory, sorted.
pub(crate) fn spooled(site: &Site) -> Vec<String> {
    let name = |file: std::io::Result<fs::DirEntry>| file.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(site.data().join("spool")).unwrap().map(name).collect();
    names.sort();
    names
}

/// Returns a message of about `size` octets.
pub(crate) fn message(id: &str, size: usize) -> String {
    let line = format!("{id} says the same again and again\r\n");
    format!("Message-ID: {id}\r\nSubject: a test\r\n\r\n{}", line.repeat(size.div_ceil(line.len())))
}

/// Asserts that there are replies and that each begins with this code.
#[track_caller]
pub(crate) fn assert_all(replies: &[String], code: &str) {
    assert!(!replies.is_empty() && replies.iter().all(|reply| reply.starts_with(code)), "{replies:?}");
}

/// Sends a command that the fault does not affect, and asserts that it is answered at once.
#[track_caller]
pub(crate) fn answered_at_once(peer: &mut Peer, line: &str) {
    let start = Instant::now();
    let reply = peer.command(line);
    let took = start.elapsed();
    assert!(reply.starts_with("250") && took < AT_ONCE, "{line}: {reply:?} after {took:?}");
}

/// An strace that is attached to a running gate.
pub(crate) struct Tracer(Child);

impl Tracer {
    /// Attaches to every thread of the gate, then returns: the fault hits all that follows. With `only`, it
    /// hits just the system calls on that path.
    pub(crate) fn inject(server: &Server, fault: &str, only: Option<&Path>) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", &format!("inject={fault}")]);
        if let Some(path) = only {
            strace.arg("-P").arg(path);
        }
        Self::attach(server, strace)
    }

    /// Attaches an `strace` with other arguments to every thread of the gate.
    pub(crate) fn attach(server: &Server, mut strace: Command) -> Self {
        strace.args(["-f", "-qq", "-p", &server.child.id().to_string()]);
        let tracer = Self(strace.spawn().unwrap());
        let tasks = PathBuf::from(format!("/proc/{}/task", server.child.id()));
        until("strace attaches", || {
            fs::read_dir(&tasks).unwrap().all(|task| {
                let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            })
        });
        tracer
    }

    /// Waits for the tracer to end, which it does after the gate.
    pub(crate) fn wait(mut self) {
        self.0.wait().unwrap();
    }

    /// Detaches the tracer, which ends the fault.
    pub(crate) fn detach(mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
