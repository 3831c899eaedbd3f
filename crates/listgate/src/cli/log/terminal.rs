//! A format for log events on a terminal, using several lines where one would be too long to read.
//!
//! A mail transaction gets one line for each recipient. When standard error is not a terminal, each event is one
//! line, however long, for programs that read logs.

use crate::cli::output::{flowed, printable};
use std::fmt::{self, Debug};
use std::io;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The width in columns of the time and the level, such as `2026-01-31T12:00:00Z  INFO`.
const TIME_AND_LEVEL: usize = 26;

/// The indentation of each line after the first, and of the continuation of such a line.
const INDENT: usize = 4;
const DEEPER: usize = 8;

/// The fields of a mail that are shown last, because few readers need them.
const LAST: [&str; 2] = ["message_id", "peer"];

/// The formatter for events on a terminal.
pub(super) struct OnTerminal;

impl<S, N> FormatEvent<S, N> for OnTerminal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut shown = Shown::default();
        event.record(&mut shown);
        let time = humantime::format_rfc3339_seconds(SystemTime::now());
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[2m{time}\x1b[0m \x1b[{}m{level:>5}\x1b[0m", colour(level))?;
        } else {
            write!(writer, "{time} {level:>5}")?;
        }
        writeln!(writer, "{}", shown.in_columns(columns()))
    }
}

/// Returns the number of a level's colour (ECMA-48 section 8.3.117).
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// Returns the current width of the terminal in columns, or 80 if it is unknown.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// The contents of an event.
#[derive(Default)]
struct Shown {
    message: String,
    /// The fields, each in the form `size=61`.
    fields: Vec<String>,
    /// The fields of a mail that are shown last.
    last: Vec<String>,
    /// The recipients of a mail, each with its outcome.
    recipients: Option<Vec<String>>,
}

impl Visit for Shown {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "to" {
            self.recipients = Some(recipients(value));
        } else if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '"') {
            self.record_debug(field, &value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name if LAST.contains(&name) => self.last.push(format!("{name}={value:?}")),
            name => self.fields.push(format!("{name}={value:?}")),
        }
    }
}

impl Shown {
    /// Returns the text after the time and the level, without the final newline.
    fn in_columns(&self, columns: usize) -> String {
        let (fields, last) = (self.fields.join(" "), self.last.join(" "));
        let first = |text: &str| flowed(&printable(text), TIME_AND_LEVEL, INDENT, columns);
        let Some(recipients) = &self.recipients else {
            return first(&format!("{} {fields} {last}", self.message));
        };
        let mut text = first(&format!("{} {fields}", self.message));
        for line in recipients.iter().chain([&last]) {
            text.push_str(&format!("\n{:INDENT$}{}", "", flowed(&printable(line), INDENT, DEEPER, columns)));
        }
        text
    }
}

/// Splits the `to` field into one string for each recipient. A refusal may contain commas too, but no address
/// follows them.
fn recipients(to: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for part in to.split(", ") {
        match all.last_mut() {
            Some(before) if !begins_a_recipient(part) || has_open_quotes(before) => {
                before.push_str(", ");
                before.push_str(part);
            }
            _ => all.push(part.to_owned()),
        }
    }
    all
}

/// Returns whether `part` starts with an address, or reads like `and 5 more refused`.
fn begins_a_recipient(part: &str) -> bool {
    match part.split_once(' ').unwrap_or((part, "")) {
        ("postmaster", _) => true,
        ("and", rest) => rest.ends_with("more refused"),
        (word, _) => word.contains('@') || word.starts_with('"'),
    }
}

/// Returns whether the text ends within a quoted local part.
fn has_open_quotes(text: &str) -> bool {
    text.matches('"').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "bob@example.com 452 4.3.1 The queue in is full, try again later";

    #[test]
    fn each_recipient_is_found_with_its_outcome() {
        let queued =
            "anne@example.com in/post mylist.example.com 1-1 (received before: queued again and marked)";
        for all in [
            &[REFUSED, queued, "postmaster 550 5.1.1 No", "and 5 more refused"][..],
            &[r#""a, b@c"@example.com 550 5.1.1 No"#, REFUSED],
            &[queued, r#""a b"@example.com 550 5.1.1 No"#, "anne@example.com"],
            &["a***@example.com", "b***@example.com"],
        ] {
            assert_eq!(recipients(&all.join(", ")), all);
        }
    }

    #[test]
    fn a_transaction_has_a_line_for_each_recipient_and_indents_continuations() {
        let shown = Shown {
            message: "transaction".to_owned(),
            fields: ["id=1", "from=anne@example.org", "size=61", "ms=3"].map(str::to_owned).to_vec(),
            last: vec!["message_id=<1@example.org>".to_owned(), "peer=127.0.0.1".to_owned()],
            recipients: Some(vec![REFUSED.to_owned(), "\x1b[2Janne@example.com".to_owned()]),
        };
        let wide = "transaction id=1 from=anne@example.org size=61 ms=3
    bob@example.com 452 4.3.1 The queue in is full, try again later
    [2Janne@example.com
    message_id=<1@example.org> peer=127.0.0.1";
        assert_eq!(shown.in_columns(80).trim_start(), wide);
        let narrow = "transaction
    id=1 from=anne@example.org size=61
    ms=3
    bob@example.com 452 4.3.1 The queue
        in is full, try again later
    [2Janne@example.com
    message_id=<1@example.org>
        peer=127.0.0.1";
        assert_eq!(shown.in_columns(40).trim_start(), narrow);
    }

    #[test]
    fn an_event_without_recipients_is_one_paragraph() {
        let message = "a word ".repeat(20);
        let shown = Shown { message, fields: vec!["ms=3".to_owned()], ..Shown::default() };
        let text = shown.in_columns(60);
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths[0] <= 60 - TIME_AND_LEVEL && widths.iter().all(|width| *width <= 60), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    ")), "{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words.join(" "), format!("{}ms=3", shown.message));
    }
}
