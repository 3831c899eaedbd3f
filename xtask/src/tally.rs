//! Reads the output of `cargo test` and counts the results.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// The counts from the output of one `cargo test`, which is read line by line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Test binaries that ended without a result.
    pub(crate) died: u64,
    ignored: u64,
    ignored_by_name: u64,
    /// The ignored tests by name. Two test binaries may have a test of the same name, and a filter by name
    /// selects both, so each name collects the reasons of all its tests.
    pub(crate) reasons: BTreeMap<String, BTreeSet<String>>,
    /// What the failed tests printed: for each, the line with its name, and the last lines of its output.
    failures: Vec<VecDeque<String>>,
    /// Whether a test binary has started and has not printed its result yet.
    open: bool,
    /// Whether the lines that are being read belong to the last of `failures`.
    in_failure: bool,
}

/// How many lines of a failed test's output are kept.
const KEPT: usize = 30;

impl Tally {
    pub(crate) fn read(&mut self, line: &str) {
        self.keep_failure(line);
        if let Some(result) = line.strip_prefix("test result: ") {
            self.open = false;
            self.add(result);
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some((name, reason)) = ignored(test) {
                self.ignored_by_name += 1;
                self.reasons.entry(name.to_owned()).or_default().insert(reason.to_owned());
            }
        } else if is_beginning(line) {
            self.finish();
            self.open = true;
        }
    }

    /// Must be called after the last line. A test binary that died (aborted, or ended by `exit`) prints no
    /// result, so none of its tests would be counted. It counts as one failed test.
    pub(crate) fn finish(&mut self) {
        if std::mem::take(&mut self.open) {
            self.died += 1;
            self.failed += 1;
        }
    }

    /// Keeps what a test binary prints about its failed tests: one part for each, then `failures:` and their names.
    /// Backtraces are left out.
    fn keep_failure(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" ----") {
            self.failures.push(VecDeque::from([line.to_owned()]));
            self.in_failure = true;
        } else if matches!(line, "failures:" | "stack backtrace:") || line.starts_with("test result: ") {
            self.in_failure = false;
        } else if let Some(failure) = self.failures.last_mut().filter(|_| self.in_failure && !line.is_empty())
        {
            failure.push_back(line.to_owned());
            if failure.len() > KEPT {
                failure.remove(1);
            }
        }
    }

    /// Returns what the failed tests printed, as text.
    pub(crate) fn failures(&self) -> String {
        self.failures.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn ran(&self) -> u64 {
        self.passed + self.failed
    }

    /// Returns how many tests were ignored: by the results, or by name if a binary died without a result.
    fn ignored(&self) -> u64 {
        self.ignored.max(self.ignored_by_name)
    }

    /// Adds counts such as `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
    fn add(&mut self, result: &str) {
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for (number, what) in counts.split("; ").filter_map(|count| count.split_once(' ')) {
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Returns whether a line is the start of a test binary: `running 12 tests`, `running 1 test`.
fn is_beginning(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    matches!(words[..], ["running", number, "test" | "tests"] if number.parse::<u64>().is_ok())
}

/// Returns name and reason from what follows `test ` in `test NAME ... ignored, REASON`.
fn ignored(test: &str) -> Option<(&str, &str)> {
    let (name, rest) = test.rsplit_once(" ... ignored")?;
    let reason = if rest.is_empty() { "no reason given" } else { rest.strip_prefix(", ")? };
    Some((name.strip_suffix(" - should panic").unwrap_or(name), reason))
}

/// The closing line of a command that runs tests.
#[derive(Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Summary {
    /// Combines a run of all tests and a run of the ignored tests whose peers are available. Every test
    /// ignored by the first and not run by the second is skipped, whether or not its name is known.
    pub(crate) fn of(first: &Tally, second: &Tally) -> Self {
        Self {
            passed: first.passed + second.passed,
            failed: first.failed + second.failed,
            skipped: first.ignored().saturating_sub(second.ran()),
        }
    }

    /// Returns whether this is a success: something ran, nothing failed, and nothing was skipped that must run.
    pub(crate) fn is_good(&self, no_skips: bool) -> bool {
        self.passed > 0 && self.failed == 0 && !(no_skips && self.skipped > 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally.finish();
        tally
    }

    const TWO_BINARIES: &str = "
running 3 tests
test data::empty ... ok
test reply::panics - should panic ... ok
test interop::postfix ... ignored, needs postfix

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s


running 4 tests
test interop::swaks ... ignored, needs swaks, strace
test slow - should panic ... ignored, needs valgrind
test crates/lmtp/src/lib.rs - (line 12) ... ignored
test fails ... FAILED

failures:

---- fails stdout ----
thread 'fails' panicked at src/lib.rs:1:1
stack backtrace:
   0: core::panicking::panic_fmt

test result: FAILED. 0 passed; 1 failed; 3 ignored; 0 measured; 2 filtered out; finished in 1.50s
";

    #[test]
    fn results_are_summed_up() {
        let tally = read(TWO_BINARIES);
        assert_eq!((tally.passed, tally.failed, tally.ignored), (2, 1, 4));
    }

    #[test]
    fn ignored_tests_are_named_with_their_reasons() {
        let tally = read(TWO_BINARIES);
        let named: Vec<_> =
            tally.reasons.iter().flat_map(|(n, r)| r.iter().map(|r| (n.as_str(), r.as_str()))).collect();
        assert_eq!(
            named,
            [
                ("crates/lmtp/src/lib.rs - (line 12)", "no reason given"),
                ("interop::postfix", "needs postfix"),
                ("interop::swaks", "needs swaks, strace"),
                ("slow", "needs valgrind"),
            ]
        );
    }

    #[test]
    fn the_output_of_a_failed_test_is_kept() {
        let tally = read(TWO_BINARIES);
        let expected = ["---- fails stdout ----", "thread 'fails' panicked at src/lib.rs:1:1"];
        assert_eq!(tally.failures(), expected.join("\n"));
    }

    #[test]
    fn of_a_long_output_the_last_lines_are_kept() {
        let lines: String = (1..=100).map(|number| format!("line {number}\n")).collect();
        let tally = read(&format!("failures:\n\n---- a stdout ----\n{lines}\n\nfailures:\n    a\n"));
        let failure: Vec<&str> = tally.failures[0].iter().map(String::as_str).collect();
        assert_eq!(failure.len(), KEPT);
        assert_eq!(failure[0], "---- a stdout ----");
        assert_eq!(failure[1..3], ["line 72", "line 73"]);
        assert_eq!(failure.last(), Some(&"line 100"));
    }

    #[test]
    fn one_name_in_two_binaries_collects_both_reasons() {
        let tally = read("test a ... ignored, needs postfix\ntest a ... ignored, needs exim4");
        assert_eq!(tally.reasons["a"].len(), 2);
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let died_last = "running 2 tests\ntest a ... ok\n";
        assert_eq!(read(died_last).failed, 1);
        let died_first =
            format!("{died_last}running 1 test\ntest b ... ok\ntest result: ok. 1 passed; 0 failed");
        let tally = read(&died_first);
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }

    #[test]
    fn the_output_of_a_test_is_not_counted() {
        let tally = read("running late\n  test result: ok. 9 passed\ntest of patience ... ignored by all\n");
        assert_eq!((tally.passed, tally.failed, tally.reasons.len()), (0, 0, 0));
    }

    #[test]
    fn an_ignored_test_is_either_skipped_or_run() {
        let first = Tally { passed: 10, ignored: 4, ..Tally::default() };
        let second = Tally { passed: 2, failed: 1, ..Tally::default() };
        let summary = Summary::of(&first, &second);
        assert_eq!(summary.to_string(), "12 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn tests_ignored_by_a_dying_binary_count_as_skipped() {
        let first = read("running 2 tests\ntest a ... ignored, needs exim4\n");
        assert_eq!(Summary::of(&first, &Tally::default()), Summary { passed: 0, failed: 1, skipped: 1 });
    }

    #[test]
    fn a_run_is_good_if_something_ran_and_nothing_failed() {
        let summary = |passed, failed, skipped| Summary { passed, failed, skipped };
        assert!(summary(1, 0, 0).is_good(true));
        assert!(summary(1, 0, 1).is_good(false));
        assert!(!summary(1, 0, 1).is_good(true));
        assert!(!summary(1, 1, 0).is_good(false));
        assert!(!summary(0, 0, 0).is_good(false), "nothing was run");
    }
}
