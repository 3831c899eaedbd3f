//! The steps of an errand.

use std::time::Instant;
use xtask::run::{Outcome, report};

/// The steps of an errand. If one fails, the next still runs.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs one step, announces it before and prints its time after.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        println!("::: {name}");
        let start = Instant::now();
        let done = report(step());
        println!(
            "::: {name}: {} ({:.1} s)\n",
            if done { "ok" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        if !done {
            self.failed.push(name.to_owned());
        }
    }

    /// Prints the names of the failed steps, and returns whether there were none.
    pub(crate) fn finish(&self) -> bool {
        for name in &self.failed {
            println!("failed: {name}");
        }
        self.failed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_remembered_and_the_next_one_runs() {
        let mut steps = Steps::default();
        let mut ran = false;
        steps.step("one that fails", || Err("on purpose".into()));
        steps.step("the next", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert!(!steps.finish());
    }
}
