//! The processor time of a server. It varies less than a rate, which depends on what else the machine does.

use std::collections::HashMap;
use std::ops::{Div, Sub};
use xtask::run::Outcome;

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessorTime {
    pub(crate) user: f64,
    pub(crate) kernel: f64,
}

impl ProcessorTime {
    /// Returns the time so far of a process and its children, to a tick of the kernel (usually 10 ms).
    pub(crate) fn of(root: u32) -> Outcome<Self> {
        let failed = |error| format!("the processes of {root}: {error}");
        let mut all = Vec::new();
        for process in std::fs::read_dir("/proc").map_err(failed)? {
            let process = process.map_err(failed)?;
            // Not `self` and `thread-self`, which are the calling process again.
            if process.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
                continue;
            }
            // The process may have ended meanwhile.
            all.extend(
                std::fs::read_to_string(process.path().join("stat")).ok().as_deref().and_then(Stat::read),
            );
        }
        let of_tick = 1e6 / rustix::param::clock_ticks_per_second() as f64;
        let (user, kernel) = ticks(&all, root).ok_or_else(|| format!("the process {root} has ended"))?;
        Ok(Self { user: user as f64 * of_tick, kernel: kernel as f64 * of_tick })
    }

    pub(crate) fn sum(self) -> f64 {
        self.user + self.kernel
    }
}

impl Sub for ProcessorTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, kernel: self.kernel - earlier.kernel }
    }
}

impl Div<f64> for ProcessorTime {
    type Output = Self;

    fn div(self, by: f64) -> Self {
        Self { user: self.user / by, kernel: self.kernel / by }
    }
}

/// A line of `/proc/PID/stat`. The times are in ticks, and include those of children that have ended.
#[derive(Clone, Copy)]
struct Stat {
    id: u32,
    parent: u32,
    user: u64,
    kernel: u64,
}

impl Stat {
    fn read(line: &str) -> Option<Self> {
        // The name may have spaces and parentheses.
        let (before, after) = line.rsplit_once(") ")?;
        let id = before.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = after.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { id, parent, user: number(11)? + number(13)?, kernel: number(12)? + number(14)? })
    }
}

/// Returns the user and kernel time of a process and its children; `None` if it does not exist.
fn ticks(all: &[Stat], root: u32) -> Option<(u64, u64)> {
    let parents: HashMap<u32, u32> = all.iter().map(|stat| (stat.id, stat.parent)).collect();
    parents.get(&root)?;
    let is_below = |stat: &&Stat| {
        let mut ancestors = std::iter::successors(Some(stat.id), |id| parents.get(id).copied());
        ancestors.any(|id| id == root)
    };
    let times = all.iter().filter(is_below).map(|stat| (stat.user, stat.kernel));
    times.reduce(|sum, time| (sum.0 + time.0, sum.1 + time.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_process_and_its_children_are_added() {
        let stat = |id: u32, parent: u32, name: &str| {
            let line = format!("{id} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 {id} 2 3 4 20 0 1 0");
            Stat::read(&line).expect("a line of the kernel")
        };
        let all = [stat(1, 0, "init"), stat(10, 1, "a server) R 5"), stat(100, 10, "x"), stat(101, 100, "y")];
        assert_eq!(ticks(&all, 10), Some((10 + 100 + 101 + 3 * 3, 3 * (2 + 4))));
        assert_eq!(ticks(&all, 101), Some((104, 6)));
        assert_eq!(ticks(&all, 7), None);
    }

    #[test]
    fn the_time_of_this_process_grows() {
        let before = ProcessorTime::of(std::process::id()).expect("we are running");
        let mut now = before;
        while now.sum() <= before.sum() {
            now = ProcessorTime::of(std::process::id()).expect("we are running");
        }
        assert!(((now - before) / 10.0).sum() > 0.0);
    }
}
