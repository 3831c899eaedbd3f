//! `cargo xtask bench sink`: Listgate, which stores every message durably, against Postfix's smtp-sink, which
//! stores nothing, under the same load from Postfix's smtp-source in the same run. Beside them runs the
//! plainest server that stores, an example of the package, which shows what the machine allows.

use super::page::{Section, Target, count, ratio};
use super::setup::Bench;
use crate::median::median;
use crate::server::{Gate, Scratch, Server, free_address, smtp_source};
use std::path::{Path, PathBuf};
use std::time::Instant;
use xtask::peers;
use xtask::run::{self, Outcome, command};
use xtask::system;

const LIST: &str = "mylist@example.com";

/// The number of concurrent sessions, and the ratio that is the target.
const CELLS: [(usize, f64); 2] = [(8, 0.7), (32, 1.0)];

/// How much to measure.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) messages: usize,
    pub(crate) rounds: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { messages: 20_000, rounds: 5 }
    }
}

/// The rates of one round, in messages per second.
#[derive(Clone, Copy)]
struct Round {
    sink: f64,
    plainest: f64,
    gate: f64,
}

/// Measures and prints. A missed target is printed but is not an error, because the speed of the disk
/// relative to the processor depends on the machine. A lost message is an error.
pub(crate) fn run(plan: &Plan) -> Outcome {
    peers::install(&["postfix"]);
    let pair = Pair::new(Gate::build()?, plan.messages)?;
    println!("{} messages of 4 KiB a run, {} rounds, messages per second", plan.messages, plan.rounds);
    let mut table = Vec::new();
    for (sessions, target) in CELLS {
        table.push(line(sessions, target, &pair.rounds(sessions, plan.rounds)?));
    }
    println!("\nsessions  smtp-sink  plainest (ratio)  listgate  ratio (least to most) target");
    table.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Measures the same for the page.
pub(super) fn section(bench: &mut Bench<'_>) -> Outcome<Section> {
    println!("::: The ceiling");
    let pair = Pair::new(bench.gate.clone(), bench.plan.messages)?;
    let mut text = "The load is `smtp-source -L -d -l 4096`, which does not pipeline. smtp-sink (`-L`) stores nothing. The\n\
        plainest server (`examples/plainest.rs`) writes each message as a row, and commits and syncs once for all\n\
        waiting messages, as Listgate does. It has no lists and no entries, does not recognize mail that comes\n\
        again, writes no log and trusts its peer. Its rate shows what this machine allows a server that stores\n\
        mail in SQLite.\n\n\
        | sessions | smtp-sink | plainest | its ratio | Listgate | its ratio | least to most | Listgate / plainest |\n\
        |--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut targets = Vec::new();
    for (sessions, target) in CELLS {
        let Medians { sink, plainest, gate, plainest_ratio, gate_ratio, least, most, part } =
            Medians::of(&pair.rounds(sessions, bench.plan.rounds)?);
        text.push_str(&format!(
            "| {sessions} | {} | {} | {} | {} | {} | {least:.2} to {most:.2} | {} |\n",
            count(sink),
            count(plainest),
            ratio(plainest_ratio),
            count(gate),
            ratio(gate_ratio),
            ratio(part)
        ));
        let what = format!("SQLite backend against smtp-sink, {sessions} sessions of smtp-source");
        targets.push(Target::at_least(&what, target, Some(gate_ratio)));
    }
    Ok(Section { title: "The ceiling".to_owned(), text, targets })
}

/// Medians of the rounds. The ratios are relative to smtp-sink; `least` and `most` are the extremes of
/// Listgate's. `part` is Listgate's rate as a fraction of the plainest server's.
struct Medians {
    sink: f64,
    plainest: f64,
    gate: f64,
    plainest_ratio: f64,
    gate_ratio: f64,
    least: f64,
    most: f64,
    part: f64,
}

impl Medians {
    fn of(rounds: &[Round]) -> Self {
        let ratios = rounds.iter().map(|round| round.gate / round.sink);
        Self {
            sink: median(rounds.iter().map(|round| round.sink)),
            plainest: median(rounds.iter().map(|round| round.plainest)),
            gate: median(rounds.iter().map(|round| round.gate)),
            plainest_ratio: median(rounds.iter().map(|round| round.plainest / round.sink)),
            least: ratios.clone().fold(f64::INFINITY, f64::min),
            most: ratios.clone().fold(0.0, f64::max),
            gate_ratio: median(ratios),
            part: median(rounds.iter().map(|round| round.gate / round.plainest)),
        }
    }
}

fn line(sessions: usize, target: f64, rounds: &[Round]) -> String {
    let Medians { sink, plainest, gate, plainest_ratio, gate_ratio, least, most, .. } = Medians::of(rounds);
    let verdict = if gate_ratio >= target { "met" } else { "missed" };
    format!(
        "{sessions:>8}  {sink:>9.0}  {plainest:>8.0} ({plainest_ratio:.2})  {gate:>8.0}  {gate_ratio:.2} \
         ({least:.2} to {most:.2})   {target:.1}, {verdict}"
    )
}

struct Pair {
    source: PathBuf,
    sink: PathBuf,
    plainest: PathBuf,
    gate: Gate,
    scratch: Scratch,
    messages: usize,
}

impl Pair {
    fn new(gate: Gate, messages: usize) -> Outcome<Self> {
        Ok(Self {
            source: system::require("smtp-source", "Postfix")?,
            sink: system::require("smtp-sink", "Postfix")?,
            plainest: Gate::example("plainest")?,
            gate,
            scratch: Scratch::new("rate")?,
            messages,
        })
    }

    /// Runs the servers in turn, this many times.
    fn rounds(&self, sessions: usize, rounds: usize) -> Outcome<Vec<Round>> {
        let mut done = Vec::new();
        for number in 1..=rounds {
            let round = Round {
                sink: self.sink(sessions)?,
                plainest: self.plainest(sessions)?,
                gate: self.gate(sessions)?,
            };
            println!(
                "  {sessions:>2} sessions, round {number}: smtp-sink {:>6.0}, plainest {:>6.0}, listgate {:>6.0}, \
                 ratio {:.2}",
                round.sink,
                round.plainest,
                round.gate,
                round.gate / round.sink
            );
            done.push(round);
        }
        Ok(done)
    }

    fn sink(&self, sessions: usize) -> Outcome<f64> {
        let address = free_address()?;
        let mut sink = command(&self.sink);
        if system::is_root() {
            sink.args(["-u", "nobody"]);
        }
        sink.args(["-L", &address.to_string(), "1000"]);
        let _server = Server::start(&mut sink, address, &self.scratch.join("sink.log"))?;
        self.rate(address, sessions)
    }

    fn plainest(&self, sessions: usize) -> Outcome<f64> {
        let address = free_address()?;
        let dir = self.scratch.join("plainest");
        let failed = |error| format!("{}: {error}", dir.display());
        std::fs::create_dir(&dir).map_err(failed)?;
        let mut plainest = command(&self.plainest);
        plainest.arg(dir.join("plainest.db")).arg(address.to_string());
        let server = Server::start(&mut plainest, address, &self.scratch.join("plainest.log"))?;
        let rate = self.rate(address, sessions)?;
        drop(server);
        std::fs::remove_dir_all(&dir).map_err(failed)?;
        Ok(rate)
    }

    /// Measures one run against a gate with its own data directory.
    fn gate(&self, sessions: usize) -> Outcome<f64> {
        let data = self.scratch.join("data");
        self.gate.create_lists(&data, &[LIST.to_owned()])?;
        let (server, address) = self.gate.serve(&data, &[])?;
        let rate = self.rate(address, sessions).and_then(|rate| {
            self.all_are_queued(&data)?;
            server.stop()?;
            Ok(rate)
        });
        let rate = self.gate.explain(&data, rate)?;
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        Ok(rate)
    }

    fn rate(&self, address: std::net::SocketAddr, sessions: usize) -> Outcome<f64> {
        let mut source = smtp_source(&self.source, address, LIST, sessions, self.messages);
        let start = Instant::now();
        // It stops with an error at the first unexpected reply.
        run::succeed(&mut source)?;
        Ok(self.messages as f64 / start.elapsed().as_secs_f64())
    }

    fn all_are_queued(&self, data: &Path) -> Outcome {
        let queued = self.gate.queued(data)?;
        if queued == self.messages {
            return Ok(());
        }
        Err(format!("{} messages were accepted and {queued} are in the queue", self.messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_taken_per_round() {
        // The machine is half as fast in the second round; the ratio stays the same.
        let round = |sink| Round { sink, plainest: 0.8 * sink, gate: 0.6 * sink };
        let line = line(8, 0.5, &[round(20_000.0), round(10_000.0)]);
        assert_eq!(line, "       8      15000     12000 (0.80)      9000  0.60 (0.60 to 0.60)   0.5, met");
    }
}
