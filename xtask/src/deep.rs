//! `cargo xtask deep`: checks that take too long to run for every commit.

use crate::steps::Steps;
use crate::{bench, package, test};
use std::fs;
use std::path::Path;
use xtask::run::{self, Outcome, cargo, command};

/// Variables for proptest, and for the tests that kill the gate under load, fill a list, cut its power, and make its
/// system calls fail.
const MANY: &[(&str, &str)] = &[
    ("PROPTEST_CASES", "20000"),
    ("LISTGATE_ROUNDS", "500"),
    ("LISTGATE_MEMBERS", "1000000"),
    ("LISTGATE_IMAGES", "2000"),
    ("LISTGATE_EVERY_CALL", "1"),
];

/// The variable that sets how many seconds each target is fuzzed, and the default.
const FUZZ_SECONDS: (&str, u32) = ("LISTGATE_FUZZ_SECONDS", 600);

/// The minimum line coverage of the protocol crate, in percent.
const COVERAGE: &str = "95";

/// A part that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    Tests,
    Fuzz,
    Mutants,
    Coverage,
    Deny,
    Package,
    Bench,
}

impl Part {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "tests" => Some(Self::Tests),
            "fuzz" => Some(Self::Fuzz),
            "mutants" => Some(Self::Mutants),
            "coverage" => Some(Self::Coverage),
            "deny" => Some(Self::Deny),
            "package" => Some(Self::Package),
            "bench" => Some(Self::Bench),
            _ => None,
        }
    }
}

/// Runs all parts, or only one.
pub(crate) fn run(only: Option<Part>) -> bool {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut steps = Steps::default();
    let summary = wanted(Part::Tests).then(|| test::tests(&mut steps, MANY));
    if wanted(Part::Fuzz) {
        fuzz(&mut steps);
    }
    if wanted(Part::Mutants) {
        steps.step("cargo mutants: is there a test for every line that matters?", mutants);
    }
    if wanted(Part::Coverage) {
        steps.step("cargo tarpaulin: is there a test for every line?", coverage);
    }
    if wanted(Part::Deny) {
        steps.step("cargo deny: are the dependencies what they may be?", deny);
    }
    if wanted(Part::Package) {
        steps.step("cargo xtask package", || match package::run(&package::Options::default()) {
            true => Ok(()),
            false => Err("a package could not be made".to_owned()),
        });
    }
    if wanted(Part::Bench) {
        steps.step("cargo xtask bench sink", || run::succeed(&mut bench::tool(&["sink"])));
    }
    match summary {
        Some(summary) => test::close(&steps, &summary, false),
        None => steps.finish(),
    }
}

fn fuzz(steps: &mut Steps) {
    if run::output(command("rustup").args(["run", "nightly", "rustc", "--version"])).is_err() {
        println!(
            "skipped: fuzz: needs a nightly compiler: rustup toolchain install nightly --profile minimal\n"
        );
        return;
    }
    let mut targets = Vec::new();
    steps.step("cargo fuzz build", || {
        install("fuzz")?;
        run::succeed(&mut cargo_fuzz(&["build"]))?;
        targets = run::output(&mut cargo_fuzz(&["list"]))?.lines().map(str::to_owned).collect();
        Ok(())
    });
    for target in targets {
        steps.step(&format!("cargo fuzz run {target}"), || fuzz_one(&target));
    }
}

/// Fuzzes one target. New inputs stay in the target folder, so that the next run starts with them. Inputs
/// worth committing are chosen by hand: `cargo fuzz run TARGET CORPUS FOUND -- -merge=1`.
fn fuzz_one(target: &str) -> Outcome {
    let (variable, seconds) = FUZZ_SECONDS;
    let seconds = std::env::var(variable).unwrap_or_else(|_| seconds.to_string());
    let found = run::target()?.join("fuzz").join(target);
    let log = found.with_extension("log");
    let failed = |error| format!("cannot write to {}: {error}", found.display());
    fs::create_dir_all(&found).map_err(failed)?;
    let mut fuzzer = cargo_fuzz(&["run", target]);
    fuzzer.arg(&found).arg(Path::new("fuzz/corpus").join(target)).args([
        "--",
        "-dict=fuzz/dictionary",
        "-max_len=2000",
        "-timeout=10",
        "-print_final_stats=1",
        &format!("-max_total_time={seconds}"),
    ]);
    let outcome = run::succeed(fuzzer.stderr(fs::File::create(&log).map_err(failed)?));
    let output = fs::read_to_string(&log).map_err(failed)?;
    let is_result = |line: &&str| line.contains("\tDONE ") || line.contains("number_of_executed_units");
    output.lines().filter(is_result).for_each(|line| println!("{line}"));
    outcome.map_err(|why| format!("{why}\n{}\nall of it: {}", failure(&output), log.display()))
}

/// Extracts from the output of a fuzzer which assertion failed, and for which input.
fn failure(output: &str) -> String {
    let words = ["panicked at", "ERROR: ", "Test unit written to", "left:", "right:"];
    let is_relevant = |line: &&str| words.iter().any(|word| line.contains(word));
    output.lines().filter(is_relevant).collect::<Vec<_>>().join("\n")
}

/// Returns a cargo-fuzz command. It needs a nightly compiler, and only rustup knows where one is.
fn cargo_fuzz(arguments: &[&str]) -> std::process::Command {
    let mut fuzz = command("rustup");
    fuzz.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(run::root());
    fuzz
}

/// Runs cargo-mutants. `.cargo/mutants.toml` lists what is left out, and why. Memory is limited, because an endless
/// mutant could exhaust it before its timeout. A mutant that times out has been noticed, so it does not survive.
fn mutants() -> Outcome {
    install("mutants")?;
    let target = run::target()?;
    let mut mutants = command("sh");
    mutants.args(["-c", "ulimit -v 8388608; exec \"$@\"", "sh"]).arg(cargo(&[]).get_program());
    mutants.args(["mutants", "--package", "listgate-lmtp", "--output"]).arg(&target);
    let status = mutants.current_dir(run::root()).status();
    let status = status.map_err(|error| format!("cannot run cargo mutants: {error}"))?;
    // Code 3 means that some mutants timed out, and does not tell whether others survived.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!("cargo mutants: {status}"));
    }
    let list = target.join("mutants.out/missed.txt");
    let survivors =
        fs::read_to_string(&list).map_err(|error| format!("cannot read {}: {error}", list.display()))?;
    if survivors.is_empty() { Ok(()) } else { Err(format!("no test notices\n{survivors}")) }
}

/// Measures the coverage. The engine is ptrace, because the other one needs LLVM tools that not every compiler
/// comes with. The target folder is separate, because the flags would cause everything else to be recompiled.
fn coverage() -> Outcome {
    install("tarpaulin")?;
    let mut tarpaulin = cargo(&["tarpaulin", "--package", "listgate-lmtp", "--engine", "ptrace"]);
    tarpaulin.args(["--include-files", "crates/lmtp/src/*", "--exclude-files", "*/fuzz.rs"]);
    tarpaulin.args(["--skip-clean", "--out", "Stdout", "--fail-under", COVERAGE, "--target-dir"]);
    run::succeed(tarpaulin.arg(run::target()?.join("tarpaulin")))
}

/// Checks the dependencies against `deny.toml`, in the workspace and in `fuzz/`. Their advisories are not checked,
/// because the database of advisories is on GitHub.
fn deny() -> Outcome {
    install("deny")?;
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let mut deny = cargo(&["deny", "--locked", "--manifest-path", manifest, "--config", "deny.toml"]);
        run::succeed(deny.args(["check", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}

/// Installs a subcommand of cargo unless it is already installed.
fn install(subcommand: &str) -> Outcome {
    let known = run::output(&mut cargo(&["--list"]))?;
    if known.lines().any(|line| line.trim_start().split(' ').next() == Some(subcommand)) {
        return Ok(());
    }
    run::succeed(&mut cargo(&["install", "--locked", &format!("cargo-{subcommand}")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finding_of_a_fuzzer_is_quoted() {
        let output = "#7\tNEW    cov: 3 ft: 3\n\nthread '<unnamed>' panicked at src/data.rs:9:5:\n  left: 1\n right: 2\n\
            ==7== ERROR: libFuzzer: deadly signal\n    #0 0x5 in main\n\
            artifact_prefix='a/'; Test unit written to a/crash-1\n";
        let report = failure(output);
        assert_eq!(report.lines().count(), 5, "{report}");
        assert!(report.ends_with("Test unit written to a/crash-1"));
    }

    #[test]
    fn parts_are_found_by_name() {
        assert_eq!(Part::named("mutants"), Some(Part::Mutants));
        assert_eq!(Part::named("down"), None);
    }
}
