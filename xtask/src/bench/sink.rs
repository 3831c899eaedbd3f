//! `cargo xtask bench sink`: Listgate, which stores every message durably, against Postfix's smtp-sink,
//! which stores nothing, under the same load of Postfix's smtp-source in the same run.

use super::page::{Section, Target, count, millis, ratio};
use super::{Bench, median};
use crate::peers;
use crate::run::{self, Outcome, command};
use crate::server::{Gate, Scratch, Server, free_address, smtp_source};
use std::path::{Path, PathBuf};
use std::time::Instant;

const LIST: &str = "mylist@example.com";

/// Sessions at a time, and the ratio that we mean to reach.
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
    gate: f64,
}

/// Measures and prints. A target that is missed is printed and is no error: how a disk syncs beside
/// how a processor computes is the machine's own. A lost message is one.
pub(crate) fn run(plan: &Plan) -> Outcome {
    peers::install(&["postfix"]);
    let pair = Pair::new(Gate::build()?, plan.messages)?;
    println!("{} messages of 4 KiB a run, {} rounds, messages per second", plan.messages, plan.rounds);
    let mut table = Vec::new();
    for (sessions, target) in CELLS {
        table.push(line(sessions, target, &pair.rounds(sessions, plan.rounds)?));
    }
    println!("\nsessions  smtp-sink  listgate  ratio (least to most)  target");
    table.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// The same for the page, and what the disk's sync leaves possible.
pub(super) fn section(bench: &mut Bench<'_>) -> Outcome<Section> {
    println!("::: The ceiling");
    let pair = Pair::new(bench.gate.clone(), bench.plan.messages)?;
    let sync = bench.floor.run(4 * 4096, bench.plan.seconds)?;
    let mut text = format!(
        "`smtp-source -L -d -l 4096`, which does not pipeline, against `smtp-sink -L`, which stores nothing.\n\
         The bound is sessions / (dialogue + sync): the dialogue is what smtp-sink needs for a message of a\n\
         session, the sync that of four messages ({}). It holds for one commit at a time; where many share\n\
         one while others talk, a rate can be above it.\n\n\
         | sessions | smtp-sink | Listgate | ratio | least to most | bound | Listgate / bound |\n\
         |--:|--:|--:|--:|--:|--:|--:|\n",
        millis(sync.p50)
    );
    let mut targets = Vec::new();
    for (sessions, target) in CELLS {
        let rounds = pair.rounds(sessions, bench.plan.rounds)?;
        let Ratios { sink, gate, ratio: middle, least, most } = Ratios::of(&rounds);
        let bound = sessions as f64 / (sessions as f64 / sink + sync.p50 / 1000.0);
        text.push_str(&format!(
            "| {sessions} | {} | {} | {} | {least:.2} to {most:.2} | {} | {} |\n",
            count(sink),
            count(gate),
            ratio(middle),
            count(bound),
            ratio(gate / bound)
        ));
        let what = format!("SQLite home against smtp-sink, {sessions} sessions of smtp-source");
        targets.push(Target::at_least(&what, target, Some(middle)));
    }
    Ok(Section { title: "The ceiling".to_owned(), text, targets })
}

/// Medians of rounds.
struct Ratios {
    sink: f64,
    gate: f64,
    ratio: f64,
    least: f64,
    most: f64,
}

impl Ratios {
    fn of(rounds: &[Round]) -> Self {
        let ratios = rounds.iter().map(|round| round.gate / round.sink);
        Self {
            sink: median(rounds.iter().map(|round| round.sink)),
            gate: median(rounds.iter().map(|round| round.gate)),
            least: ratios.clone().fold(f64::INFINITY, f64::min),
            most: ratios.clone().fold(0.0, f64::max),
            ratio: median(ratios),
        }
    }
}

fn line(sessions: usize, target: f64, rounds: &[Round]) -> String {
    let Ratios { sink, gate, ratio, least, most } = Ratios::of(rounds);
    let verdict = if ratio >= target { "met" } else { "missed" };
    format!(
        "{sessions:>8}  {sink:>9.0}  {gate:>8.0}   {ratio:.2} ({least:.2} to {most:.2})     {target:.1}, {verdict}"
    )
}

struct Pair {
    source: PathBuf,
    sink: PathBuf,
    gate: Gate,
    scratch: Scratch,
    messages: usize,
}

impl Pair {
    fn new(gate: Gate, messages: usize) -> Outcome<Self> {
        Ok(Self {
            source: peers::require("smtp-source", "Postfix")?,
            sink: peers::require("smtp-sink", "Postfix")?,
            gate,
            scratch: Scratch::new("rate")?,
            messages,
        })
    }

    /// Both in turn, so many times.
    fn rounds(&self, sessions: usize, rounds: usize) -> Outcome<Vec<Round>> {
        let mut done = Vec::new();
        for number in 1..=rounds {
            let round = Round { sink: self.sink(sessions)?, gate: self.gate(sessions)? };
            println!(
                "  {sessions:>2} sessions, round {number}: smtp-sink {:>6.0}, listgate {:>6.0}, ratio {:.2}",
                round.sink,
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
    fn the_ratio_is_taken_per_round() {
        // The machine slows down to a half in the second round; the ratio does not.
        let rounds = [Round { sink: 20_000.0, gate: 12_000.0 }, Round { sink: 10_000.0, gate: 6_000.0 }];
        let line = line(8, 0.5, &rounds);
        assert_eq!(line, "       8      15000      9000   0.60 (0.60 to 0.60)     0.5, met");
    }
}
