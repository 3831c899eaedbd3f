//! `listgate work` as a process, and the processes that it started.

use crate::support::{PATIENCE, Site, until};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

/// Runs `listgate work ARGUMENTS -- HANDLER` to its end.
pub(crate) fn work(site: &Site, arguments: &[&str], handler: &[&str]) -> Output {
    command(site, arguments, handler).output().unwrap()
}

pub(crate) fn command(site: &Site, arguments: &[&str], handler: &[&str]) -> Command {
    let mut command = site.command();
    command.arg("work").args(arguments).args(["--config", &site.without_engine(), "--"]).args(handler);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A `listgate work` that is killed when dropped.
pub(crate) struct Workers(Child);

impl Workers {
    pub(crate) fn start(site: &Site, arguments: &[&str], handler: &[&str]) -> Self {
        Self(command(site, arguments, handler).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts one whose standard error [`error_output`](Self::error_output) returns.
    pub(crate) fn start_piped(site: &Site, arguments: &[&str], handler: &[&str]) -> Self {
        Self(command(site, arguments, handler).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Returns what it wrote to standard error, once it has ended.
    pub(crate) fn error_output(&mut self) -> String {
        let stderr = self.0.stderr.take().expect("stderr is piped, and taken only once");
        std::io::read_to_string(stderr).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Returns the running commands, which are its children except for the watcher.
    pub(crate) fn running(&self) -> Vec<u32> {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let is_command = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            !line.is_empty() && !String::from_utf8_lossy(&line).contains("listgate")
        };
        children.split_whitespace().map(|pid| pid.parse().unwrap()).filter(is_command).collect()
    }

    pub(crate) fn until_running(&mut self, count: usize) -> Vec<u32> {
        until("the commands run", || self.running().len() >= count);
        self.running()
    }

    /// Returns its resident memory, in octets.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits until SIGTERM does not simply end it.
    pub(crate) fn until_it_handles_signals(&self) {
        let status = format!("/proc/{}/status", self.0.id());
        until("it handles signals", || {
            let status = std::fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            // Signal 1 is the last bit, and SIGTERM is 15.
            u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
        });
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while self.is_running() {
            assert!(Instant::now() < end, "listgate work does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.0.wait().unwrap().code()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a process group is empty, except for dead processes that are not reaped yet.
pub(crate) fn until_group_has_ended(group: &str) {
    until("everybody in the process group has ended", || {
        let living = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
            let stat = std::fs::read_to_string(process.ok()?.path().join("stat")).ok()?;
            // "PID (NAME) STATE PARENT GROUP …"; NAME may contain anything.
            let words: Vec<String> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
            (words[2] == group && words[0] != "Z").then_some(())
        });
        living.count() == 0
    });
}
