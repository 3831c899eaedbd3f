//! The steps of a command.

use std::time::Instant;
use xtask::run::{Outcome, report};

/// The steps of a command. If one fails, the next still runs.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<Failure>,
}

struct Failure {
    step: String,
    reason: String,
}

impl Steps {
    /// Runs one step, announces it before and prints its time after.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        println!("::: {name}");
        let start = Instant::now();
        let outcome = step();
        let done = report(outcome.clone());
        let result = if done { "ok" } else { "FAILED" };
        println!("::: {name}: {result} ({:.1} s)\n", start.elapsed().as_secs_f64());
        if let Err(reason) = outcome {
            self.failed.push(Failure { step: name.to_owned(), reason });
        }
    }

    /// Prints the failed steps with their reasons once more, and returns whether there were none. Of a long log, often
    /// only the end is kept.
    pub(crate) fn finish(&self) -> bool {
        for Failure { step, reason } in &self.failed {
            println!("failed: {step}: {reason}");
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
