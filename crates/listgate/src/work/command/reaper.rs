//! A process beside `listgate work` that ends its commands when it dies, however it dies.
//!
//! It is told by a pipe which process groups there are. The pipe ends with the last process that could
//! write to it, and `work` is the only one.

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::env;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The name of the hidden subcommand that [`run`] is.
pub(crate) const SUBCOMMAND: &str = "work-reaper";

/// The process, as `work` sees it. Dropped, it ends.
pub(super) struct Reaper {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    pub(super) fn start() -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What ends us all in our own group, such as Ctrl-C, is not for it.
        let mut process = command.process_group(0).spawn()?;
        Ok(Self { pipe: process.stdin.take(), process })
    }

    /// A process group is to be ended with us.
    pub(super) fn began(&self, group: Pid) {
        self.tell(format!("+{}\n", group.as_raw_nonzero()));
    }

    /// It has ended.
    pub(super) fn ended(&self, group: Pid) {
        self.tell(format!("-{}\n", group.as_raw_nonzero()));
    }

    /// In one write, which a pipe keeps whole.
    fn tell(&self, line: String) {
        if let Some(mut pipe) = self.pipe.as_ref()
            && let Err(why) = pipe.write_all(line.as_bytes())
        {
            tracing::warn!("nobody would end the commands if this process were killed: {why}");
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.pipe = None;
        // It ends at the end of its input; if it is gone already, all the better.
        let _ = self.process.wait();
    }
}

/// The process itself: waits for the end of its input, then ends what is left.
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
        // It may have ended at this moment.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(())
}
