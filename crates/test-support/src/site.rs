//! A data directory, and the programs that run on it.

use crate::clock::TestClock;
use crate::outbox::Outbox;
use crate::patience::until;
use crate::program::program;
use crate::server::Server;
use listgate::{Config, Gate};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The owner of lists that tests create.
pub const OWNER: &str = "owner@example.org";

/// A temporary data directory, and the clock for the gates that run on it in this process.
pub struct Site {
    /// The data directory.
    pub dir: TempDir,
    /// The clock used by gates in this process.
    pub clock: TestClock,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Creates a site without lists.
    pub fn new() -> Self {
        // Use the canonical path, because traces contain it.
        let parent = std::env::temp_dir().canonicalize().unwrap();
        Self { dir: tempfile::tempdir_in(parent).unwrap(), clock: TestClock::default() }
    }

    /// Creates a site with the list `mylist@example.com`.
    pub fn with_list() -> Self {
        let site = Self::new();
        site.create("mylist@example.com");
        site
    }

    /// Returns the path of the data directory.
    pub fn data(&self) -> &Path {
        self.dir.path()
    }

    /// Returns a configuration that listens on a free TCP port and requires no free space.
    pub fn config(&self) -> Config {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let hostname = "lists.example.com".to_owned();
        Config { listen, min_free: 0, hostname, engine: Some(false), ..Config::new(self.data()) }
    }

    /// Starts a gate in this process with the site's clock.
    pub fn gate(&self, config: Config) -> Gate {
        Gate::start_with_clock(config, self.clock.handle()).unwrap()
    }

    /// Runs `listgate ARGS` on this data directory.
    pub fn listgate<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Returns a `listgate` command on this data directory, to which arguments can be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.env("LISTGATE_DATA_DIR", self.data());
        command
    }

    /// Returns what `listgate ARGS` prints, and checks that it succeeds.
    pub fn stdout<A: AsRef<OsStr>>(&self, args: &[A]) -> String {
        let output = self.listgate(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Creates a list, which [`OWNER`] owns, through the command line.
    pub fn create(&self, address: &str) {
        self.stdout(&["list", "create", "--owner", OWNER, "--", address]);
    }

    /// Returns the path of a configuration file that switches the engine off, so that `listgate work` may work every
    /// queue.
    pub fn without_engine(&self) -> String {
        let file = self.data().join("without-engine.toml");
        fs::write(&file, "[engine]\nenabled = false\n").unwrap();
        file.into_os_string().into_string().unwrap()
    }

    /// Returns the JSON objects that `listgate ARGS --json` prints, one per line.
    pub fn json(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let out = self.stdout(&[args, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the ids of a queue's entries, oldest first.
    pub fn ids(&self, queue: &str) -> Vec<String> {
        let text = |entry: &serde_json::Value| entry["id"].as_str().unwrap().to_owned();
        self.json(&["queue", "ls", queue]).iter().map(text).collect()
    }

    /// Returns the message of an entry as stored.
    pub fn message(&self, id: &str) -> Vec<u8> {
        let output = self.listgate(&["queue", "show", id, "--message"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Starts `listgate serve ARGS` in a separate process, on a free port. Entries stay in their queues.
    pub fn serve(&self, args: &[&str]) -> Server {
        let mut command = self.command();
        command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).args(args);
        Server::start(command)
    }

    /// Waits until the hand-over of everything that was sent is stored. A copy is in the [`Outbox`] before that.
    pub fn until_all_is_sent(&self) {
        until("all is sent", || {
            let status = self.json(&["queue", "status"]);
            let outgoing = status.iter().find(|queue| queue["queue"] == "outgoing").unwrap();
            outgoing["posts"] == 0 && outgoing["notices"] == 0
        });
    }

    /// Returns the directory into which [`Self::distribute`] sends.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.data().join("outbox"))
    }

    /// Starts `listgate serve ARGS` in a separate process, on a free port, with the engine on. Posts are sent into
    /// [`Self::outbox`], unless ARGS say otherwise. The log is in the file `log` of the data directory.
    pub fn distribute(&self, args: &[&str]) -> Server {
        let log = File::options().create(true).append(true).open(self.data().join("log")).unwrap();
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args).stderr(log);
        if !args.contains(&"--outgoing") {
            command.args(["--outgoing", &self.outbox().option()]);
        }
        Server::start(command)
    }
}
