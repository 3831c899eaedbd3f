//! The time and the fields of an event as text, for a log that is not on a terminal.

use std::fmt::{self, Debug};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::time::FormatTime;

/// Writes the time as the default format does, in less time.
pub(super) struct PlainTime;

impl FormatTime for PlainTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", humantime::format_rfc3339_micros(SystemTime::now()))
    }
}

/// Writes fields as the default format does without colours, in less time: there is an event for each message.
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut plain = Plain { writer, is_first: true, written: Ok(()) };
        fields.record(&mut plain);
        plain.written
    }
}

struct Plain<'w> {
    writer: Writer<'w>,
    is_first: bool,
    written: fmt::Result,
}

impl Plain<'_> {
    /// Writes a field with a value that is written by `value`.
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        let mut write = || {
            if !self.is_first {
                self.writer.write_char(' ')?;
            }
            self.writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.write_char('=')
        };
        self.written = self.written.and_then(|()| write()).and_then(|()| value(&mut self.writer));
        self.is_first = false;
    }

    /// Has the default format write a field.
    fn by_default(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.written.is_ok() {
            let mut visitor = DefaultVisitor::new(self.writer.by_ref(), self.is_first);
            record(&mut visitor);
            self.written = visitor.finish();
            self.is_first = false;
        }
    }
}

impl Visit for Plain<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let needs_escapes = |octet| !matches!(octet, b' '..=b'~') || matches!(octet, b'"' | b'\\');
        if field.name() == "message" || value.bytes().any(needs_escapes) {
            return self.by_default(|visitor| visitor.record_str(field, value));
        }
        self.field(field, |writer| {
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.by_default(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            return self.by_default(|visitor| visitor.record_debug(field, value));
        }
        self.field(field, |writer| write!(writer, "{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::format::DefaultFields;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines of some events.
    fn lines(fields: impl for<'w> FormatFields<'w> + Send + Sync + 'static) -> String {
        let written = Written::default();
        let to = written.clone();
        let log = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).without_time();
        tracing::subscriber::with_default(log.fmt_fields(fields).finish(), || {
            let error = io::Error::other("failed");
            let why: &(dyn std::error::Error + 'static) = &error;
            tracing::info!(id = "1-1", size = 61, r#type = "a", from = %"anne@example.org", "transaction");
            tracing::warn!(to = "\"a b\"@example.com \\ \x1b[2J ü\n", "{}", "escapes \x1b[2J and \"quotes\"");
            tracing::error!(why, is = true, ratio = 0.5, some = ?Some("text"), before = -1);
            tracing::info!(message = "a text");
            tracing::info!("no fields");
        });
        String::from_utf8(std::mem::take(&mut written.0.lock().unwrap())).unwrap()
    }

    #[test]
    fn times_are_those_of_the_default_format() {
        let default = tracing_subscriber::fmt::time::SystemTime;
        let shape = |time: &dyn FormatTime| {
            let mut text = String::new();
            time.format_time(&mut Writer::new(&mut text)).unwrap();
            text.replace(|c: char| c.is_ascii_digit(), "0")
        };
        assert_eq!(
            (shape(&PlainTime), shape(&default)),
            ("0000-00-00T00:00:00.000000Z".to_owned(), shape(&PlainTime))
        );
    }

    #[test]
    fn lines_are_those_of_the_default_format() {
        let plain = lines(PlainFields);
        assert_eq!(plain, lines(DefaultFields::new()));
        assert_eq!(plain.lines().count(), 5);
        assert!(plain.contains(r#"transaction id="1-1" size=61 type="a" from=anne@example.org"#), "{plain}");
    }
}
