//! How far it is, in one line on the terminal.

use crate::limits;
use crate::queue::Verdict;
use std::io::{self, Write};
use std::time::Instant;

/// Erases the line that the cursor is in.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[K";

pub(super) struct Progress {
    on: bool,
    done: u64,
    put_off: u64,
    shunted: u64,
    /// When the line was drawn last, and how many had ended by then.
    drawn: (Instant, u64),
}

impl Progress {
    pub(super) fn new(on: bool) -> Self {
        Self { on, done: 0, put_off: 0, shunted: 0, drawn: (Instant::now(), 0) }
    }

    pub(super) fn count(&mut self, verdict: &Verdict, counts: bool) {
        match verdict {
            _ if !counts => {}
            Verdict::Done => self.done += 1,
            Verdict::Retry { .. } => self.put_off += 1,
            Verdict::Shunt { .. } => self.shunted += 1,
            Verdict::Release => {}
        }
    }

    /// Now and then.
    pub(super) fn draw(&mut self, running: usize) {
        let (drawn, ended_then) = self.drawn;
        let since = drawn.elapsed();
        if !self.on || since < limits::PROGRESS {
            return;
        }
        let ended = self.done + self.put_off + self.shunted;
        let rate = (ended - ended_then) as f64 / since.as_secs_f64();
        self.drawn = (Instant::now(), ended);
        write(&format!("{CLEAR_LINE}{self}, {running} running, {rate:.0} a second"));
    }

    pub(super) fn end(&self) {
        if self.on {
            write(&format!("{CLEAR_LINE}{self}\n"));
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done, {} put off, {} shunted", self.done, self.put_off, self.shunted)
    }
}

/// A terminal that is gone needs no progress.
fn write(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
