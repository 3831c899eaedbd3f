//! What the scenarios share besides the harness.

pub(crate) use crate::support::until;
use crate::support::{PATIENCE, Peer, Server, Site};
use rusqlite::Connection;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What "at once" is on a busy machine: far less than any fault here lasts.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(700);

/// Three endpoints of the list that every site has.
pub(crate) const THREE: [&str; 3] =
    ["mylist@example.com", "mylist-owner@example.com", "mylist-request@example.com"];

/// `listgate serve` with a configuration file, its log in a file.
pub(crate) fn serve(site: &Site, toml: &str) -> Server {
    Server::start(command(site, site.command(), toml))
}

/// The same command, of a `base` that may be a tracer's.
pub(crate) fn command(site: &Site, mut base: Command, toml: &str) -> Command {
    let config = site.data().join("listgate.toml");
    fs::write(&config, toml).unwrap();
    let log = File::options().create(true).append(true).open(log_path(site)).unwrap();
    base.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config).stderr(log);
    base
}

fn log_path(site: &Site) -> PathBuf {
    site.data().join("log")
}

/// What the gates of this site have logged.
pub(crate) fn log(site: &Site) -> String {
    fs::read_to_string(log_path(site)).unwrap()
}

/// The most memory that the process ever had, in octets.
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

/// Takes the write lock, as another program might. Dropped, it is released.
pub(crate) fn hold_write_lock(site: &Site) -> Connection {
    let connection = open(site);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// How many entries the message with this id has.
pub(crate) fn entries(site: &Site, message_id: &str) -> u64 {
    let sql = "SELECT count(*) FROM entry e JOIN delivery d ON d.id = e.delivery WHERE d.message_id = ?1";
    open(site).query_row(sql, [message_id], |row| row.get(0)).unwrap()
}

/// The names in the spool directory, sorted.
pub(crate) fn spooled(site: &Site) -> Vec<String> {
    let name = |file: std::io::Result<fs::DirEntry>| file.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(site.data().join("spool")).unwrap().map(name).collect();
    names.sort();
    names
}

/// A message of about `size` octets.
pub(crate) fn message(id: &str, size: usize) -> String {
    let line = format!("{id} says the same again and again\r\n");
    format!("Message-ID: {id}\r\nSubject: a test\r\n\r\n{}", line.repeat(size.div_ceil(line.len())))
}

/// That each reply begins so, and how many there are.
#[track_caller]
pub(crate) fn assert_all(replies: &[String], code: &str) {
    assert!(!replies.is_empty() && replies.iter().all(|reply| reply.starts_with(code)), "{replies:?}");
}

/// Says a command that has nothing to do with the fault, and wants its answer now.
#[track_caller]
pub(crate) fn answered_at_once(peer: &mut Peer, line: &str) {
    let asked = Instant::now();
    let reply = peer.say(line);
    let took = asked.elapsed();
    assert!(reply.starts_with("250") && took < AT_ONCE, "{line}: {reply:?} after {took:?}");
}

/// An strace that is attached to a running gate.
pub(crate) struct Tracer(Child);

impl Tracer {
    /// Attaches to every thread, so that what follows meets the fault. `only`: system calls on this
    /// path alone.
    pub(crate) fn inject(server: &Server, fault: &str, only: Option<&Path>) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", &format!("inject={fault}")]);
        if let Some(path) = only {
            strace.arg("-P").arg(path);
        }
        Self::attach(server, strace)
    }

    /// The same with other arguments.
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

    /// Waits for the end, after that of the gate.
    pub(crate) fn wait(mut self) {
        self.0.wait().unwrap();
    }

    /// The fault is over.
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
