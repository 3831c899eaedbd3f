//! What the figures of a run depend on: the machine, the versions, and how fast the disk syncs.

use super::floor::Synced;
use super::page::millis;
use std::path::Path;
use xtask::run::{self, Outcome, command};

/// Returns a table that describes the machine, without what cannot be determined.
pub(super) fn describe(folder: &Path, sync: &Synced) -> String {
    let mut lines = vec![("Measured", output_of("date", &["-u", "+%Y-%m-%d"]))];
    lines.push((
        "Processor",
        field("/proc/cpuinfo", "model name").map(|model| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            format!("{model}, {cores} cores, shared by server and load")
        }),
    ));
    lines.push(("Memory", memory()));
    lines.push(("Kernel", output_of("uname", &["-sr"])));
    lines.push((
        "File system",
        output_of("findmnt", &["-n", "-o", "FSTYPE", "-T", &folder.display().to_string()]),
    ));
    lines.push((
        "A write of 4 KiB and its sync",
        Some(format!("p50 {}, p99 {}, longest {}", millis(sync.p50), millis(sync.p99), millis(sync.max))),
    ));
    lines.push(("Compiler", output_of("rustc", &["--version"])));
    let line = |(what, is): (&str, Option<String>)| Some(format!("| {what} | {} |\n", is?));
    let lines: String = lines.into_iter().filter_map(line).collect();
    format!("| | |\n|---|---|\n{lines}")
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output: Outcome<String> = run::output(command(program).args(arguments));
    output.ok().map(|text| text.trim().to_owned())
}

fn memory() -> Option<String> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse().ok()?;
    Some(format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

/// Returns what follows `KEY :` in a file of the kernel.
fn field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
