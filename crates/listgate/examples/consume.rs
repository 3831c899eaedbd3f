//! A consumer of a queue: `cargo run --example consume -- ./var command` prints who asked for what, until it is
//! stopped.
#![allow(clippy::print_stdout, reason = "the example prints what it consumes")]

use listgate::queue::{Queue, Verdict};
use std::io::{BufRead, BufReader};
use std::{env, error::Error, path::PathBuf, thread, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: consume DATA_DIR QUEUE");
    let mut queue = Queue::open(&PathBuf::from(next()?), next()?.parse()?)?;
    loop {
        let mut done = Vec::new();
        for lease in queue.lease(16, Duration::from_secs(60))? {
            let mut lines = BufReader::new(queue.message(&lease)?).lines().map_while(Result::ok);
            let subject = lines.find(|line| line.starts_with("Subject:")).unwrap_or_default();
            let entry = &lease.entry;
            let from = entry.mail_from.as_deref().unwrap_or("?");
            println!("{} {from} -> {}: {subject}", entry.id, entry.recipient.as_deref().unwrap_or("?"));
            done.push((lease, Verdict::Done));
        }
        if done.is_empty() {
            thread::sleep(Duration::from_millis(50));
        }
        queue.settle(&done)?;
    }
}
