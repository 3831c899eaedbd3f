//! The log on standard error.

mod fields;
mod terminal;

use crate::log_lines::Lines;
use crate::work::ProgressLine;
use fields::{PlainFields, PlainTime};
use std::io::{self, IsTerminal, Write};
use terminal::OnTerminal;
use tracing::level_filters::LevelFilter;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

pub(super) fn start(format: LogFormat) {
    // A line that cannot be written is lost. Reporting that on standard error would fail too, with a panic.
    let log = tracing_subscriber::fmt().with_writer(|| Lines).with_target(false).log_internal_errors(false);
    match format {
        LogFormat::Text if io::stderr().is_terminal() => log.event_format(OnTerminal).init(),
        LogFormat::Text => log.with_ansi(false).with_timer(PlainTime).fmt_fields(PlainFields).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Starts the log on a terminal whose last line shows the progress. It shows only warnings and errors, above that
/// line.
pub(super) fn start_above(progress: ProgressLine) {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).log_internal_errors(false);
    log.event_format(OnTerminal).with_writer(move || Above(progress.clone())).init();
}

struct Above(ProgressLine);

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut terminal = io::stderr().lock();
        self.0.erase(&mut terminal)?;
        terminal.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
