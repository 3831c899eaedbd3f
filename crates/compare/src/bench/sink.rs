//! `cargo xtask bench sink`: Listgate, which stores every message durably, against Postfix's smtp-sink, which
//! stores nothing, under the same load from Postfix's smtp-source in the same run. Beside them runs the
//! plainest server that stores, an example of the package, which shows what the machine allows, and another listgate
//! if one is named.

use super::page::{Section, Target, count, digits, ratio};
use super::setup::Bench;
use crate::median::median;
use crate::processor::ProcessorTime;
use crate::server::{Gate, Scratch, Server, free_address, smtp_source_of};
use std::path::{Path, PathBuf};
use std::time::Instant;
use xtask::peers;
use xtask::run::{self, Outcome, command};
use xtask::system;

const LIST: &str = "mylist@example.com";

/// A load, and its targets.
struct Cell {
    sessions: usize,
    /// Octets of a message.
    size: usize,
    /// Messages in a run are the plan's number divided by this.
    share: usize,
    /// The rate as a fraction of smtp-sink's and of the plainest server's, and the processor time for a message as a
    /// multiple of the plainest server's.
    wanted: Option<[f64; 3]>,
}

const CELLS: [Cell; 3] = [
    Cell { sessions: 8, size: 4 << 10, share: 1, wanted: Some([0.7, 0.8, 1.6]) },
    Cell { sessions: 32, size: 4 << 10, share: 1, wanted: Some([1.0, 0.9, 1.6]) },
    Cell { sessions: 8, size: 1 << 20, share: 40, wanted: None },
];

/// By what factor octets per second of large messages should exceed those of the other listgate.
const LARGE_AGAINST_BEFORE: f64 = 1.3;

/// How much to measure.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) messages: usize,
    pub(crate) rounds: usize,
    /// Another listgate to compare with.
    pub(crate) before: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { messages: 20_000, rounds: 5, before: None }
    }
}

/// The result of one server in one round.
#[derive(Clone, Copy)]
struct Run {
    /// Messages per second.
    rate: f64,
    /// The server's processor time for a message.
    time: ProcessorTime,
}

/// One round.
#[derive(Clone, Copy)]
struct Round {
    sink: Run,
    plainest: Run,
    gate: Run,
    before: Option<Run>,
}

/// Measures and prints. A missed target is printed but is not an error, because the speed of the disk
/// relative to the processor depends on the machine. A lost message is an error.
pub(crate) fn run(plan: &Plan) -> Outcome {
    peers::install(&["postfix"]);
    let before = plan.before.as_deref().map(Gate::at).transpose()?;
    let pair = Pair::new(Gate::build()?, before, plan.messages)?;
    println!(
        "{} messages of 4 KiB a run, or a fortieth as many of 1 MiB; {} rounds; messages per second",
        plan.messages, plan.rounds
    );
    let (mut table, mut targets) = (TABLE.to_owned(), Vec::new());
    for cell in &CELLS {
        let rounds = pair.rounds(cell, plan.rounds)?;
        table.push_str(&lines(cell, &rounds));
        targets.extend(targets_of(cell, &rounds));
    }
    println!("\n{table}");
    for Target { what, wanted, measured, met } in targets {
        println!("{}: {what}: {measured}, wanted {wanted}", if met { "met" } else { "missed" });
    }
    Ok(())
}

/// Measures the same for the page.
pub(super) fn section(bench: &mut Bench<'_>) -> Outcome<Section> {
    println!("::: The ceiling");
    let pair = Pair::new(bench.gate.clone(), None, bench.plan.messages)?;
    let mut text = format!(
        "The load is `smtp-source -L -d`, which does not pipeline. smtp-sink (`-L`) stores nothing. The plainest\n\
         server (`examples/plainest.rs`) writes each message as a row, and commits and syncs once for all waiting\n\
         messages, as Listgate does. It has no lists and no entries, does not recognize mail that comes again, writes\n\
         no log and trusts its peer. Its rate shows what this machine allows a server that stores mail in SQLite. The\n\
         times are the server's processor time for a message, without its load's. The extremes are those of the rounds'\n\
         ratios to smtp-sink.\n\n{TABLE}"
    );
    let mut targets = Vec::new();
    for cell in &CELLS {
        let rounds = pair.rounds(cell, bench.plan.rounds)?;
        text.push_str(&lines(cell, &rounds));
        targets.extend(targets_of(cell, &rounds));
    }
    Ok(Section { title: "The ceiling".to_owned(), text, targets })
}

const TABLE: &str = "\
| sessions, size | server | rate | of smtp-sink's | extremes | of the plainest's | user, µs | kernel, µs | of the plainest's |
|---|---|--:|--:|--:|--:|--:|--:|--:|
";

/// Returns a line for each server, with the medians of the rounds.
fn lines(cell: &Cell, rounds: &[Round]) -> String {
    let size = if cell.size < 1 << 20 { "4 KiB" } else { "1 MiB" };
    let line = |name: &str, pick: fn(&Round) -> Option<Run>| {
        let runs: Vec<(Run, &Round)> =
            rounds.iter().filter_map(|round| Some((pick(round)?, round))).collect();
        if runs.is_empty() {
            return String::new();
        }
        let middle = |of: fn(&(Run, &Round)) -> f64| median(runs.iter().map(of));
        let ratios = runs.iter().map(|(run, round)| run.rate / round.sink.rate);
        let least = ratios.clone().fold(f64::INFINITY, f64::min);
        format!(
            "| {}, {size} | {name} | {} | {} | {} to {} | {} | {} | {} | {} |\n",
            cell.sessions,
            count(middle(|(run, _)| run.rate)),
            ratio(median(ratios.clone())),
            ratio(least),
            ratio(ratios.fold(0.0, f64::max)),
            ratio(middle(|(run, round)| run.rate / round.plainest.rate)),
            digits(middle(|(run, _)| run.time.user)),
            digits(middle(|(run, _)| run.time.kernel)),
            ratio(middle(|(run, round)| run.time.sum() / round.plainest.time.sum())),
        )
    };
    [
        line("smtp-sink", |round| Some(round.sink)),
        line("plainest", |round| Some(round.plainest)),
        line("Listgate", |round| Some(round.gate)),
        line("the other Listgate", |round| round.before),
    ]
    .concat()
}

fn targets_of(cell: &Cell, rounds: &[Round]) -> Vec<Target> {
    let middle = |of: fn(&Round) -> f64| Some(median(rounds.iter().map(of)));
    let load = format!("{} sessions of smtp-source", cell.sessions);
    let mut targets = Vec::new();
    if let Some([of_sink, of_plainest, time]) = cell.wanted {
        targets.extend([
            Target::at_least(
                &format!("SQLite backend against smtp-sink, {load}"),
                of_sink,
                middle(|round| round.gate.rate / round.sink.rate),
            ),
            Target::at_least(
                &format!("SQLite backend against the plainest server, {load}"),
                of_plainest,
                middle(|round| round.gate.rate / round.plainest.rate),
            ),
            Target::at_most(
                &format!("processor time for a message against the plainest server, {load}"),
                time,
                middle(|round| round.gate.time.sum() / round.plainest.time.sum()),
            ),
        ]);
    } else if rounds.iter().all(|round| round.before.is_some()) {
        let against = |round: &Round| Some(round.gate.rate / round.before?.rate);
        targets.push(Target::at_least(
            "octets per second with 1 MiB messages against the other Listgate",
            LARGE_AGAINST_BEFORE,
            Some(median(rounds.iter().filter_map(against))),
        ));
    }
    targets
}

struct Pair {
    source: PathBuf,
    sink: PathBuf,
    plainest: PathBuf,
    gate: Gate,
    before: Option<Gate>,
    scratch: Scratch,
    messages: usize,
}

impl Pair {
    fn new(gate: Gate, before: Option<Gate>, messages: usize) -> Outcome<Self> {
        Ok(Self {
            source: system::require("smtp-source", "Postfix")?,
            sink: system::require("smtp-sink", "Postfix")?,
            plainest: Gate::example("plainest")?,
            gate,
            before,
            scratch: Scratch::new("rate")?,
            messages,
        })
    }

    /// Runs the servers in turn, this many times.
    fn rounds(&self, cell: &Cell, rounds: usize) -> Outcome<Vec<Round>> {
        let mut done = Vec::new();
        for number in 1..=rounds {
            let round = Round {
                sink: self.sink(cell)?,
                plainest: self.plainest(cell)?,
                gate: self.gate(&self.gate, cell)?,
                before: self.before.as_ref().map(|before| self.gate(before, cell)).transpose()?,
            };
            println!(
                "  {:>2} sessions, {} octets, round {number}: smtp-sink {:>6.0}, plainest {:>6.0}, listgate {:>6.0}, \
                 ratio {:.2}, processor time against plainest {:.2}",
                cell.sessions,
                cell.size,
                round.sink.rate,
                round.plainest.rate,
                round.gate.rate,
                round.gate.rate / round.sink.rate,
                round.gate.time.sum() / round.plainest.time.sum()
            );
            done.push(round);
        }
        Ok(done)
    }

    fn sink(&self, cell: &Cell) -> Outcome<Run> {
        let address = free_address()?;
        let mut sink = command(&self.sink);
        if system::is_root() {
            sink.args(["-u", "nobody"]);
        }
        sink.args(["-L", &address.to_string(), "1000"]);
        let server = Server::start(&mut sink, address, &self.scratch.join("sink.log"))?;
        self.run(&server, address, cell)
    }

    fn plainest(&self, cell: &Cell) -> Outcome<Run> {
        let address = free_address()?;
        let dir = self.scratch.join("plainest");
        let failed = |error| format!("{}: {error}", dir.display());
        std::fs::create_dir(&dir).map_err(failed)?;
        let mut plainest = command(&self.plainest);
        plainest.arg(dir.join("plainest.db")).arg(address.to_string());
        let server = Server::start(&mut plainest, address, &self.scratch.join("plainest.log"))?;
        let run = self.run(&server, address, cell)?;
        drop(server);
        std::fs::remove_dir_all(&dir).map_err(failed)?;
        Ok(run)
    }

    /// Measures one run against a gate with its own data directory.
    fn gate(&self, gate: &Gate, cell: &Cell) -> Outcome<Run> {
        let data = self.scratch.join("data");
        gate.create_lists(&data, &[LIST.to_owned()])?;
        let (server, address) = gate.serve(&data, &[])?;
        let run = self.run(&server, address, cell).and_then(|run| {
            self.all_are_queued(gate, &data, cell)?;
            server.stop()?;
            Ok(run)
        });
        let run = gate.explain(&data, run)?;
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        Ok(run)
    }

    fn run(&self, server: &Server, address: std::net::SocketAddr, cell: &Cell) -> Outcome<Run> {
        let messages = self.messages_of(cell);
        let mut source = smtp_source_of(&self.source, address, LIST, cell.sessions, (messages, cell.size));
        let (start, before) = (Instant::now(), ProcessorTime::of(server.id())?);
        // It stops with an error at the first unexpected reply.
        run::succeed(&mut source)?;
        let rate = messages as f64 / start.elapsed().as_secs_f64();
        Ok(Run { rate, time: (ProcessorTime::of(server.id())? - before) / messages as f64 })
    }

    fn messages_of(&self, cell: &Cell) -> usize {
        (self.messages / cell.share).max(cell.sessions)
    }

    fn all_are_queued(&self, gate: &Gate, data: &Path, cell: &Cell) -> Outcome {
        let (queued, messages) = (gate.queued(data)?, self.messages_of(cell));
        if queued == messages {
            return Ok(());
        }
        Err(format!("{messages} messages were accepted and {queued} are in the queue"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_per_round() {
        // The machine is half as fast in the second round; the ratios stay the same.
        let run = |rate: f64| Run { rate, time: ProcessorTime { user: 2e5 / rate, kernel: 4e5 / rate } };
        let round = |sink: f64| Round {
            sink: run(sink),
            plainest: run(0.8 * sink),
            gate: run(0.6 * sink),
            before: Some(run(0.3 * sink)),
        };
        let rounds = [round(20_000.0), round(10_000.0)];
        let lines = lines(&CELLS[0], &rounds);
        assert!(
            lines.contains(
                "| 8, 4 KiB | Listgate | 9,000 | 0.60 | 0.60 to 0.60 | 0.75 | 25.0 | 50.0 | 1.33 |\n"
            )
        );
        assert_eq!(lines.lines().count(), 4);
        let met: Vec<bool> = targets_of(&CELLS[0], &rounds).iter().map(|target| target.met).collect();
        assert_eq!(met, [false, false, true]);
        let large = targets_of(&CELLS[2], &rounds);
        assert_eq!((large.len(), large[0].measured.as_str()), (1, "2.00"));
    }
}
