//! What the scenarios share: a data directory, a gate or a `listgate serve` on it, the command line,
//! and a peer that speaks LMTP word by word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "names say it, and everybody here uses it")]

pub mod calls;
pub mod clock;
pub mod disk;
pub mod mount;
pub mod socketmap;
pub mod trace;

use clock::TestClock;
use listgate::{Config, Gate, ListenAddress};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes, so that a test that hangs ends.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The path of the `listgate` program. Only integration tests of the `listgate` package can ask for it:
/// cargo builds the program before it runs them, into the folder above the one that holds the test.
///
/// # Panics
///
/// If the program is not there.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).expect("a test is in `deps` of its profile").join("listgate");
    assert!(
        program.is_file(),
        "{} does not exist: only cargo's runs of the integration tests of `listgate` build it",
        program.display()
    );
    program
}

/// A data directory of its own, removed at the end, and the clock of what runs on it in this process.
pub struct Site {
    pub dir: TempDir,
    pub clock: TestClock,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    pub fn new() -> Self {
        // As the kernel names it, since traces do.
        let parent = std::env::temp_dir().canonicalize().unwrap();
        Self { dir: tempfile::tempdir_in(parent).unwrap(), clock: TestClock::default() }
    }

    /// With `mylist@example.com`.
    pub fn with_list() -> Self {
        let site = Self::new();
        site.create("mylist@example.com");
        site
    }

    pub fn data(&self) -> &Path {
        self.dir.path()
    }

    pub fn config(&self) -> Config {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        Config { listen, min_free: 0, hostname: "lists.example.com".to_owned(), ..Config::new(self.data()) }
    }

    /// A gate in this process, by the site's clock.
    pub fn gate(&self, config: Config) -> Gate {
        Gate::start_with_clock(config, self.clock.handle()).unwrap()
    }

    /// `listgate ARGS` on this data directory.
    pub fn listgate<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().unwrap()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.env("LISTGATE_DATA_DIR", self.data());
        command
    }

    /// What `listgate ARGS` prints when it succeeds.
    pub fn stdout<A: AsRef<OsStr>>(&self, args: &[A]) -> String {
        let output = self.listgate(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn create(&self, address: &str) {
        self.stdout(&["list", "create", address]);
    }

    /// The JSON objects that `listgate ARGS --json` prints, one per line.
    pub fn json(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let out = self.stdout(&[args, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The ids of a queue's entries, oldest first.
    pub fn ids(&self, queue: &str) -> Vec<String> {
        let text = |entry: &serde_json::Value| entry["id"].as_str().unwrap().to_owned();
        self.json(&["queue", "ls", queue]).iter().map(text).collect()
    }

    /// The message of an entry as stored.
    pub fn message(&self, id: &str) -> Vec<u8> {
        let output = self.listgate(&["queue", "show", id, "--message"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// `listgate serve ARGS` as a process of its own, on a free port.
    pub fn serve(&self, args: &[&str]) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
        Server::start(command)
    }
}

/// A `listgate serve` that is killed at the end.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a command that prints what `listgate serve` prints; its standard error is inherited
    /// unless the command says otherwise.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).expect("listgate serve listens")
    }

    /// The same; its exit status when it ends before it listens.
    pub fn try_start(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                return Err(child.wait().unwrap());
            }
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                break address.trim().parse().unwrap();
            }
        };
        // Read on, so that the server never waits for us.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Ok(Self { child, address })
    }

    pub fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// Sends a signal by its name, such as TERM.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the end and gives the exit code; `None` for a signal.
    pub fn wait(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "listgate serve does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first TCP address of a gate.
pub fn tcp(gate: &Gate) -> SocketAddr {
    match gate.addresses()[0] {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("the gate listens on a Unix socket first"),
    }
}

/// Where a gate serves socketmap, by TCP.
pub fn socketmap(gate: &Gate) -> SocketAddr {
    match gate.socketmap()[0] {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("socketmap is on a Unix socket first"),
    }
}

/// What a server says to a request, until it closes.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A page of the admin listener.
pub fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// An address that is free at this moment; whoever is to listen there takes it soon.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A mail server that says what it is told to.
pub struct Peer {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Peer {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Self { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        assert_eq!(&peer.reply()[..4], "220 ");
        peer
    }

    /// What one address is answered now, in a transaction of its own.
    pub fn rcpt(&mut self, address: &str) -> String {
        self.say("MAIL FROM:<>");
        let reply = self.say(&format!("RCPT TO:<{address}>"));
        self.say("RSET");
        reply
    }

    /// Connects and says LHLO.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        assert_eq!(&peer.say("LHLO client.example")[..3], "250");
        peer
    }

    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
    }

    /// The next whole reply, lines joined by LF, without its last line end. Empty at the end of the
    /// connection.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return reply;
            }
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(line.strip_suffix("\r\n").expect("a reply line ends with CR LF"));
            if last {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Sends one command line and reads its reply.
    pub fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Says MAIL, RCPT for each, DATA; all have to be taken.
    pub fn begin(&mut self, from: &str, to: &[&str]) {
        let reply = self.say(&format!("MAIL FROM:<{from}>"));
        assert_eq!(&reply[..3], "250", "{reply}");
        for recipient in to {
            let reply = self.say(&format!("RCPT TO:<{recipient}>"));
            assert_eq!(&reply[..3], "250", "{recipient}: {reply}");
        }
        assert_eq!(&self.say("DATA")[..3], "354");
    }

    /// Sends a message (CR LF lines, no dot at a line's beginning) and gives a reply for each
    /// recipient.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: impl AsRef<[u8]>) -> Vec<String> {
        self.begin(from, to);
        self.send(message);
        self.send(".\r\n");
        to.iter().map(|_| self.reply()).collect()
    }

    /// That the session takes another transaction as if nothing had happened.
    pub fn assert_usable(&mut self) {
        let replies = self.deliver("after@example.org", &["mylist@example.com"], "Subject: after\r\n\r\n");
        assert_eq!(&replies[0][..3], "250", "{}", replies[0]);
        assert_eq!(&self.say("NOOP")[..3], "250", "no reply is left over");
    }
}

/// The id in `250 2.0.0 Ok: queued as ID`.
pub fn queued_as(reply: &str) -> &str {
    reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}"))
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}
