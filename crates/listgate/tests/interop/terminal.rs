//! A terminal to run commands in, which `script` provides, and comparisons of what a page shows with what is
//! printed.

use crate::support::PATIENCE;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A terminal. Dropping it presses Ctrl-C, and kills `script` if that does not end it.
pub(crate) struct Terminal {
    script: Child,
    output: PathBuf,
}

impl Terminal {
    /// Runs a shell command line in `home`, with `listgate` on its PATH.
    pub(crate) fn start(home: &Path, line: &str, output: &Path) -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_listgate")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let script = Command::new("script")
            .args(["--quiet", "--return", "--command", line, "/dev/null"])
            .env("PATH", format!("{}:{path}", built.display()))
            .env("SHELL", "/bin/sh")
            .env_remove("LISTGATE_DATA_DIR")
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(File::create(output).unwrap())
            .spawn()
            .unwrap();
        Self { script, output: output.to_owned() }
    }

    /// Returns all that it printed, without escape sequences.
    pub(crate) fn printed(&self) -> String {
        let text = String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned();
        let mut parts = text.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |all, part| {
            all + part.trim_start_matches(|c: char| !c.is_alphabetic()).get(1..).unwrap_or("")
        })
    }

    /// Presses Ctrl-C. The system discards what the program has written and the terminal has not shown yet, so
    /// first wait for what must be shown.
    pub(crate) fn interrupt(&mut self) {
        self.script.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.script.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end: {}", self.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    /// A gate takes the end of `script` for a SIGHUP, which does not end it, so it must get a Ctrl-C.
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        let stdin = self.script.stdin.as_mut().unwrap();
        if stdin.write_all(b"\x03").is_ok() {
            while matches!(self.script.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Returns whether all that was printed is what is shown: the same words, except for times. `...` stands for
/// any words, and at the beginning of a path for the directories before it.
pub(crate) fn agree(shown: &str, printed: &str) -> bool {
    same(&words(shown), &words(printed), true)
}

/// Returns whether what is shown appears somewhere in what was printed.
pub(crate) fn has(printed: &str, shown: &str) -> bool {
    let (shown, printed) = (words(shown), words(printed));
    (0..=printed.len()).any(|start| same(&shown, &printed[start..], false))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Returns whether the printed words are those shown or, unless they must match as a `whole`, begin with those
/// shown.
fn same(shown: &[&str], printed: &[&str], whole: bool) -> bool {
    match (shown, printed) {
        ([], _) => printed.is_empty() || !whole,
        (["...", rest @ ..], _) => (0..=printed.len()).any(|skipped| same(rest, &printed[skipped..], whole)),
        (_, []) => false,
        ([word, rest @ ..], [first, others @ ..]) => {
            let ends = |end: &str| first.starts_with('/') && first.ends_with(end);
            let is_path = word.strip_prefix("...").is_some_and(ends);
            (word == first || is_path || is_time(word) && is_time(first)) && same(rest, others, whole)
        }
    }
}

/// Returns whether a word is a time, such as `2026-01-31T12:00:00Z`, `ms=180`, or an age such as `3s`, with or
/// without brackets.
fn is_time(word: &str) -> bool {
    let word = word.trim_start_matches('(').trim_end_matches(')');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    [20, 24].contains(&word.len()) && word.ends_with('Z')
        || word.strip_prefix("ms=").is_some_and(is_number)
        || word.strip_suffix(['s', 'm']).is_some_and(is_number)
}
