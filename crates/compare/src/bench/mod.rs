//! `cargo xtask bench`: Listgate compared to other servers and to the limits of the hardware, written to
//! docs/performance.md.
//!
//! Rates from different days or machines cannot be compared. Therefore the servers take turns, and the
//! figures are medians of the rounds' ratios.

mod axes;
mod chart;
mod contestants;
pub(crate) mod drop_in;
mod floor;
mod machine;
mod mixed;
mod page;
mod scale;
mod setup;
pub(crate) mod sink;

pub(crate) use contestants::mailman_program;
pub(crate) use setup::Plan;

use crate::load::Load;
use crate::server::{Gate, Scratch};
use axes::{Axis, Results};
use contestants::Kind;
use floor::Floor;
use page::{Section, Target};
use setup::Bench;
use std::path::Path;
use std::time::Instant;
use xtask::peers;
use xtask::run::{self, Outcome};

/// Measures everything, and writes the page and its charts. The page names what could not be measured.
pub(crate) fn run(plan: &Plan) -> Outcome {
    let start = Instant::now();
    peers::install(&["postfix", "dovecot", "valgrind", "python3", "mailman"]);
    let gate = Gate::build()?;
    let scratch = Scratch::new("compare")?;
    let mut floor = Floor::create(&scratch.join("floor"))?;
    let sync = floor.run(4096, plan.seconds.max(1.0))?;
    let machine = machine::describe(&scratch.join("."), &sync);
    println!("{machine}");
    let mut bench = Bench::new(plan, gate, floor, scratch);
    let docs = run::root().join("docs");
    let mut sections = Vec::new();
    let mut add = |title: &str, section: Outcome<Vec<Section>>| match section {
        Ok(more) => sections.extend(more),
        Err(why) => {
            eprintln!("error: {title}: {why}");
            let text = format!("Not measured: {why}\n");
            sections.push(Section { title: title.to_owned(), text, targets: Vec::new() });
        }
    };
    add("The ceiling", sink::section(&mut bench).map(|section| vec![section]));
    add("Sessions", sessions(&mut bench, &docs));
    add("Sizes", sizes(&mut bench, &docs));
    add("Recipients and pipelining", recipients(&mut bench));
    add("Lists of a Mailman site", mailman_lists(&mut bench));
    add("Many lists, many entries", scale::sections(&mut bench));
    add("Mixed sizes", mixed::section(&mut bench).map(|section| vec![section]));
    let quick = if *plan == Plan::QUICK { " It was a quick one: its figures are coarse." } else { "" };
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let measured =
        format!("{}\nThe run took {minutes:.0} minutes.{quick}\n", page::compose(&machine, &sections));
    let path = docs.join("performance.md");
    page::write(&path, &measured)?;
    for target in sections.iter().flat_map(|section| &section.targets) {
        let verdict = if target.met { "met" } else { "MISSED" };
        println!("{verdict}: {}: {}, wanted {}", target.what, target.measured, target.wanted);
    }
    println!("written: {}", path.display());
    Ok(())
}

fn sessions(bench: &mut Bench, docs: &Path) -> Outcome<Vec<Section>> {
    let base = Load::base(bench.plan.seconds);
    let loads = [1, 8, 32, 128];
    let axis = Axis {
        title: "Sessions",
        row: "sessions",
        loads: loads.map(|sessions| (sessions.to_string(), Load { sessions, ..base.clone() })).to_vec(),
        lists: base.lists,
        kinds: Kind::ALL.to_vec(),
        octets: false,
    };
    let results = axis.measure(bench)?;
    draw(docs, "performance-sessions.svg", &results.chart())?;
    draw(docs, "performance-servers.svg", &bars(&results))?;
    let times = |over, under| results.times("8", over, under);
    let mut section = results.section();
    section.targets = vec![
        Target::at_least(
            "SQLite backend against Mailman's runner with 4 lists, 8 sessions",
            60.0,
            times(Kind::Listgate, Kind::Mailman),
        ),
        Target::at_least(
            "SQLite backend against Dovecot LMTP, 8 sessions",
            20.0,
            times(Kind::Listgate, Kind::Dovecot),
        ),
        Target::at_least(
            "Mailman backend against Mailman's runner with 4 lists, 8 sessions",
            20.0,
            times(Kind::ListgateMailman, Kind::Mailman),
        ),
    ];
    let kinds: String =
        Kind::ALL.iter().map(|kind| format!("| {} | {} |\n", kind.name(), kind.keeps())).collect();
    section.text = format!(
        "Messages of 4 KiB to one recipient, without pipelining. Rates are in messages per second. In\n\
         parentheses: Listgate's rate as a multiple of the server's.\n\n\
         | server | what it does with a message |\n|---|---|\n{kinds}\n\
         ![Messages per second, 8 sessions](performance-servers.svg)\n\n\
         ![Messages per second, by sessions](performance-sessions.svg)\n\n{}",
        section.text
    );
    Ok(vec![section])
}

/// Draws the servers at the base point.
fn bars(results: &Results) -> String {
    let bar = |kind: &Kind| {
        let times = results.times("8", Kind::Listgate, *kind)?;
        let word = if *kind == Kind::Listgate {
            String::new()
        } else {
            format!("(Listgate {} times)", page::ratio(times))
        };
        Some((kind.name(), results.rate("8", *kind)?, word))
    };
    chart::bars(
        "messages per second, 8 sessions, 4 KiB",
        &Kind::ALL.iter().filter_map(bar).collect::<Vec<_>>(),
    )
}

fn sizes(bench: &mut Bench, docs: &Path) -> Outcome<Vec<Section>> {
    let base = Load::base(bench.plan.seconds);
    let size = |size: &str| (size.to_owned(), Load { size: size.to_owned(), ..base.clone() });
    let axis = Axis {
        title: "Sizes",
        row: "size",
        loads: ["2KiB", "4KiB", "8KiB", "64KiB", "1MiB"].map(size).to_vec(),
        lists: base.lists,
        kinds: Kind::ALL.to_vec(),
        octets: true,
    };
    let results = axis.measure(bench)?;
    draw(docs, "performance-sizes.svg", &results.chart_of_octets())?;
    let mut section = results.section();
    section.targets = vec![Target::at_least(
        "octets per second with 1 MiB messages, as a fraction of the hardware's floor",
        0.5,
        results.of_the_floor("1MiB"),
    )];
    section.text = format!(
        "Eight sessions. The floor is what the disk allows: the same octets are written to a zero-filled file\n\
         and synced, as many at a time as Listgate's commits have on average. In parentheses after Listgate's\n\
         MiB/s: their fraction of the floor's.\n\n![MiB per second, by size](performance-sizes.svg)\n\n{}",
        section.text
    );
    Ok(vec![section])
}

fn recipients(bench: &mut Bench) -> Outcome<Vec<Section>> {
    let base = Load { lists: 50, ..Load::base(bench.plan.seconds) };
    let load = |(label, recipients, pipelining): (&str, usize, bool)| {
        (label.to_owned(), Load { recipients, pipelining, ..base.clone() })
    };
    let axis = Axis {
        title: "Recipients and pipelining",
        row: "recipients",
        loads: [("1", 1, false), ("1, pipelined", 1, true), ("50", 50, false), ("50, pipelined", 50, true)]
            .map(load)
            .to_vec(),
        lists: base.lists,
        kinds: Kind::ALL.to_vec(),
        octets: false,
    };
    let results = axis.measure(bench)?;
    let rate = |label| results.rate(label, Kind::Listgate);
    let cost = rate("1, pipelined").zip(rate("50, pipelined")).map(|(one, fifty)| one / fifty);
    let mut section = results.section();
    section.targets =
        vec![Target::at_most("cost of 50 recipients against 1, pipelined as Postfix does", 3.0, cost)];
    section.text = format!(
        "Eight sessions, 4 KiB, sites with 50 lists. Pipelined: MAIL, RCPT and DATA in one write if the\n\
         server announces PIPELINING, then the message. Otherwise, each recipient costs a round trip.\n\n{}",
        section.text
    );
    Ok(vec![section])
}

/// The cost of Mailman's runner grows with its lists.
fn mailman_lists(bench: &mut Bench) -> Outcome<Vec<Section>> {
    let base = Load::base(bench.plan.seconds);
    let axis = Axis {
        title: "Lists of a Mailman site",
        row: "lists",
        loads: vec![("5,000".to_owned(), base)],
        lists: 5_000,
        kinds: vec![Kind::Listgate, Kind::ListgateMailman, Kind::Mailman],
        octets: false,
    };
    let results = axis.measure(bench)?;
    let mut section = results.section();
    section.targets = vec![Target::at_least(
        "Mailman backend against Mailman's runner with 5,000 lists, 8 sessions",
        100.0,
        results.times("5,000", Kind::ListgateMailman, Kind::Mailman),
    )];
    Ok(vec![section])
}

fn draw(docs: &Path, name: &str, svg: &str) -> Outcome {
    let path = docs.join(name);
    std::fs::write(&path, svg).map_err(|error| format!("{}: {error}", path.display()))
}
