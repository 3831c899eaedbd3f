//! `cargo xtask bench instructions`: what a transaction costs among a million lists, beside what it
//! costs with one; and a lease among a million waiting entries, beside one among ten.
//!
//! Callgrind counts instructions, which do not depend on what else the machine does. Each case runs
//! twice with different numbers of transactions in one session, or of leases: the difference is free of
//! the start, the end, and everything else that is done once.
//!
//! What is left besides the lists is how SQLite's index of its log hashes the numbers of the pages:
//! in a small file the few pages that every transaction writes collide more, so that one list may be
//! the dearer case by some percent.

use crate::fill;
use crate::peers;
use crate::run::{self, Outcome};
use crate::server::{Gate, Scratch, smtp_source};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The list that is written to, in both cases.
const LIST: &str = "list500000@example.com";
const LISTS: usize = 1_000_000;
const FEW: usize = 200;
const MANY: usize = 1_200;
/// By how much a transaction may cost more among a million lists.
const TARGET: f64 = 0.02;

/// Lists and waiting entries, for the leases.
const SHORT: (usize, usize) = (10, 10);
const LONG: (usize, usize) = (1_000, 1_000_000);
/// By how much a lease may cost more among a million entries.
const LEASE_TARGET: f64 = 0.1;

pub(crate) fn run() -> Outcome {
    peers::install(&["postfix", "valgrind"]);
    let bench = Bench {
        source: peers::require("smtp-source", "Postfix")?,
        valgrind: peers::require("valgrind", "valgrind")?,
        gate: Gate::build()?,
        lease: Gate::example("lease")?,
        scratch: Scratch::new("instructions")?,
    };
    let one = bench.case("one", &[LIST.to_owned()])?;
    println!("instructions a transaction, 1 list:         {one:>9.0}");
    let lists: Vec<String> = (0..LISTS).map(|number| format!("list{number:06}@example.com")).collect();
    let million = bench.case("million", &lists)?;
    println!("instructions a transaction, {LISTS} lists: {million:>9.0}");
    compare(one, million, TARGET);
    let short = bench.lease_case("short", SHORT)?;
    println!("instructions a lease with its settle, {} entries:      {short:>9.0}", SHORT.1);
    let long = bench.lease_case("long", LONG)?;
    println!("instructions a lease with its settle, {} entries: {long:>9.0}", LONG.1);
    compare(short, long, LEASE_TARGET);
    Ok(())
}

fn compare(small: f64, large: f64, target: f64) {
    let more = large / small - 1.0;
    let verdict = if more <= target { "met" } else { "missed" };
    println!("difference {:+.2} %, target at most {:+.0} %: {verdict}", more * 100.0, target * 100.0);
}

struct Bench {
    source: PathBuf,
    valgrind: PathBuf,
    gate: Gate,
    /// The example that leases.
    lease: PathBuf,
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

    /// Instructions of one lease and its settle, where so many entries of so many lists wait.
    fn lease_case(&self, name: &str, (lists, entries): (usize, usize)) -> Outcome<f64> {
        let template = self.scratch.join(name);
        self.gate.create_lists(&template, &(0..lists).map(fill::list).collect::<Vec<_>>())?;
        let (server, address) = self.gate.serve(&template, &[])?;
        self.gate.explain(&template, fill::fill(address, lists, entries))?;
        server.stop()?;
        let few = self.count_leases(&template, FEW)?;
        let many = self.count_leases(&template, MANY)?;
        std::fs::remove_dir_all(&template).map_err(|error| format!("{}: {error}", template.display()))?;
        Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
    }

    fn count_leases(&self, template: &Path, leases: usize) -> Outcome<u64> {
        let data = self.scratch.join("data");
        copy(template, &data)?;
        let mut command = run::command(&self.valgrind);
        command.args(self.callgrind()).arg(&self.lease).arg(&data).args(["command", &leases.to_string()]);
        run::succeed(command.stderr(std::process::Stdio::null()))?;
        self.counted(&data)
    }

    /// Instructions of the gate from its start to its end, on a copy of a data directory.
    fn count(&self, template: &Path, transactions: usize) -> Outcome<u64> {
        let data = self.scratch.join("data");
        copy(template, &data)?;
        let [tool, out_file] = self.callgrind();
        let under = [self.valgrind.as_os_str(), &tool, &out_file];
        let (server, address) = self.gate.serve(&data, &under)?;
        let sent = run::succeed(&mut smtp_source(&self.source, address, LIST, 1, transactions));
        self.gate.explain(&data, sent)?;
        let queued = self.gate.queued(&data)?;
        if queued != transactions {
            return Err(format!("{transactions} messages were accepted and {queued} are in the queue"));
        }
        server.stop()?;
        self.counted(&data)
    }

    fn callgrind(&self) -> [OsString; 2] {
        let mut out_file = OsString::from("--callgrind-out-file=");
        out_file.push(self.scratch.join("callgrind.out"));
        ["--tool=callgrind".into(), out_file]
    }

    /// What callgrind counted, once the data is not needed any more.
    fn counted(&self, data: &Path) -> Outcome<u64> {
        std::fs::remove_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
        let counted = self.scratch.join("callgrind.out");
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
