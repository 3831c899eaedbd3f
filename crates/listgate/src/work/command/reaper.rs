//! A helper process of `listgate work` that kills its commands when `work` dies, for whatever reason.
//!
//! `work` reports the process groups of its commands through a pipe. The pipe closes when the last process that
//! can write to it ends, and `work` is the only one.

use crate::systemd;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::env;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The first argument of a process that is to call [`run`]. It is not one of the command line's commands.
pub(crate) const REAPER: &str = "work-reaper";

/// A handle to the helper process, held by `work`. Dropping it ends the process.
pub(super) struct Reaper {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    pub(super) fn start() -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        systemd::keep_from(&mut command);
        command.arg(REAPER).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // In its own process group, it is not reached by signals to ours, such as Ctrl-C.
        let mut process = command.process_group(0).spawn()?;
        Ok(Self { pipe: process.stdin.take(), process })
    }

    /// Registers a process group to be killed if this process dies.
    pub(super) fn began(&self, group: Pid) {
        self.send(format!("+{}\n", group.as_raw_nonzero()));
    }

    /// Unregisters a process group that has ended.
    pub(super) fn ended(&self, group: Pid) {
        self.send(format!("-{}\n", group.as_raw_nonzero()));
    }

    /// Sends a line in a single write, which a pipe does not split.
    fn send(&self, line: String) {
        if let Some(mut pipe) = self.pipe.as_ref()
            && let Err(why) = pipe.write_all(line.as_bytes())
        {
            tracing::warn!("no process would end the commands if this one were killed: {why}");
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.pipe = None;
        // The process ends at the end of its input, or has ended already.
        let _ = self.process.wait();
    }
}

/// Runs the helper process: waits for the end of its input, then kills the process groups that are left.
pub(crate) fn run() -> io::Result<()> {
    let mut groups = HashSet::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let group = |digits: &str| digits.parse().ok().and_then(Pid::from_raw);
        match (line.strip_prefix('+').and_then(group), line.strip_prefix('-').and_then(group)) {
            (Some(began), _) => drop(groups.insert(began)),
            (_, Some(ended)) => drop(groups.remove(&ended)),
            (None, None) => {}
        }
    }
    for group in groups {
        // The group may have just ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(())
}
