//! The servers that a benchmark starts, on the loopback interface and for as long as it needs them.

use crate::run::{self, Outcome, cargo, command};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A server need not be quick to greet: valgrind slows it down fifty times.
const TIME_TO_GREET: Duration = Duration::from_secs(120);
const TIME_TO_STOP: Duration = Duration::from_secs(120);

/// A running server, killed when this value goes.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it and returns once it greets whoever connects to `address`. What it has to say goes to `log`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Outcome<Self> {
        let io = |error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(io)?;
        command.stdout(file.try_clone().map_err(io)?).stderr(file);
        let child = command.spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        let mut server = Self { child };
        let deadline = Instant::now() + TIME_TO_GREET;
        while !greets(address) {
            if server.ended()?.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{command:?} does not serve; it said:\n{said}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Asks it to stop, and waits until it has, in good order.
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
        // One that has ended already cannot be killed, and need not be.
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

/// An address on the loopback interface that nobody listens on.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|error| format!("no free port: {error}"))
}

/// A folder of our own below cargo's target folder, which is on a disk where /tmp may be memory.
/// It is removed when this value goes.
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
            eprintln!("xtask: {}: {error}", self.0.display());
        }
    }
}

/// The `listgate` program as it is released.
pub(crate) struct Gate {
    program: PathBuf,
}

impl Gate {
    pub(crate) fn build() -> Outcome<Self> {
        run::succeed(&mut cargo(&["build", "--release", "--package", "listgate"]))?;
        Ok(Self { program: run::target()?.join("release/listgate") })
    }

    /// A `listgate` command on a data directory, under another program if `under` names one.
    pub(crate) fn on(&self, data: &Path, under: &[&OsStr]) -> Command {
        let mut words = under.iter().copied().chain([self.program.as_os_str()]);
        let mut gate = command(words.next().unwrap_or_default());
        // Nothing of the caller's may configure what is measured, and no folder of theirs be looked into.
        gate.args(words).env_remove("RUST_LOG").current_dir(data.parent().unwrap_or(data));
        gate.arg("--data-dir").arg(data);
        gate
    }

    /// Creates lists, thousands in one call if there are thousands.
    pub(crate) fn create_lists(&self, data: &Path, addresses: &[String]) -> Outcome {
        // 5,000 addresses are well below what a system takes as the arguments of a program.
        for some in addresses.chunks(5_000) {
            run::succeed(self.on(data, &[]).args(["list", "create"]).args(some).stdout(Stdio::null()))?;
        }
        Ok(())
    }

    pub(crate) fn serve(&self, data: &Path, under: &[&OsStr]) -> Outcome<(Server, SocketAddr)> {
        let address = free_address()?;
        let mut gate = self.on(data, under);
        gate.args(["serve", "--listen", &address.to_string()]);
        Server::start(&mut gate, address, &data.with_extension("log")).map(|server| (server, address))
    }

    /// Says how many messages wait in the queue of posts.
    pub(crate) fn queued(&self, data: &Path) -> Outcome<usize> {
        run::output(self.on(data, &[]).args(["queue", "ls", "in", "--json"])).map(|list| list.lines().count())
    }
}

/// Postfix's load generator: `messages` of 4 KiB over `sessions` connections that stay open.
pub(crate) fn smtp_source(
    program: &Path,
    to: SocketAddr,
    list: &str,
    sessions: usize,
    messages: usize,
) -> Command {
    let mut source = command(program);
    source.args(["-L", "-d", "-s", &sessions.to_string(), "-m", &messages.to_string(), "-l", "4096"]);
    source.args(["-f", "anne@example.org", "-t", list, &to.to_string()]);
    source
}
