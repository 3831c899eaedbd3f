//! What must not grow with a million lists, or with a million waiting entries: the cost of mail in time and
//! instructions, memory, and the time to start.

use super::contestants::{Running, addresses};
use super::page::{Section, Target, count, ratio};
use super::setup::{Bench, settle};
use crate::instructions;
use crate::load::{Length, Load};
use crate::median::median;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xtask::run::Outcome;

/// How long a gate is left idle before its memory at rest is measured.
const REST: Duration = Duration::from_secs(2);

const MIB: f64 = 1024.0;

pub(super) fn sections(bench: &mut Bench) -> Outcome<Vec<Section>> {
    let few = bench.folder();
    bench.gate.create_lists(&few, &addresses(4))?;
    println!("::: {} lists are created", bench.plan.lists);
    let many = bench.folder();
    bench.gate.create_lists(&many, &addresses(bench.plan.lists))?;
    println!("::: {} entries are queued", bench.plan.entries);
    let waiting = waiting(bench)?;
    Ok(vec![
        lists(bench, &few, &many)?,
        entries(bench, &few, &waiting)?,
        start(bench, &few, &waiting)?,
        // The last one, because its mail stays in the data directories.
        memory(bench, &few, &many, &waiting)?,
    ])
}

/// Creates a data directory with many entries in its queue.
fn waiting(bench: &mut Bench) -> Outcome<PathBuf> {
    let data = bench.folder();
    bench.gate.create_lists(&data, &addresses(4))?;
    let server = Running::on(&bench.gate, &data, &bench.folder())?;
    let load = Load {
        sessions: 32,
        size: "512B".to_owned(),
        pipelining: true,
        length: Length::Messages(bench.plan.entries),
        ..Load::base(0.0)
    };
    load.run(&bench.gate, server.address)?;
    Ok(data)
}

fn lists(bench: &mut Bench, few: &Path, many: &Path) -> Outcome<Section> {
    let mut ratios = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..bench.plan.rounds {
        let one = rate_on_a_copy(bench, few, 4)?;
        let million = rate_on_a_copy(bench, many, bench.plan.lists)?;
        ratios.push(million / one);
        rates.push((one, million));
    }
    let mut text = format!(
        "Mail goes to all lists in turn. Each round starts with fresh data directories.\n\n\
         | | 4 lists | {0} lists | ratio |\n|---|--:|--:|--:|\n| messages per second | {1} | {2} | {3} |\n",
        count(bench.plan.lists as f64),
        count(median(rates.iter().map(|rates| rates.0))),
        count(median(rates.iter().map(|rates| rates.1))),
        ratio(median(ratios.into_iter())),
    );
    let mut targets = Vec::new();
    match instructions::pair(&bench.gate, few, many) {
        Ok((one, million)) => {
            text.push_str(&format!(
                "| instructions per transaction, one session | {} | {} | {:.3} |\n",
                count(one),
                count(million),
                million / one
            ));
            let what = format!("instructions with {} lists against 4", count(bench.plan.lists as f64));
            targets.push(Target::at_most(&what, 1.02, Some(million / one)));
        }
        Err(why) => text.push_str(&format!("\nInstructions were not counted: {why}\n")),
    }
    Ok(Section { title: "Many lists".to_owned(), text, targets })
}

/// Measures the rate at the base point with a fresh copy of a data directory.
fn rate_on_a_copy(bench: &mut Bench, template: &Path, lists: usize) -> Outcome<f64> {
    let data = bench.folder();
    instructions::copy(template, &data)?;
    let server = Running::on(&bench.gate, &data, &bench.folder())?;
    let run = Load { lists, ..Load::base(bench.plan.seconds) }.run(&bench.gate, server.address)?;
    drop(server);
    std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    Ok(run.rate)
}

fn entries(bench: &mut Bench, few: &Path, waiting: &Path) -> Outcome<Section> {
    println!("::: Entries waiting");
    let load = Load::base(bench.plan.long_seconds);
    let beside = Running::on(&bench.gate, waiting, &bench.folder())?;
    let mut rates = Vec::new();
    for round in 1..=bench.plan.long_rounds {
        let data = bench.folder();
        instructions::copy(few, &data)?;
        let fresh = Running::on(&bench.gate, &data, &bench.folder())?;
        settle()?;
        let none = load.run(&bench.gate, fresh.address)?.rate;
        drop(fresh);
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        settle()?;
        let many = load.run(&bench.gate, beside.address)?.rate;
        println!("  round {round}: none {}, many {}, ratio {}", count(none), count(many), ratio(many / none));
        rates.push((none, many));
    }
    let entries = count(bench.plan.entries as f64);
    let middle = median(rates.iter().map(|(none, many)| many / none));
    let text = format!(
        "{} pairs of runs of {} s each. The queue without entries is fresh in each pair.\n\n\
         | | none | {entries} and more | ratio |\n|---|--:|--:|--:|\n| messages per second | {} | {} | {} |\n",
        rates.len(),
        bench.plan.long_seconds,
        count(median(rates.iter().map(|rates| rates.0))),
        count(median(rates.iter().map(|rates| rates.1))),
        ratio(middle),
    );
    let what = format!("rate with {entries} entries waiting against none");
    Ok(Section {
        title: "Entries waiting".to_owned(),
        text,
        targets: vec![Target::at_least(&what, 0.9, Some(middle))],
    })
}

fn memory(bench: &mut Bench, few: &Path, many: &Path, waiting: &Path) -> Outcome<Section> {
    println!("::: Memory");
    let mut text = "| | at the start | at rest after 10,000 messages |\n|---|--:|--:|\n".to_owned();
    let mut most: f64 = 0.0;
    let lists = count(bench.plan.lists as f64);
    let entries = count(bench.plan.entries as f64);
    for (what, data, numbers) in [
        ("4 lists".to_owned(), few, 4),
        (format!("{lists} lists"), many, bench.plan.lists),
        (format!("{entries} entries waiting"), waiting, 4),
    ] {
        let server = Running::on(&bench.gate, data, &bench.folder())?;
        let start = server.memory("VmRSS")? / MIB;
        let length = Length::Messages(10_000);
        Load { lists: numbers, length, ..Load::base(0.0) }.run(&bench.gate, server.address)?;
        std::thread::sleep(REST);
        let rest = server.memory("VmRSS")? / MIB;
        text.push_str(&format!("| {what} | {start:.1} MiB | {rest:.1} MiB |\n"));
        most = most.max(start).max(rest);
    }
    let server = Running::on(&bench.gate, few, &bench.folder())?;
    let length = Length::Seconds(bench.plan.seconds * 2.0);
    let load = Load { sessions: 128, size: "1MiB".to_owned(), length, ..Load::base(0.0) };
    load.run(&bench.gate, server.address)?;
    let peak = server.memory("VmHWM")? / MIB;
    text.push_str(&format!("\nPeak with 128 sessions of 1 MiB messages: {peak:.1} MiB.\n"));
    let targets = vec![
        Target::at_most(
            "MiB of memory at rest, with any number of lists and waiting entries",
            16.0,
            Some(most),
        ),
        Target::at_most("MiB of memory at 128 sessions of 1 MiB messages", 64.0, Some(peak)),
    ];
    Ok(Section { title: "Memory".to_owned(), text, targets })
}

fn start(bench: &mut Bench, few: &Path, waiting: &Path) -> Outcome<Section> {
    let mut times = Vec::new();
    for _ in 0..bench.plan.rounds.max(3) {
        let time = |data| -> Outcome<f64> {
            let folder = bench.folder();
            let start = Instant::now();
            let server = Running::on(&bench.gate, data, &folder)?;
            let time = start.elapsed().as_secs_f64() * 1000.0;
            drop(server);
            Ok(time)
        };
        times.push((time(few)?, time(waiting)?));
    }
    let middle = median(times.iter().map(|(none, many)| many / none));
    let entries = count(bench.plan.entries as f64);
    let text = format!(
        "From the start of the process to its first greeting.\n\n\
         | | none waiting | {entries} waiting | ratio |\n|---|--:|--:|--:|\n| milliseconds | {:.0} | {:.0} | {} |\n",
        median(times.iter().map(|times| times.0)),
        median(times.iter().map(|times| times.1)),
        ratio(middle),
    );
    let what = format!("start with {entries} entries waiting against none");
    Ok(Section { title: "Start".to_owned(), text, targets: vec![Target::at_most(&what, 2.0, Some(middle))] })
}
