//! `cargo xtask bench mailman`: Listgate in place of GNU Mailman's own LMTP runner, on sites with 4 and with
//! 5,000 lists, under the same load from Postfix's smtp-source.
//!
//! No file is removed until everything is measured: for some minutes after many files have been freed, ext4
//! without a journal is slow to create new ones, which would be charged to the next server.

use super::contestants::{Kind, Running, addresses};
use super::setup::settle;
use crate::median::median;
use crate::server::{Gate, Scratch, smtp_source};
use std::path::Path;
use std::time::Instant;
use xtask::peers;
use xtask::run::{self, Outcome};
use xtask::system;

/// Lists of a site, messages sent to Mailman's runner, and the ratio that is the target.
const SITES: [(usize, usize, f64); 2] = [(5_000, 100, 80.0), (4, 500, 15.0)];
/// Messages sent to Listgate.
const MESSAGES: usize = 8_000;
const SESSIONS: usize = 8;
const ROUNDS: usize = 5;

pub(crate) fn run() -> Outcome {
    peers::install(&["postfix", "python3", "mailman"]);
    let source = system::require("smtp-source", "Postfix")?;
    let gate = Gate::build()?;
    let scratch = Scratch::new("mailman")?;
    let mut running = Vec::new();
    println!("{SESSIONS} sessions, 4 KiB, messages per second");
    for (lists, messages, target) in SITES {
        let start = |kind: Kind, name: &str| {
            Running::start(kind, &gate, &scratch.join(&format!("{name}-{lists}")), lists)
        };
        let theirs = start(Kind::Mailman, "theirs")?;
        let ours = start(Kind::ListgateMailman, "ours")?;
        // Mailman takes long for its first message.
        rate(&source, &theirs, SESSIONS)?;
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            settle()?;
            let (theirs, ours) = (rate(&source, &theirs, messages)?, rate(&source, &ours, MESSAGES)?);
            ratios.push(ours / theirs);
            let ratio = ours / theirs;
            println!(
                "  {lists:>5} lists, round {round}: Mailman's runner {theirs:>5.0}, listgate {ours:>6.0}, ratio {ratio:.1}"
            );
        }
        let ratio = median(ratios.into_iter());
        let verdict = if ratio >= target { "met" } else { "missed" };
        println!("{lists} lists: median ratio {ratio:.1}, target {target}: {verdict}");
        running.extend([theirs, ours]);
    }
    Ok(())
}

fn rate(source: &Path, to: &Running, messages: usize) -> Outcome<f64> {
    let start = Instant::now();
    run::succeed(&mut smtp_source(source, to.address, &addresses(1)[0], SESSIONS, messages))?;
    Ok(messages as f64 / start.elapsed().as_secs_f64())
}
