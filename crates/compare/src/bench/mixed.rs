//! Large messages among small ones: how long the small ones wait.

use super::contestants::{Kind, Running};
use super::floor::Synced;
use super::page::{Section, Target, count, millis};
use super::setup::{Bench, settle};
use crate::load::{Latency, Load, Measured};
use crate::median::median;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use xtask::run::Outcome;

const SIZES: &str = "95%:4KiB,5%:1MiB";
const SMALL: f64 = 0.95;
/// The pause between two syncs of the probe, so that it does not become the load.
const PAUSE: Duration = Duration::from_millis(5);

/// Both loads have a fixed rate, so that small mail is equally frequent in both. The rate is half of the
/// mixture's highest, because at the highest the latency depends mostly on the number of sessions.
pub(super) fn section(bench: &mut Bench) -> Outcome<Section> {
    println!("::: Mixed sizes");
    let server = Running::start(Kind::Listgate, &bench.gate, &bench.folder(), 4)?;
    // Small mail alone has its own server, so that earlier large mail cannot affect it.
    let other = Running::start(Kind::Listgate, &bench.gate, &bench.folder(), 4)?;
    let base = Load::base(bench.plan.long_seconds / 2.0);
    let mixture = Load { size: SIZES.to_owned(), ..base.clone() };
    let fastest = mixture.run(&bench.gate, server.address)?.rate;
    let rate = fastest / 2.0;
    let alone = Load { rate: Some(rate * SMALL), ..base };
    let mixture = Load { rate: Some(rate), ..mixture };
    let mut rounds = Vec::new();
    for _ in 0..bench.plan.rounds {
        let (alone, _) = probed(bench, &alone, &other)?;
        let (mixed, sync) = probed(bench, &mixture, &server)?;
        let small = *mixed.of_sizes.first().ok_or("listgate bench reported no sizes")?;
        rounds.push((alone.latency, small, sync));
    }
    Ok(Section { title: "Mixed sizes".to_owned(), text: text(rate, &rounds), targets: targets(&rounds) })
}

/// Runs a load, and returns how it went and how long small syncs took beside it.
fn probed(bench: &mut Bench, load: &Load, server: &Running) -> Outcome<(Measured, Synced)> {
    settle()?;
    let over = AtomicBool::new(false);
    let floor = &mut bench.floor;
    std::thread::scope(|scope| {
        let probe = scope.spawn(|| floor.sync_until(4096, PAUSE, |_| over.load(Ordering::Relaxed)));
        let run = load.run(&bench.gate, server.address);
        over.store(true, Ordering::Relaxed);
        let sync = probe.join().map_err(|_| "the probe panicked".to_owned())??;
        Ok((run?, sync))
    })
}

type Round = (Latency, Latency, Synced);

fn text(rate: f64, rounds: &[Round]) -> String {
    let line = |what: &str, of: fn(&Round) -> Latency| {
        let middle = |pick: fn(&Latency) -> f64| millis(median(rounds.iter().map(|round| pick(&of(round)))));
        let (p50, p99) = (middle(|latency| latency.p50), middle(|latency| latency.p99));
        let max = rounds.iter().map(|round| of(round).max).fold(0.0, f64::max);
        format!("| {what} | {p50} | {p99} | {} |\n", millis(max))
    };
    format!(
        "{SIZES} at {} messages per second, half of the mixture's highest rate, compared with the same rate\n\
         of small messages alone. Latency counts from when a message was due. A probe beside each run writes\n\
         and syncs 4 KiB at most 200 times a second.\n\n\
         | | p50 | p99 | longest |\n|---|--:|--:|--:|\n{}{}{}",
        count(rate),
        line("4 KiB alone", |round| round.0),
        line("4 KiB among 1 MiB", |round| round.1),
        line("the probe's syncs, mixed", |(_, _, sync)| Latency {
            p50: sync.p50,
            p99: sync.p99,
            max: sync.max
        }),
    )
}

fn targets(rounds: &[Round]) -> Vec<Target> {
    let slower = median(rounds.iter().map(|(alone, mixed, _)| mixed.p99 / alone.p99));
    let longest = |of: fn(&Round) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
    let stall = longest(|round| round.1.max) / longest(|round| round.2.max);
    vec![
        Target::at_most("p99 latency of small mail among large mail against alone", 3.0, Some(slower)),
        Target::at_most(
            "longest stall of small mail against the longest sync of the probe",
            2.0,
            Some(stall),
        ),
    ]
}
