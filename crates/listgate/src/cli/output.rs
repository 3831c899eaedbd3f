//! How things are shown: times, ages, msgdata.

use crate::model::Msgdata;
pub(super) use crate::model::rfc3339;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::SystemTime;

/// How long ago, in the largest unit that says something: `12s`, `3m`, `2h`, `5d`.
pub(super) fn age(time: SystemTime) -> String {
    span(SystemTime::now().duration_since(time).unwrap_or_default().as_secs())
}

/// How long until then, as [`age`] says it; `None` when it is past.
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

/// One line for each key, sorted and padded, values as Mailman's `dump_msgdata` shows them.
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

/// Text as it is; for a terminal, each of its lines that is too long for 80 columns in several.
pub(super) fn fitted(text: &str, to: &impl IsTerminal) -> String {
    if !to.is_terminal() {
        return text.to_owned();
    }
    let fit = |line: &str| if line.chars().count() > 80 { wrapped(line, 0) } else { line.to_owned() };
    text.split('\n').map(fit).collect::<Vec<_>>().join("\n")
}

/// Text in lines of 80 columns, each after the first indented; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    flowed(text, indent, indent, 80)
}

/// Text in lines of `columns`, the first from column `start` on and the others from `indent` on; a longer word has a
/// line of its own. What stands before `start` is a word, if it is longer than `indent`.
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

/// Text without control characters: nothing of what a peer or a handler wrote may steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
