//! Runs programs under strace.

use crate::calls::CALLS;
use crate::patience::until;
use crate::program::program;
use crate::server::Server;
use crate::site::Site;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns a command that runs `listgate` on this data directory under strace, which records writes, syncs,
/// and names that are created or removed. Arguments may be added.
pub fn strace(site: &Site, trace: &Path, options: &[&str]) -> Command {
    let mut strace = traced(trace, CALLS, options);
    strace.env("LISTGATE_DATA_DIR", site.data());
    strace
}

/// Returns a command that runs `listgate` under strace, which records these calls. Arguments may be added.
pub fn traced(trace: &Path, calls: &str, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-e", &format!("trace={calls}")]);
    strace.args(["-f", "-y", "-q", "-o"]).arg(trace).args(options);
    strace.arg("--").arg(program());
    strace
}

/// Waits for the end of a gate that was asked to stop, or killed, and returns its trace.
pub fn finished(mut server: Server, trace: &Path) -> String {
    assert!(matches!(server.wait(), Some(0) | None));
    let pid = server.child.id().to_string();
    let is_end = |line: &str| line.starts_with(&pid) && line.ends_with(" +++");
    until("strace has written everything", || {
        fs::read_to_string(trace).unwrap().lines().next_back().is_some_and(is_end)
    });
    fs::read_to_string(trace).unwrap()
}
