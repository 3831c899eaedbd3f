//! Stands in for systemd: passes listening sockets to programs, and reads what they report.

use crate::patience::PATIENCE;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// The socket to which a service reports its state (sd_notify(3)).
pub struct Reports {
    dir: TempDir,
    socket: UnixDatagram,
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

impl Reports {
    /// Creates the socket.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { dir, socket }
    }

    /// Has the command report its state here, and give a sign of life within these microseconds, if any.
    pub fn of(&self, command: &mut Command, watchdog: Option<u64>) {
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        if let Some(microseconds) = watchdog {
            command.env("WATCHDOG_USEC", microseconds.to_string());
        }
    }

    /// Returns the next report, or `None` if none comes within [`PATIENCE`].
    pub fn next(&self) -> Option<String> {
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut octets = [0; 4096];
        let length = self.socket.recv(&mut octets).ok()?;
        Some(String::from_utf8(octets[..length].to_vec()).unwrap())
    }

    /// Waits for a report with this line, and returns the report. Others before it are passed over.
    pub fn until(&self, line: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let report = self.next().unwrap_or_else(|| panic!("{line} is not reported"));
            if report.lines().any(|reported| reported == line) {
                return report;
            }
            assert!(Instant::now() < end, "{line} is not reported");
        }
    }
}

/// Returns a command that runs `command` with these sockets, as systemd passes them (sd_listen_fds(3)). It has the
/// arguments and variables of `command`, and nothing else. With two or three sockets, its output goes to the file in the
/// variable `OUTPUT`.
pub fn with_sockets(command: &Command, names: Option<&str>, sockets: Vec<OwnedFd>) -> Command {
    let count = sockets.len();
    let moved = match count {
        1 => "exec 3<&0 </dev/null",
        2 => "exec 3<&0 4<&1 </dev/null >\"$OUTPUT\" 2>&1",
        3 => "exec 3<&0 4<&1 5<&2 </dev/null >\"$OUTPUT\" 2>&1",
        _ => panic!("{count} sockets"),
    };
    // The shell has the process id that the program will have.
    let script = format!("{moved}; export LISTEN_PID=$$; exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("LISTEN_FDS", count.to_string());
    if let Some(names) = names {
        shell.env("LISTEN_FDNAMES", names);
    }
    let mut sockets = sockets.into_iter().map(Stdio::from);
    shell.stdin(sockets.next().expect("there is a socket"));
    if let Some(second) = sockets.next() {
        shell.stdout(second);
    }
    if let Some(third) = sockets.next() {
        shell.stderr(third);
    }
    shell
}
