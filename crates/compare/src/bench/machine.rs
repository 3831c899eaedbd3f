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
    lines.push(("Its instructions for hashes", instruction_sets()));
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

/// Returns which of the instruction sets that speed up hashes the processor has.
fn instruction_sets() -> Option<String> {
    // The first is the name on x86, the second on ARM.
    let has = field("/proc/cpuinfo", "flags").or_else(|| field("/proc/cpuinfo", "Features"))?;
    Some(sets_for_hashes(&has))
}

fn sets_for_hashes(has: &str) -> String {
    const SETS: [(&str, &str); 6] = [
        ("sse4_1", "SSE4.1"),
        ("avx2", "AVX2"),
        ("avx512f", "AVX-512"),
        ("sha_ni", "SHA"),
        ("asimd", "NEON"),
        ("sha2", "SHA"),
    ];
    let names = SETS.iter().filter(|(flag, _)| has.split(' ').any(|word| word == *flag));
    let names: Vec<&str> = names.map(|(_, name)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Returns what follows `KEY :` in a file of the kernel.
fn field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_are_named() {
        assert_eq!(sets_for_hashes("fpu sse4_1 avx2 sha_ni"), "SSE4.1, AVX2, SHA");
        assert_eq!(sets_for_hashes("fp asimd sha2"), "NEON, SHA");
        assert_eq!(sets_for_hashes("fpu sse2"), "none");
    }
}
