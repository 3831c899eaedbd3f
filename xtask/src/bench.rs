//! `cargo xtask bench`: the benchmarks. They are a separate tool (`crates/compare`), so that nothing else has
//! to compile them.

use std::os::unix::process::CommandExt;
use std::process::Command;
use xtask::run::{Outcome, cargo};

/// Returns the benchmark tool with these arguments.
pub(crate) fn tool(words: &[&str]) -> Command {
    let mut tool = cargo(&["run", "--quiet", "--package", "listgate-compare", "--"]);
    tool.args(words);
    tool
}

/// Replaces this process with the benchmark tool. Returns only if that fails.
pub(crate) fn run(words: &[&str]) -> Outcome {
    Err(format!("cannot run cargo: {}", tool(words).exec()))
}
