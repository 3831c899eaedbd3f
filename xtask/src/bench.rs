//! `cargo xtask bench`: the benchmarks, which are a tool of their own (`crates/compare`), so that nothing
//! else has to compile them.

use std::os::unix::process::CommandExt;
use std::process::Command;
use xtask::run::{Outcome, cargo};

/// The benchmark tool with these arguments.
pub(crate) fn tool(words: &[&str]) -> Command {
    let mut tool = cargo(&["run", "--quiet", "--package", "listgate-compare", "--"]);
    tool.args(words);
    tool
}

/// Becomes the benchmark tool. Returns only if it cannot.
pub(crate) fn run(words: &[&str]) -> Outcome {
    Err(format!("cannot run cargo: {}", tool(words).exec()))
}
