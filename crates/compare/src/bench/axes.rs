//! One thing is changed at a time from the base point. Every server gets the same load in turn, round by
//! round, so that disturbances of the machine affect all of them.

use super::chart;
use super::contestants::{Kind, Running};
use super::floor::{Floor, Synced};
use super::page::{Section, count, digits, mebibytes, ratio};
use super::setup::{Bench, settle};
use crate::load::{Load, Measured};
use crate::median::median;
use xtask::run::Outcome;

/// A property to vary, and the loads that do so.
pub(super) struct Axis {
    pub(super) title: &'static str,
    /// The heading of the rows.
    pub(super) row: &'static str,
    pub(super) loads: Vec<(String, Load)>,
    /// The number of lists that the servers have.
    pub(super) lists: usize,
    pub(super) kinds: Vec<Kind>,
    /// Whether octets per second are reported too, beside the floor of the hardware.
    pub(super) octets: bool,
}

/// The results of the servers for the loads of an axis.
pub(super) struct Results {
    axis: Axis,
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    label: String,
    /// The runs of each kind, in each round.
    runs: Vec<Vec<Measured>>,
    /// The server's processor time for a message in each of these runs, in microseconds.
    times: Vec<Vec<f64>>,
    /// For each round, the mean number of messages in a commit, and the floor with as many octets in a sync.
    floor: Vec<(f64, Synced)>,
}

impl Axis {
    /// Measures everything. A server that cannot take part, or a load that it does not accept, is noted and left out.
    pub(super) fn measure(self, bench: &mut Bench) -> Outcome<Results> {
        println!("::: {}", self.title);
        settle()?;
        let mut notes = Vec::new();
        let mut servers = Vec::new();
        for &kind in &self.kinds {
            let started = match kind.missing() {
                Some(why) => Err(why),
                None => Running::start(kind, &bench.gate, &bench.folder(), self.lists),
            };
            match started {
                Ok(server) => servers.push(server),
                Err(why) => notes.push(format!("{} did not take part: {why}", kind.name())),
            }
        }
        let mut rows = Vec::new();
        for (label, load) in &self.loads {
            let row = row(bench, label, load, &servers, &self, &mut notes)?;
            println!("  {label}: {}", self.summary(&row));
            rows.push(row);
        }
        Ok(Results { axis: self, rows, notes })
    }

    fn summary(&self, row: &Row) -> String {
        let rate = |(kind, runs): (&Kind, &Vec<Measured>)| {
            let rate = middle(runs, |run| run.rate)?;
            Some(format!("{} {}", kind.name(), count(rate)))
        };
        self.kinds.iter().zip(&row.runs).filter_map(rate).collect::<Vec<_>>().join(", ")
    }
}

fn row(
    bench: &mut Bench,
    label: &str,
    load: &Load,
    servers: &[Running],
    axis: &Axis,
    notes: &mut Vec<String>,
) -> Outcome<Row> {
    let (runs, times) = (vec![Vec::new(); axis.kinds.len()], vec![Vec::new(); axis.kinds.len()]);
    let mut row = Row { label: label.to_owned(), runs, times, floor: Vec::new() };
    let mut failed = vec![false; axis.kinds.len()];
    for _ in 0..bench.plan.rounds {
        for (place, kind) in
            axis.kinds.iter().enumerate().filter(|(place, _)| !failed[*place]).collect::<Vec<_>>()
        {
            let Some(server) = servers.iter().find(|server| server.kind == *kind) else { continue };
            let (before, busy) = (server.commits(), server.processor_time()?);
            match load.run(&bench.gate, server.address) {
                Ok(run) => {
                    let time = (server.processor_time()? - busy) / run.accepted.max(1.0);
                    row.times[place].push(time.sum());
                    row.runs[place].push(run);
                }
                Err(why) => {
                    failed[place] = true;
                    notes.push(format!("{} with {label}: {why}", kind.name()));
                }
            }
            let (Some(before), Some(after), true) = (before, server.commits(), axis.octets) else { continue };
            let batch = after.batch_since(before);
            row.floor.push((batch, floor(&mut bench.floor, load, batch, bench.plan.seconds)?));
        }
    }
    Ok(row)
}

/// Measures the floor with as many octets in a sync as the messages of a commit have.
fn floor(floor: &mut Floor, load: &Load, batch: f64, seconds: f64) -> Outcome<Synced> {
    floor.run((octets(&load.size)? * batch) as usize, seconds / 2.0)
}

/// Converts a size such as `4KiB` or `1MiB` to octets.
fn octets(size: &str) -> Outcome<f64> {
    let (number, unit) = size.split_at(size.find(|c: char| c.is_alphabetic()).unwrap_or(size.len()));
    let unit = match unit {
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        _ => 1.0,
    };
    number.parse::<f64>().map(|number| number * unit).map_err(|error| format!("{size}: {error}"))
}

fn middle(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> Option<f64> {
    (!runs.is_empty()).then(|| median(runs.iter().map(of)))
}

impl Results {
    fn runs(&self, label: &str, kind: Kind) -> Option<&[Measured]> {
        let place = self.axis.kinds.iter().position(|other| *other == kind)?;
        let row = self.rows.iter().find(|row| row.label == label)?;
        Some(&row.runs[place]).filter(|runs| !runs.is_empty()).map(Vec::as_slice)
    }

    /// Returns the rate of `over` as a multiple of that of `under`: the median of the rounds' ratios.
    pub(super) fn times(&self, label: &str, over: Kind, under: Kind) -> Option<f64> {
        let (over, under) = (self.runs(label, over)?, self.runs(label, under)?);
        Some(median(over.iter().zip(under).map(|(over, under)| over.rate / under.rate)))
    }

    pub(super) fn rate(&self, label: &str, kind: Kind) -> Option<f64> {
        middle(self.runs(label, kind)?, |run| run.rate)
    }

    /// Returns the octets per second of Listgate, as a fraction of the floor of the hardware.
    pub(super) fn of_the_floor(&self, label: &str) -> Option<f64> {
        let runs = self.runs(label, Kind::Listgate)?;
        let row = self.rows.iter().find(|row| row.label == label)?;
        (!row.floor.is_empty())
            .then(|| median(runs.iter().zip(&row.floor).map(|(run, (_, floor))| run.octets / floor.octets)))
    }

    /// Returns tables of rates, of processor times and of latencies.
    pub(super) fn section(&self) -> Section {
        let mut text = format!("{}\n{}\n{}\n", self.rates(), self.processor_times(), self.latencies());
        for note in &self.notes {
            text.push_str(&format!("- {note}\n"));
        }
        Section { title: self.axis.title.to_owned(), text, targets: Vec::new() }
    }

    fn rates(&self) -> String {
        let mut header = format!("| {} |", self.axis.row);
        let mut line = "|---|".to_owned();
        for kind in &self.axis.kinds {
            header.push_str(&format!(" {} |", kind.name()));
            line.push_str("--:|");
        }
        if self.axis.octets {
            header.push_str(" Listgate, MiB/s | floor, MiB/s | messages per commit |");
            line.push_str("--:|--:|--:|");
        }
        let mut table = format!("{header}\n{line}\n");
        for row in &self.rows {
            let cells: String = self.axis.kinds.iter().map(|kind| self.cell(&row.label, *kind)).collect();
            table.push_str(&format!("| {} |{cells}{}\n", row.label, self.octets_of(row)));
        }
        table
    }

    /// Formats a rate, and Listgate's rate as a multiple of it.
    fn cell(&self, label: &str, kind: Kind) -> String {
        match (self.rate(label, kind), self.times(label, Kind::Listgate, kind)) {
            (Some(rate), _) if kind == Kind::Listgate => format!(" {} |", count(rate)),
            (Some(rate), Some(times)) => format!(" {} ({}) |", count(rate), ratio(times)),
            (Some(rate), None) => format!(" {} |", count(rate)),
            (None, _) => " - |".to_owned(),
        }
    }

    fn octets_of(&self, row: &Row) -> String {
        if !self.axis.octets {
            return String::new();
        }
        let listgate = self.runs(&row.label, Kind::Listgate).and_then(|runs| middle(runs, |run| run.octets));
        let (Some(octets), Some(part)) = (listgate, self.of_the_floor(&row.label)) else {
            return " - | - | - |".to_owned();
        };
        let floor = median(row.floor.iter().map(|(_, floor)| floor.octets));
        let batch = median(row.floor.iter().map(|(batch, _)| *batch));
        format!(" {} ({}) | {} | {batch:.1} |", mebibytes(octets), ratio(part), mebibytes(floor))
    }

    fn latencies(&self) -> String {
        self.table("ms: p50 / p99 / longest", |row, place| {
            let of = |pick: fn(&Measured) -> f64| middle(&row.runs[place], pick).map(digits);
            let all = [of(|run| run.latency.p50), of(|run| run.latency.p99), of(|run| run.latency.max)];
            let [p50, p99, max] = all.map(|one| one.unwrap_or_default());
            format!("{p50} / {p99} / {max}")
        })
    }

    /// Formats the servers' processor times for a message.
    fn processor_times(&self) -> String {
        self.table("µs of processor time a message", |row, place| {
            digits(median(row.times[place].iter().copied()))
        })
    }

    /// Formats a table with a cell for each load and each kind that has runs with it.
    fn table(&self, what: &str, cell: impl Fn(&Row, usize) -> String) -> String {
        let mut table = format!("| {} ({what}) |", self.axis.row);
        let mut line = "|---|".to_owned();
        for kind in &self.axis.kinds {
            table.push_str(&format!(" {} |", kind.name()));
            line.push_str("--:|");
        }
        table.push_str(&format!("\n{line}\n"));
        for row in &self.rows {
            let cell = |place: usize| {
                let text = if row.runs[place].is_empty() { "-".to_owned() } else { cell(row, place) };
                format!(" {text} |")
            };
            let cells: String = (0..self.axis.kinds.len()).map(cell).collect();
            table.push_str(&format!("| {} |{cells}\n", row.label));
        }
        table
    }

    /// Draws the rates as lines, one for each server.
    pub(super) fn chart(&self) -> String {
        let labels: Vec<&str> = self.rows.iter().map(|row| row.label.as_str()).collect();
        let series = self.axis.kinds.iter().map(|kind| chart::Series {
            name: kind.name(),
            values: self.rows.iter().map(|row| self.rate(&row.label, *kind)).collect(),
        });
        chart::lines("messages per second", self.axis.row, &labels, &series.collect::<Vec<_>>())
    }

    /// Draws the octets per second as lines, with the floor.
    pub(super) fn chart_of_octets(&self) -> String {
        let labels: Vec<&str> = self.rows.iter().map(|row| row.label.as_str()).collect();
        let octets =
            |row: &Row, kind| Some(middle(self.runs(&row.label, kind)?, |run| run.octets)? / 1_048_576.0);
        let mut series: Vec<chart::Series> = vec![chart::Series {
            name: "floor of the hardware",
            values: self
                .rows
                .iter()
                .map(|row| {
                    let octets = row.floor.iter().map(|(_, floor)| floor.octets / 1_048_576.0);
                    (!row.floor.is_empty()).then(|| median(octets))
                })
                .collect(),
        }];
        series.extend(self.axis.kinds.iter().map(|kind| chart::Series {
            name: kind.name(),
            values: self.rows.iter().map(|row| octets(row, *kind)).collect(),
        }));
        chart::lines("MiB per second", self.axis.row, &labels, &series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed() {
        assert_eq!(octets("4KiB"), Ok(4096.0));
        assert_eq!(octets("1MiB"), Ok(1_048_576.0));
        assert!(octets("much").is_err());
    }
}
