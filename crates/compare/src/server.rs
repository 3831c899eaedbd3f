//! The servers that a benchmark starts on the loopback interface, for as long as it needs them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use xtask::run::{self, Outcome, cargo, command};

/// Starting may take long: valgrind slows a server down fifty times.
const TIME_TO_GREET: Duration = Duration::from_secs(120);
const TIME_TO_STOP: Duration = Duration::from_secs(120);

/// A running server, killed when this value is dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts the server and returns once it greets a connection to `address`. Its output goes to `log`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Outcome<Self> {
        let io = |error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(io)?;
        command.stdout(file.try_clone().map_err(io)?).stderr(file);
        let child = command.spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        let mut server = Self { child };
        let deadline = Instant::now() + TIME_TO_GREET;
        while !greets(address) {
            if server.ended()?.is_some() || Instant::now() > deadline {
                return Err(format!("{command:?} does not serve; it said:\n{}", complaints(log)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// Returns the id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to stop, and waits until it has ended successfully.
    pub(crate) fn stop(mut self) -> Outcome {
        let pid = self.child.id().to_string();
        run::succeed(command("sh").args(["-c", "kill -TERM $0", &pid]))?;
        let deadline = Instant::now() + TIME_TO_STOP;
        while Instant::now() < deadline {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the server stopped with {status}")),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err("the server does not stop when asked to".into())
    }

    fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| format!("lost a server: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has already ended cannot be killed, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let mut greeting = String::new();
    let _ = stream.set_read_timeout(Some(TIME_TO_GREET));
    BufReader::new(stream).read_line(&mut greeting).is_ok() && greeting.starts_with("220")
}

/// Returns an address on the loopback interface on which no process listens. Its port is below those that
/// systems assign by themselves, so no other process is assigned it before it is used.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two benchmarks that run at the same time start at different ports.
    let start = (std::process::id() % 10_000) as u16;
    for _ in 0..10_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000) % 10_000;
        if let Ok(address) = TcpListener::bind(("127.0.0.1", port)).and_then(|free| free.local_addr()) {
            return Ok(address);
        }
    }
    Err("no port from 20000 to 29999 is free on 127.0.0.1".into())
}

/// Returns what explains a failure of a server: the last warnings and errors in its log, or else the last lines.
pub(crate) fn complaints(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let complaints: Vec<&str> =
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    let lines = if complaints.is_empty() { log.lines().collect() } else { complaints };
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// A folder below cargo's target folder, which is on a disk, whereas /tmp may be in memory. It is removed
/// when this value is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Outcome<Self> {
        let folder = run::target()?.join("bench").join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("error: {}: {error}", self.0.display());
        }
    }
}

/// `listgate` as the packages have it: built with the profile `dist`.
#[derive(Clone)]
pub(crate) struct Gate {
    program: PathBuf,
}

impl Gate {
    pub(crate) fn build() -> Outcome<Self> {
        run::succeed(&mut cargo(&["build", "--profile", "dist", "--package", "listgate"]))?;
        Ok(Self { program: run::target()?.join("dist/listgate") })
    }

    /// Returns another `listgate`, which exists already.
    pub(crate) fn at(program: &Path) -> Outcome<Self> {
        let program = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { program })
    }

    /// Builds an example of the library with the same profile and returns its path.
    pub(crate) fn example(name: &str) -> Outcome<PathBuf> {
        run::succeed(&mut cargo(&[
            "build",
            "--profile",
            "dist",
            "--package",
            "listgate",
            "--example",
            name,
        ]))?;
        Ok(run::target()?.join("dist/examples").join(name))
    }

    /// Returns a `listgate` command that needs no data directory.
    pub(crate) fn command(&self) -> Command {
        command(&self.program)
    }

    /// Returns a `listgate` command on a data directory, run by another program if `under` names one.
    pub(crate) fn on(&self, data: &Path, under: &[&OsStr]) -> Command {
        let mut words = under.iter().copied().chain([self.program.as_os_str()]);
        let mut gate = command(words.next().unwrap_or_default());
        // The caller's environment and current folder must not affect what is measured.
        gate.args(words).env_remove("RUST_LOG").current_dir(data.parent().unwrap_or(data));
        gate.arg("--data-dir").arg(data);
        gate
    }

    /// Creates lists, thousands in one call if there are that many.
    pub(crate) fn create_lists(&self, data: &Path, addresses: &[String]) -> Outcome {
        // 5,000 addresses are well below the limit for the arguments of a program.
        for some in addresses.chunks(5_000) {
            let mut create = self.on(data, &[]);
            create.args(["list", "create", "--owner", "owner@example.org"]).args(some);
            run::succeed(create.stdout(Stdio::null()))?;
        }
        Ok(())
    }

    pub(crate) fn serve(&self, data: &Path, under: &[&OsStr]) -> Outcome<(Server, SocketAddr)> {
        self.serve_with(data, under, &[])
    }

    pub(crate) fn serve_with(
        &self,
        data: &Path,
        under: &[&OsStr],
        options: &[&OsStr],
    ) -> Outcome<(Server, SocketAddr)> {
        let address = free_address()?;
        let mut gate = self.on(data, under);
        gate.args(options).args(["serve", "--no-engine", "--listen", &address.to_string()]);
        Server::start(&mut gate, address, &log_of(data)).map(|server| (server, address))
    }

    /// Adds the gate's output to the error of a run against it.
    pub(crate) fn explain<T>(&self, data: &Path, outcome: Outcome<T>) -> Outcome<T> {
        outcome.map_err(|reason| format!("{reason}\nthe gate said:\n{}", complaints(&log_of(data))))
    }

    /// Returns how many messages wait in the queue of posts.
    pub(crate) fn queued(&self, data: &Path) -> Outcome<usize> {
        run::output(self.on(data, &[]).args(["queue", "ls", "in", "--json"])).map(|list| list.lines().count())
    }
}

fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// Returns Postfix's load generator, which sends `messages` of 4 KiB over `sessions` connections that stay open.
pub(crate) fn smtp_source(
    program: &Path,
    to: SocketAddr,
    list: &str,
    sessions: usize,
    messages: usize,
) -> Command {
    smtp_source_of(program, to, list, sessions, (messages, 4096))
}

/// Returns Postfix's load generator with this many messages of this many octets.
pub(crate) fn smtp_source_of(
    program: &Path,
    to: SocketAddr,
    list: &str,
    sessions: usize,
    (messages, size): (usize, usize),
) -> Command {
    let mut source = command(program);
    source.args(["-L", "-d", "-s", &sessions.to_string(), "-m", &messages.to_string()]);
    source.args(["-l", &size.to_string()]);
    source.args(["-f", "anne@example.org", "-t", list, &to.to_string()]);
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_free_addresses_differ() {
        assert_ne!(free_address(), free_address());
    }

    #[test]
    fn warnings_are_preferred_to_other_log_lines() {
        let log = std::env::temp_dir().join(format!("listgate-compare-complaints-{}", std::process::id()));
        let fine = "listening\nINFO taken\n".repeat(9);
        std::fs::write(&log, format!("WARN no room\n{fine}")).expect("a temporary file");
        assert_eq!(complaints(&log), "WARN no room");
        std::fs::write(&log, fine).expect("a temporary file");
        assert_eq!(complaints(&log).lines().count(), 5);
        std::fs::remove_file(&log).expect("it was just written");
    }
}
