//! The lines of the log, on standard error. A thread can gather its lines and write them together before it waits for
//! more work, because a system call for each message takes some percent of the processor time.
//!
//! If the process is killed, the gathered lines are lost. They are not part of any promise: the mail of such a line is
//! already stored or refused.

use crate::limits;
use std::cell::RefCell;
use std::io::{self, Write};

thread_local! {
    /// The lines that this thread has gathered, or `None` if it writes each line at once.
    static GATHERED: RefCell<Option<Gathered>> = const { RefCell::new(None) };
}

/// Lines that are not written yet.
#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
}

impl Gathered {
    /// Adds a line. If there are many now, all are written to `out`.
    fn add(&mut self, line: &[u8], out: &mut impl Write) {
        self.lines.extend_from_slice(line);
        if self.lines.len() >= limits::GATHERED_LINES {
            self.write(out);
        }
    }

    /// Writes all lines to `out`. Those that cannot be written are lost.
    fn write(&mut self, out: &mut impl Write) {
        if !self.lines.is_empty() {
            let _ = out.write_all(&self.lines);
            self.lines.clear();
        }
    }
}

/// While this exists, its thread gathers its lines.
pub(crate) struct Gathering(());

impl Gathering {
    /// Starts to gather the lines of this thread. Call [`write_gathered`] whenever it waits.
    pub(crate) fn start() -> Self {
        GATHERED.set(Some(Gathered::default()));
        Self(())
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        write_gathered();
        GATHERED.set(None);
    }
}

/// Writes the lines that this thread has gathered.
pub(crate) fn write_gathered() {
    GATHERED.with_borrow_mut(|gathered| {
        if let Some(gathered) = gathered {
            gathered.write(&mut io::stderr());
        }
    });
}

/// Where the log is written to. Each call of `write` must have whole lines.
pub(crate) struct Lines;

impl Write for Lines {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        GATHERED.with_borrow_mut(|gathered| match gathered {
            Some(gathered) => {
                gathered.add(lines, &mut io::stderr());
                Ok(lines.len())
            }
            None => io::stderr().write(lines),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_until_they_are_written_or_are_many() {
        let (mut gathered, mut out) = (Gathered::default(), Vec::new());
        gathered.add(b"one\n", &mut out);
        gathered.add(b"two\n", &mut out);
        assert_eq!(out, b"");
        gathered.write(&mut out);
        assert_eq!(out, b"one\ntwo\n");
        let line = [&[b'x'; 99][..], b"\n"].concat();
        for _ in 0..1000 {
            gathered.add(&line, &mut out);
            assert!(gathered.lines.len() < limits::GATHERED_LINES);
        }
        gathered.write(&mut out);
        assert_eq!(out.len(), 8 + 1000 * line.len(), "each once");
    }

    #[test]
    fn a_thread_gathers_its_lines_only_while_it_is_asked_to() {
        let is_gathering = || GATHERED.with_borrow(Option::is_some);
        let gathering = Gathering::start();
        assert!(is_gathering());
        assert!(!std::thread::scope(|scope| scope.spawn(is_gathering).join().unwrap()), "another thread");
        drop(gathering);
        assert!(!is_gathering());
    }
}
