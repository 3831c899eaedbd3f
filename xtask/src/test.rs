//! `cargo xtask test`: the test command, which every commit must pass.

use crate::steps::Steps;
use crate::tally::{Summary, Tally};
use std::collections::BTreeMap;
use xtask::debian;
use xtask::dkimpy;
use xtask::exim;
use xtask::mailman;
use xtask::mailman3;
use xtask::peers;
use xtask::run::{self, Outcome, cargo};

/// How the tests are run.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Options {
    /// Install the programs that tests need, if possible.
    pub(crate) install: bool,
    /// Count a test that was not run as a failure.
    pub(crate) no_skips: bool,
}

/// Runs every step, prints one closing line of counts, and returns whether everything succeeded.
pub(crate) fn run(Options { install, no_skips }: Options) -> bool {
    if install {
        peers::install(peers::OF_THE_TESTS);
    }
    let mut steps = Steps::default();
    cargo_step(&mut steps, &["fmt", "--all", "--check"]);
    cargo_step(&mut steps, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    let summary = tests(&mut steps, &[]);
    let doc = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    steps.step(&format!("cargo {}", doc.join(" ")), || {
        run::succeed(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"))
    });
    // As crates.io would build them: without this workspace, and with only what their manifests declare.
    cargo_step(
        &mut steps,
        &["package", "--quiet", "--allow-dirty", "-p", "listgate-lmtp", "-p", "listgate-engine"],
    );
    close(&steps, &summary, no_skips)
}

/// Runs all tests: first those that need no peers, then the ignored ones whose peers are available.
///
/// All runs share one profile and one set of flags, because each other combination compiles SQLite again.
pub(crate) fn tests(steps: &mut Steps, environment: &[(&str, &str)]) -> Summary {
    let mut first = Tally::default();
    steps.step("cargo test --workspace", || {
        cargo_test(&["test", "--workspace", "--no-fail-fast"], environment, &mut first)
    });
    let (ready, skipped) = sort(&first);
    let mut second = Tally::default();
    if !ready.is_empty() {
        // `--tests` leaves out the documentation's examples, which would be compiled again for nothing.
        let mut arguments =
            vec!["test", "--workspace", "--tests", "--no-fail-fast", "--", "--ignored", "--exact"];
        arguments.extend(&ready);
        steps.step(&format!("the tests whose peers are here: {}", ready.len()), || {
            cargo_test(&arguments, environment, &mut second)
        });
    }
    for (name, why) in &skipped {
        println!("skipped: {name}: {why}");
    }
    if !skipped.is_empty() {
        println!("`cargo xtask test --install` installs what is missing, as root on Debian");
    }
    Summary::of(&first, &second)
}

/// Prints the closing line, alone and last, and returns whether everything succeeded.
pub(crate) fn close(steps: &Steps, summary: &Summary, no_skips: bool) -> bool {
    let steps_succeeded = steps.finish();
    println!("{summary}");
    steps_succeeded && summary.is_good(no_skips)
}

fn cargo_step(steps: &mut Steps, arguments: &[&str]) {
    steps.step(&format!("cargo {}", arguments.join(" ")), || run::succeed(&mut cargo(arguments)));
}

fn cargo_test(arguments: &[&str], environment: &[(&str, &str)], tally: &mut Tally) -> Outcome {
    let mut cargo = cargo(arguments);
    cargo.envs(environment.iter().copied());
    cargo.env(mailman::VARIABLE, mailman::folder()?);
    cargo.env(dkimpy::VARIABLE, dkimpy::folder()?);
    cargo.env(debian::VARIABLE, debian::folder()?);
    cargo.env(mailman3::VARIABLE, mailman3::folder()?);
    if let Some(program) = peers::program("exim4") {
        cargo.env(exim::VARIABLE, program);
    }
    let outcome = run::stream(&mut cargo, std::io::stdout(), |line| tally.read(line));
    tally.finish();
    let outcome = match tally.died {
        0 => outcome,
        died => Err(format!("test programs that ended without a result: {died}")),
    };
    outcome.map_err(|why| format!("{why}\n{}", tally.failures()))
}

/// Sorts the ignored tests into those that can run here, and the others, each with what prevents it.
fn sort(tally: &Tally) -> (Vec<&str>, BTreeMap<&str, String>) {
    let mut ready = Vec::new();
    let mut skipped = BTreeMap::new();
    for (name, reasons) in &tally.reasons {
        match reasons.iter().find_map(|reason| peers::missing(reason)) {
            None => ready.push(name.as_str()),
            Some(why) => drop(skipped.insert(name.as_str(), why)),
        }
    }
    (ready, skipped)
}
