//! `cargo xtask bench consumers`: the gate's rate while two other processes consume its mail as fast as they
//! can, compared to its rate alone.

use crate::beside::{MESSAGES, Normal, SESSIONS};
use crate::server::{Gate, free_address};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use xtask::run::{Outcome, command};

const CONSUMERS: usize = 2;
/// The fraction of its rate alone that the gate should keep.
const TARGET: f64 = 0.5;
/// How long the gate waits for its lock before it defers mail, in seconds.
const PATIENCE: f64 = 10.0;

pub(crate) fn run() -> Outcome {
    let consumer = Gate::example("consume")?;
    let admin = free_address()?;
    let normal = Normal::start("consumers", &format!("[admin]\nlisten = \"{admin}\"\n"))?;
    println!("{MESSAGES} messages of 4 KiB in {SESSIONS} sessions, alone and beside {CONSUMERS} consumers;");
    println!("messages per second");
    let start = || {
        let consumers = Consumers::start(&consumer, &normal.data)?;
        consumers.until_empty(&normal.gate, &normal.data)?;
        Ok(consumers)
    };
    normal.rounds(TARGET, start, |consumers| consumers.until_empty(&normal.gate, &normal.data))?;
    let slowest = slowest_commit(admin)?;
    let verdict = if slowest <= PATIENCE { "met" } else { "missed" };
    println!(
        "every commit, with its wait for the lock, within {slowest:.3} s, target {PATIENCE} s: {verdict}"
    );
    normal.stop()
}

/// Processes that consume the queue of posts until this value is dropped.
struct Consumers(Vec<Child>);

impl Consumers {
    fn start(program: &Path, data: &Path) -> Outcome<Self> {
        let start = || command(program).arg(data).arg("in").stdout(Stdio::null()).spawn();
        let all = (0..CONSUMERS).map(|_| start().map_err(|error| format!("{}: {error}", program.display())));
        all.collect::<Outcome<_>>().map(Self)
    }

    fn until_empty(&self, gate: &Gate, data: &Path) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(120);
        while gate.queued(data)? > 0 {
            if Instant::now() > deadline {
                return Err("the consumers do not empty the queue".to_owned());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        for consumer in &mut self.0 {
            // A process that has already ended cannot be killed, which is fine.
            let _ = consumer.kill();
            let _ = consumer.wait();
        }
    }
}

/// Returns the time within which every commit finished, in seconds, from the gate's own histogram.
fn slowest_commit(admin: SocketAddr) -> Outcome<f64> {
    let failed = |error| format!("asking for the metrics: {error}");
    let mut stream = TcpStream::connect(admin).map_err(failed)?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .map_err(failed)?;
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).map_err(failed)?;
    bound(&metrics).ok_or_else(|| "the metrics have no commits".to_owned())
}

/// Returns the bound of the smallest bucket that contains all commits.
fn bound(metrics: &str) -> Option<f64> {
    let value = |line: &str| line.rsplit_once(' ')?.1.parse::<f64>().ok();
    let count =
        metrics.lines().find(|line| line.starts_with("listgate_commit_seconds_count")).and_then(value)?;
    let buckets = metrics.lines().filter_map(|line| {
        let (bound, _) = line.strip_prefix("listgate_commit_seconds_bucket{le=\"")?.split_once('"')?;
        (value(line)? >= count).then(|| bound.parse::<f64>().unwrap_or(f64::INFINITY))
    });
    buckets.reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_the_slowest_commit_is_read() {
        let metrics = "listgate_commit_seconds_count 7\nlistgate_commit_seconds_bucket{le=\"0.1\"} 6\n\
                       listgate_commit_seconds_bucket{le=\"0.2\"} 7\nlistgate_commit_seconds_bucket{le=\"+Inf\"} 7\n";
        assert_eq!(bound(metrics), Some(0.2));
        assert_eq!(bound("up 1\n"), None);
    }
}
