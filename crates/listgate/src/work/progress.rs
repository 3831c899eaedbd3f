//! The progress of `listgate work`, in one line on the terminal.

use crate::limits;
use crate::model::Verdict;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Erases the line that the cursor is on.
const CLEAR_LINE: &str = "\r\x1b[K";

/// A handle to the terminal's progress line, shared with the log, whose lines appear above it.
#[derive(Clone, Default, Debug)]
pub(crate) struct ProgressLine {
    was_erased: Arc<AtomicBool>,
}

impl ProgressLine {
    /// Erases the progress line to make room for a line of the log. The progress is drawn again below it.
    pub(crate) fn erase(&self, terminal: &mut impl Write) -> io::Result<()> {
        self.was_erased.store(true, Ordering::Relaxed);
        terminal.write_all(CLEAR_LINE.as_bytes())
    }
}

pub(super) struct Progress {
    /// Where the progress is drawn; `None`: nowhere.
    line: Option<ProgressLine>,
    done: u64,
    deferred: u64,
    shunted: u64,
    /// When the rate was last measured, and how many entries had ended by then.
    measured: (Instant, u64),
    /// The text that was last drawn. It is still on the terminal unless the log has erased it.
    drawn: String,
}

impl Progress {
    pub(super) fn new(line: Option<ProgressLine>) -> Self {
        Self { line, done: 0, deferred: 0, shunted: 0, measured: (Instant::now(), 0), drawn: String::new() }
    }

    pub(super) fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Done => self.done += 1,
            Verdict::Retry { .. } => self.deferred += 1,
            Verdict::Shunt { .. } => self.shunted += 1,
            Verdict::Release => {}
        }
    }

    /// Draws the progress at most twice a second, and only if it has changed or the log has erased it.
    pub(super) fn draw(&mut self, running: usize) {
        let Some(line) = self.line.clone() else { return };
        let (measured, ended_then) = self.measured;
        let since = measured.elapsed();
        if since < limits::PROGRESS {
            return;
        }
        let ended = self.done + self.deferred + self.shunted;
        let rate = (ended - ended_then) as f64 / since.as_secs_f64();
        self.measured = (Instant::now(), ended);
        let text = format!("{self}, {running} running, {rate:.0} a second");
        if line.was_erased.swap(false, Ordering::Relaxed) || text != self.drawn {
            write(&format!("{CLEAR_LINE}{text}"));
            self.drawn = text;
        }
    }

    pub(super) fn end(&self) {
        if self.line.is_some() {
            write(&format!("{CLEAR_LINE}{self}\n"));
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done, {} deferred, {} shunted", self.done, self.deferred, self.shunted)
    }
}

/// Writes to standard error. Errors are ignored: a closed terminal needs no progress.
fn write(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
