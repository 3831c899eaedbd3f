//! `cargo xtask bench instructions`: what a transaction costs among a million lists, beside what it
//! costs with one.
//!
//! Callgrind counts instructions, which do not depend on what else the machine does. Each case runs
//! twice with different numbers of transactions in one session: the difference is free of the start,
//! the end, and everything else that is done once.
//!
//! What is left besides the lists is how SQLite's index of its log hashes the numbers of the pages:
//! in a small file the few pages that every transaction writes collide more, so that one list may be
//! the dearer case by some percent.

use crate::peers;
use crate::run::{self, Outcome};
use crate::server::{Gate, Scratch, smtp_source};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The list that is written to, in both cases.
const LIST: &str = "list500000@example.com";
const LISTS: usize = 1_000_000;
const FEW: usize = 200;
const MANY: usize = 1_200;
/// By how much a transaction may cost more among a million lists.
const TARGET: f64 = 0.02;

pub(crate) fn run() -> Outcome {
    peers::install(&["postfix", "valgrind"]);
    let bench = Bench {
        source: peers::require("smtp-source", "Postfix")?,
        valgrind: peers::require("valgrind", "valgrind")?,
        gate: Gate::build()?,
        scratch: Scratch::new("instructions")?,
    };
    let one = bench.case("one", &[LIST.to_owned()])?;
    println!("instructions a transaction, 1 list:         {one:>9.0}");
    let lists: Vec<String> = (0..LISTS).map(|number| format!("list{number:06}@example.com")).collect();
    let million = bench.case("million", &lists)?;
    println!("instructions a transaction, {LISTS} lists: {million:>9.0}");
    let more = million / one - 1.0;
    let verdict = if more <= TARGET { "met" } else { "missed" };
    println!("difference {:+.2} %, target at most {:+.0} %: {verdict}", more * 100.0, TARGET * 100.0);
    Ok(())
}

struct Bench {
    source: PathBuf,
    valgrind: PathBuf,
    gate: Gate,
    scratch: Scratch,
}

impl Bench {
    /// Instructions of one transaction with these lists.
    fn case(&self, name: &str, lists: &[String]) -> Outcome<f64> {
        let template = self.scratch.join(name);
        self.gate.create_lists(&template, lists)?;
        let few = self.count(&template, FEW)?;
        let many = self.count(&template, MANY)?;
        Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
    }

    /// Instructions of the gate from its start to its end, on a copy of a data directory.
    fn count(&self, template: &Path, transactions: usize) -> Outcome<u64> {
        let data = self.scratch.join("data");
        copy(template, &data)?;
        let counted = self.scratch.join("callgrind.out");
        let mut out_file = OsStr::new("--callgrind-out-file=").to_owned();
        out_file.push(&counted);
        let under = [self.valgrind.as_os_str(), OsStr::new("--tool=callgrind"), &out_file];
        let (server, address) = self.gate.serve(&data, &under)?;
        let sent = run::succeed(&mut smtp_source(&self.source, address, LIST, 1, transactions));
        self.gate.explain(&data, sent)?;
        let queued = self.gate.queued(&data)?;
        if queued != transactions {
            return Err(format!("{transactions} messages were accepted and {queued} are in the queue"));
        }
        server.stop()?;
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let counts =
            std::fs::read_to_string(&counted).map_err(|error| format!("{}: {error}", counted.display()))?;
        total(&counts).ok_or_else(|| format!("{} has no total", counted.display()))
    }
}

/// Copies a data directory that nobody has open.
fn copy(from: &Path, to: &Path) -> Outcome {
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copy().map_err(|error| format!("copying {}: {error}", from.display()))
}

/// The sum over all functions and threads from a file of callgrind's.
fn total(counts: &str) -> Option<u64> {
    let totals = counts.lines().find_map(|line| line.strip_prefix("totals: "))?;
    totals.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(total("# callgrind format\nevents: Ir\nfn=(1)\n12 34\ntotals: 4711\n"), Some(4711));
        assert_eq!(total("events: Ir\n"), None);
    }
}
