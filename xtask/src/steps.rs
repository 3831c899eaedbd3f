//! The steps that an errand is made of.

use std::time::Instant;
use xtask::run::{Outcome, told};

/// The steps of an errand: one that fails does not keep the next from running.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Takes one step, announced before and timed after.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        println!("::: {name}");
        let start = Instant::now();
        let done = told(step());
        println!(
            "::: {name}: {} ({:.1} s)\n",
            if done { "ok" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        if !done {
            self.failed.push(name.to_owned());
        }
    }

    /// Whether every step succeeded; names those that did not.
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
