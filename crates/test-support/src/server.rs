//! A `listgate serve` in a separate process.

use crate::patience::PATIENCE;
use crate::peer::Peer;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A `listgate serve` that is killed when it is dropped.
pub struct Server {
    /// The process.
    pub child: Child,
    /// The address on which it accepts LMTP.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a command that prints what `listgate serve` prints. Its standard error is inherited unless the
    /// command redirects it.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).expect("listgate serve listens")
    }

    /// Starts it like [`Self::start`], but returns the exit status if it ends before it listens.
    pub fn try_start(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                return Err(child.wait().unwrap());
            }
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                // A note may follow.
                break address.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        // Keep reading, so that the server never blocks on its output.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Ok(Self { child, address })
    }

    /// Returns a peer that is connected and has read the greeting.
    pub fn peer(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// Sends a signal, given by its name, such as TERM.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the process to end and returns its exit code, or `None` if a signal ended it.
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
