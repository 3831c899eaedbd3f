//! A consumer of a queue: `cargo run --example consume -- ./var command` answers nobody, but says who
//! asked for what.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use listgate::queue::{Queue, Verdict};
use std::io::{BufRead, BufReader};
use std::{env, error::Error, path::PathBuf, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: consume DATA_DIR QUEUE";
    let data = PathBuf::from(env::args().nth(1).ok_or(usage)?);
    let mut queue = Queue::open(&data, env::args().nth(2).ok_or(usage)?.parse()?)?;
    loop {
        let leases = queue.lease(16, Duration::from_secs(60))?;
        if leases.is_empty() {
            return Ok(()); // A service would sleep a little, and look again.
        }
        let mut done = Vec::new();
        for lease in leases {
            let mut lines = BufReader::new(queue.message(&lease)?).lines().map_while(Result::ok);
            let subject = lines.find(|line| line.starts_with("Subject:")).unwrap_or_default();
            println!("{} {} -> {}: {subject}", lease.entry.id, lease.entry.mail_from, lease.entry.recipient);
            done.push((lease, Verdict::Done));
        }
        queue.settle(&done)?;
    }
}
