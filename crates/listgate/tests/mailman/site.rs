//! A Mailman site of its own: mailman.cfg, database, queues, and Mailman's programs on them.
//!
//! Mailman is the one that xtask installs: in the directory that LISTGATE_MAILMAN names, or else in
//! `peers/mailman` below the target directory that this test was built into.

use crate::postgres::Postgres;
use crate::support::{PATIENCE, Server, free_address, installed};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Prints the contents of a queue's files, one JSON array `[file, message, msgdata]` for each, with every
/// attribute of the message and its parts. JSON has only text, so octets are shown as ISO 8859-1.
const SHOW: &str = r#"
import datetime, json, pickle, sys
from email.message import Message

def plain(value):
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value.encode('utf-8', 'surrogateescape').decode('latin-1')
    if isinstance(value, bytes):
        return value.decode('latin-1')
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    kind = type(value).__module__ + '.' + type(value).__qualname__
    return {'class': kind, **plain(getattr(value, '__dict__', {}))}

for name in sys.argv[1:]:
    with open(name, 'rb') as file:
        message, msgdata = pickle.load(file), pickle.load(file)
    print(json.dumps([name.rpartition('/')[2], plain(message), plain(msgdata)]))
"#;

/// Creates the named lists, and their domains.
const CREATE: &str = r#"
import sys
from mailman.app.lifecycle import create_list
from mailman.interfaces.domain import IDomainManager
from zope.component import getUtility

domains = getUtility(IDomainManager)
for name in sys.argv[1:]:
    domain = name.partition('@')[2]
    if domain not in domains:
        domains.add(domain)
    create_list(name, ['owner@example.org'])
"#;

/// Precedes a script that works with Mailman's own objects. Its first argument is the path of mailman.cfg.
const WITHIN: &str = r#"
import sys
from mailman.core.initialize import initialize
initialize(sys.argv.pop(1))
from mailman.config import config
from mailman.database.transaction import transaction
"#;

/// An entry of a queue, unpickled by Python.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) message: Value,
    pub(crate) msgdata: Value,
}

impl Entry {
    /// Returns the first header field of this name, unless Python made it an object.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.message["_headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name)?[1].as_str()
    }
}

pub(crate) struct Mailman {
    dir: TempDir,
    /// The address at which Mailman's own LMTP runner listens when it runs.
    pub(crate) lmtp: SocketAddr,
    /// The database server, if the database is not SQLite.
    _postgres: Option<Postgres>,
}

impl Mailman {
    /// Creates a site on SQLite, without any list.
    pub(crate) fn new() -> Self {
        Self::with("", None)
    }

    pub(crate) fn on_postgres() -> Self {
        let postgres = Postgres::start();
        let class = "mailman.database.postgresql.PostgreSQLDatabase";
        let database = format!("[database]\nclass: {class}\nurl: {}\n", postgres.url());
        Self::with(&database, Some(postgres))
    }

    /// Creates a site with more lines in its mailman.cfg.
    pub(crate) fn with(more: &str, postgres: Option<Postgres>) -> Self {
        // Uses the kernel's form of the path, as traces do.
        let dir = tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
        let lmtp = free_address();
        let site = Self { dir, lmtp, _postgres: postgres };
        fs::create_dir(site.var()).unwrap();
        let cfg = format!(
            "[mailman]\nlayout: test\nsite_owner: site-owner@example.com\n\
             [paths.test]\nvar_dir: {}\n\
             [mta]\nincoming: mailman.mta.null.NullMTA\nlmtp_port: {}\n\
             [runner.lmtp]\nstart: no\n{more}",
            site.var().display(),
            lmtp.port()
        );
        fs::write(site.cfg(), cfg).unwrap();
        site
    }

    pub(crate) fn cfg(&self) -> PathBuf {
        self.dir.path().join("mailman.cfg")
    }

    pub(crate) fn var(&self) -> PathBuf {
        self.dir.path().join("var")
    }

    pub(crate) fn queue(&self, name: &str) -> PathBuf {
        self.var().join("queue").join(name)
    }

    /// Returns the command for a program of the virtual environment, run in the directory where `mailman start`
    /// runs them.
    pub(crate) fn program(&self, name: &str) -> Command {
        let venv = installed("LISTGATE_MAILMAN", "mailman");
        let mut command = Command::new(venv.join("bin").join(name));
        command.env_remove("MAILMAN_CONFIG_FILE").env_remove("MAILMAN_VAR_DIR");
        command.current_dir(self.var()).stdin(Stdio::null());
        command
    }

    /// Returns what `mailman ARGS` prints.
    pub(crate) fn mailman(&self, args: &[&str]) -> String {
        printed(self.program("mailman").args(["--run-as-root", "-C"]).arg(self.cfg()).args(args))
    }

    /// Returns what a Python script prints that works with Mailman's objects, within a transaction.
    pub(crate) fn python(&self, script: &str, args: &[&str]) -> String {
        let script = script.lines().map(|line| format!("    {line}\n")).collect::<String>();
        self.script(&format!("with transaction():\n{script}"), args)
    }

    /// The same, but outside of a transaction.
    pub(crate) fn script(&self, script: &str, args: &[&str]) -> String {
        let whole = format!("{WITHIN}\n{script}");
        printed(self.program("python").arg("-c").arg(whole).arg(self.cfg()).args(args))
    }

    /// Creates lists, and their domains.
    pub(crate) fn create(&self, lists: &[&str]) {
        self.python(CREATE, lists);
    }

    /// Returns the names of a queue's files, in the order in which Mailman takes them. All files are included,
    /// since a runner dies of a name that it cannot read.
    pub(crate) fn files(&self, queue: &str) -> Vec<String> {
        let files = fs::read_dir(self.queue(queue)).into_iter().flatten();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns the entries of a queue, without taking them.
    pub(crate) fn entries(&self, queue: &str) -> Vec<Entry> {
        let files: Vec<_> = self.files(queue).into_iter().map(|name| self.queue(queue).join(name)).collect();
        // As many at a time as fit on a command line.
        let some = |files| printed(self.program("python").args(["-c", SHOW]).args::<_, &PathBuf>(files));
        let printed: String = files.chunks(500).map(some).collect();
        let entry = |line: &str| {
            let (file, message, msgdata) = serde_json::from_str(line).unwrap();
            Entry { file, message, msgdata }
        };
        printed.lines().map(entry).collect()
    }

    /// Makes one of Mailman's runners, such as `in`, process its next message.
    pub(crate) fn once(&self, runner: &str) {
        printed(self.runner(runner).arg("--once"));
    }

    /// Makes a runner process all messages that it has now. None of them may be left, and none may fail.
    pub(crate) fn work(&self, runner: &str) {
        let messages = self.files(runner).len();
        assert!(messages > 0, "{runner} has no work");
        for _ in 0..messages {
            self.once(runner);
        }
        for queue in [runner, "shunt", "bad"] {
            assert_eq!(self.files(queue), [""; 0], "{queue}");
        }
    }

    /// Starts one of Mailman's runners, which works until it is dropped.
    pub(crate) fn start(&self, runner: &str) -> Runner {
        Runner { child: self.runner(runner).spawn().unwrap() }
    }

    /// Starts Mailman's own LMTP runner, and waits until it listens.
    pub(crate) fn start_lmtp(&self) -> Runner {
        let mut runner = self.start("lmtp");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.lmtp).is_err() {
            assert!(runner.is_alive() && Instant::now() < until, "Mailman's LMTP runner does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        runner
    }

    /// Starts `listgate serve` in Mailman's place, with its log in a file.
    pub(crate) fn listgate(&self) -> Server {
        Server::start(self.serve(Command::new(env!("CARGO_BIN_EXE_listgate"))))
    }

    /// The same, with a configuration file of Listgate's own.
    pub(crate) fn listgate_with(&self, toml: &str) -> Server {
        let mut command = self.serve(Command::new(env!("CARGO_BIN_EXE_listgate")));
        command.arg("--config").arg(self.config(toml));
        Server::start(command)
    }

    /// Returns what `listgate doctor` prints with a configuration file of Listgate's own.
    pub(crate) fn doctor(&self, toml: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_listgate"));
        command.args(["doctor", "--mailman"]).arg(self.cfg()).arg("--config").arg(self.config(toml));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn config(&self, toml: &str) -> PathBuf {
        let file = self.dir.path().join("listgate.toml");
        fs::write(&file, toml).unwrap();
        file
    }

    /// Returns what the gates have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Returns the command that [`listgate`](Self::listgate) starts. `base` runs Listgate, possibly under a
    /// tracer.
    pub(crate) fn serve(&self, mut base: Command) -> Command {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        base.args(["serve", "--mailman"]).arg(self.cfg()).current_dir(self.var()).stderr(log);
        base
    }

    fn runner(&self, name: &str) -> Command {
        let mut command = self.program("runner");
        command.arg("-C").arg(self.cfg()).arg(format!("--runner={name}:0:1"));
        command
    }
}

/// One of Mailman's runners, which is stopped when dropped.
pub(crate) struct Runner {
    child: Child,
}

impl Runner {
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns what a command prints, and asserts that it succeeds.
pub(crate) fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let name = command.get_program().to_string_lossy().into_owned();
    let args: Vec<&OsStr> = command.get_args().collect();
    assert!(status.success(), "{name} {args:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
