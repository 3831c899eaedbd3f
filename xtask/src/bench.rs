//! `cargo xtask bench`: Listgate, which stores every message durably, against Postfix's smtp-sink,
//! which stores nothing, under the same load in the same run.
//!
//! Rates of different days or machines say little. The figure is the ratio of two runs that follow
//! each other, and of all rounds the median.

use crate::peers;
use crate::run::{self, Outcome, command};
use crate::server::{Gate, Scratch, Server, free_address, smtp_source};
use std::path::{Path, PathBuf};
use std::time::Instant;

const LIST: &str = "mylist@example.com";

/// Sessions at a time, and the ratio that we mean to reach.
const CELLS: [(usize, f64); 2] = [(8, 0.5), (32, 0.8)];

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
    gate: f64,
}

/// Measures and prints. A target that is missed is printed and is no error: how a disk syncs beside
/// how a processor computes is the machine's own. A lost message is one.
pub(crate) fn run(plan: &Plan) -> Outcome {
    peers::install(&["postfix"]);
    let bench = Bench::new(plan.messages)?;
    println!("{} messages of 4 KiB a run, {} rounds, messages per second", plan.messages, plan.rounds);
    let mut table = Vec::new();
    for (sessions, target) in CELLS {
        let mut rounds = Vec::new();
        for number in 1..=plan.rounds {
            let round = Round { sink: bench.sink(sessions)?, gate: bench.gate(sessions)? };
            println!(
                "  {sessions:>2} sessions, round {number}: smtp-sink {:>6.0}, listgate {:>6.0}, ratio {:.2}",
                round.sink,
                round.gate,
                round.gate / round.sink
            );
            rounds.push(round);
        }
        table.push(line(sessions, target, &rounds));
    }
    println!("\nsessions  smtp-sink  listgate  ratio (least to most)  target");
    table.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn line(sessions: usize, target: f64, rounds: &[Round]) -> String {
    let sink = median(rounds.iter().map(|round| round.sink));
    let gate = median(rounds.iter().map(|round| round.gate));
    let ratios = rounds.iter().map(|round| round.gate / round.sink);
    let least = ratios.clone().fold(f64::INFINITY, f64::min);
    let most = ratios.clone().fold(0.0, f64::max);
    let ratio = median(ratios);
    let verdict = if ratio >= target { "met" } else { "missed" };
    format!(
        "{sessions:>8}  {sink:>9.0}  {gate:>8.0}   {ratio:.2} ({least:.2} to {most:.2})     {target:.1}, {verdict}"
    )
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

struct Bench {
    source: PathBuf,
    sink: PathBuf,
    gate: Gate,
    scratch: Scratch,
    messages: usize,
}

impl Bench {
    fn new(messages: usize) -> Outcome<Self> {
        Ok(Self {
            source: peers::require("smtp-source", "Postfix")?,
            sink: peers::require("smtp-sink", "Postfix")?,
            gate: Gate::build()?,
            scratch: Scratch::new("rate")?,
            messages,
        })
    }

    fn sink(&self, sessions: usize) -> Outcome<f64> {
        let address = free_address()?;
        let mut sink = command(&self.sink);
        if peers::is_root() {
            sink.args(["-u", "nobody"]);
        }
        sink.args(["-L", &address.to_string(), "1000"]);
        let _server = Server::start(&mut sink, address, &self.scratch.join("sink.log"))?;
        self.rate(address, sessions)
    }

    /// One run against a gate with a data directory of its own.
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
        // It stops with an error at the first reply that is not the expected one.
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
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median([7.0].into_iter()), 7.0);
    }

    #[test]
    fn the_ratio_is_taken_per_round() {
        // The machine slows down to a half in the second round; the ratio does not.
        let rounds = [Round { sink: 20_000.0, gate: 12_000.0 }, Round { sink: 10_000.0, gate: 6_000.0 }];
        let line = line(8, 0.5, &rounds);
        assert_eq!(line, "       8      15000      9000   0.60 (0.60 to 0.60)     0.5, met");
    }
}
