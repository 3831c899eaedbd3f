//! Formatting of times, ages, msgdata and text.

use crate::model::Msgdata;
pub(super) use crate::model::rfc3339;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::SystemTime;

/// Formats how long ago a time was, in the largest suitable unit: `12s`, `3m`, `2h`, `5d`.
pub(super) fn age(time: SystemTime) -> String {
    span(SystemTime::now().duration_since(time).unwrap_or_default().as_secs())
}

/// Formats how long it is until a time, in the format of [`age`]; `None` if the time has passed.
pub(super) fn left(until: SystemTime) -> Option<String> {
    let left = until.duration_since(SystemTime::now()).ok()?;
    Some(span(left.as_secs_f64().ceil() as u64))
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// Formats msgdata as one line per key, sorted and padded, with values in the format of Mailman's `dump_msgdata`.
pub(super) fn msgdata(msgdata: &Msgdata) -> String {
    let width = msgdata.keys().map(String::len).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Null => "...".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("{key:width$}: {value}\n")
    };
    msgdata.iter().map(line).collect()
}

/// Returns the text unchanged, or, for a terminal, with each line longer than 80 columns wrapped.
pub(super) fn fitted(text: &str, to: &impl IsTerminal) -> String {
    if !to.is_terminal() {
        return text.to_owned();
    }
    let fit = |line: &str| if line.chars().count() > 80 { wrapped(line, 0) } else { line.to_owned() };
    text.split('\n').map(fit).collect::<Vec<_>>().join("\n")
}

/// Wraps text to 80 columns, indenting each line after the first. A longer word gets its own line.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    flowed(text, indent, indent, 80)
}

/// Wraps text to `columns` columns. The first line starts at column `start`, the others at column `indent`. A
/// longer word gets its own line. Text before `start` counts as a word if it extends beyond `indent`.
pub(super) fn flowed(text: &str, start: usize, indent: usize, columns: usize) -> String {
    let mut lines = String::new();
    let mut column = start;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > columns {
            lines.push_str(&format!("\n{:indent$}", ""));
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// Replaces control characters with spaces, so that text from a peer or a handler cannot control the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
