//! Large messages among small ones: what the small ones wait.

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
/// Between two syncs of the probe, so that it does not become the load.
const PAUSE: Duration = Duration::from_millis(5);

/// Both at a rate, so that small mail comes as often in either: half of what the mixture's fastest is,
/// since at the fastest a latency says how many sessions there are.
pub(super) fn section(bench: &mut Bench) -> Outcome<Section> {
    println!("::: Mixed sizes");
    let server = Running::start(Kind::Listgate, &bench.gate, &bench.folder(), 4)?;
    // Large mail that came before is not to be in the way of small mail alone.
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
        let small = *mixed.of_sizes.first().ok_or("listgate bench told of no sizes")?;
        rounds.push((alone.latency, small, sync));
    }
    Ok(Section { title: "Mixed sizes".to_owned(), text: text(rate, &rounds), targets: targets(&rounds) })
}

/// A run, and how long small syncs took beside it.
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
        "{SIZES} at {} messages per second, which is half of the mixture's fastest, and as many small ones\n\
         alone; latency from when a message was due. A probe beside each run writes 4 KiB and syncs them\n\
         200 times a second at most.\n\n\
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
        Target::at_most("p99 of small mail among large against alone", 3.0, Some(slower)),
        Target::at_most(
            "longest stall of small mail against the longest sync of the probe",
            2.0,
            Some(stall),
        ),
    ]
}
