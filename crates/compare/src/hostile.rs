//! `cargo xtask bench hostile`: the rate of a normal peer beside many slow senders and peers that never read,
//! compared to its rate alone.

use crate::beside::{LIST, MESSAGES, Normal, SESSIONS};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use xtask::run::Outcome;

const SLOW: usize = 2_000;
const NEVER_READ: usize = 500;
/// The fraction of its rate alone that a normal peer should keep.
const TARGET: f64 = 0.7;

pub(crate) fn run() -> Outcome {
    let files = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files })
        .map_err(|error| format!("raising the limit of open files: {error}"))?;
    let normal =
        Normal::start("hostile", "[server]\nmax_connections = 3000\nmax_connections_per_peer = 3000\n")?;
    println!("{MESSAGES} messages of 4 KiB in {SESSIONS} sessions, alone and beside {SLOW} peers that send");
    println!("an octet a second and {NEVER_READ} that never read; messages per second");
    normal.rounds(TARGET, || HostilePeers::connect(normal.address), HostilePeers::disconnect)?;
    normal.stop()
}

/// Hostile peers, which stay until `stop` is set.
struct HostilePeers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

impl HostilePeers {
    /// Connects all of them, and returns when they are ready.
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, connected) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut slow = (0..SLOW).map(|_| slow(address)).collect::<Outcome<Vec<_>>>()?;
            let _never_read = (0..NEVER_READ).map(|_| never_reads(address)).collect::<Outcome<Vec<_>>>()?;
            // The receiver is gone only if the benchmark has already failed.
            let _ = ready.send(());
            while !stopped.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    stream.write_all(b"x").map_err(|error| format!("a slow sender was cut off: {error}"))?;
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        });
        if connected.recv().is_err() {
            thread.join().map_err(|_| "the thread of the hostile peers panicked".to_owned())??;
        } else {
            return Ok(Self { stop, thread });
        }
        Err("the hostile peers did not connect".to_owned())
    }

    fn disconnect(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the thread of the hostile peers panicked".to_owned())?
    }
}

/// Connects a peer that stays in the middle of a message.
fn slow(address: SocketAddr) -> Outcome<TcpStream> {
    let failed = |error| format!("a slow sender: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let script = format!("LHLO slow\r\nMAIL FROM:<>\r\nRCPT TO:<{LIST}>\r\nDATA\r\nSubject: ");
    stream.write_all(script.as_bytes()).map_err(failed)?;
    let mut replies = Vec::new();
    let mut buffer = [0; 1024];
    while !replies.windows(6).any(|text| text == b"\r\n354 ") {
        let len = stream.read(&mut buffer).map_err(failed)?;
        if len == 0 {
            return Err(format!("a slow sender was refused: {}", String::from_utf8_lossy(&replies)));
        }
        replies.extend_from_slice(&buffer[..len]);
    }
    Ok(stream)
}

/// Connects a peer that never reads, and that has sent as much as the gate accepts from such a peer.
fn never_reads(address: SocketAddr) -> Outcome<TcpStream> {
    let failed = |error| format!("a peer that never reads: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    let commands =
        format!("LHLO silent\r\nMAIL FROM:<>\r\n{}", "RCPT TO:<nobody@example.com>\r\n".repeat(100_000));
    match stream.write_all(commands.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(failed(error)),
        _ => Ok(stream),
    }
}
