//! The values of a notice, and the text with its placeholders replaced.

use super::envelope::{Envelope, Notice};
use super::template::Source;
use super::text::Text;
use crate::limits;
use crate::placeholders::{Piece, expand, pieces};
use crate::token::Purpose;
use crate::write::{line_of, mailto, text_lines, with_suffix};
use listgate_lmtp::Mailbox;
use std::collections::BTreeMap;

/// The values of a notice by their names. Each one is shown as its [`Source`] says.
pub(super) struct Values(BTreeMap<&'static str, String>);

impl Values {
    pub(super) fn new(notice: &Notice, envelope: &Envelope<'_>) -> Self {
        let values = notice.template.values().iter().map(|value| {
            let given = notice.values.get(value.name).map(String::as_str).unwrap_or_default();
            let list = envelope.list;
            let shown = match value.source {
                Source::List => list.to_string(),
                Source::ListName => envelope.list_name(),
                Source::Suffix(suffix) => with_suffix(list, suffix),
                Source::Token(suffix) => {
                    envelope.token_address.map_or_else(|| with_suffix(list, suffix), Mailbox::to_string)
                }
                Source::Accept => link(envelope.rulings.map(|rulings| rulings.accept)),
                Source::Reject => link(envelope.rulings.map(|rulings| rulings.reject)),
                Source::To => envelope.to.to_string(),
                Source::Days => {
                    let days = notice.template.purpose().and_then(Purpose::days);
                    days.map(|days| days.to_string()).unwrap_or_default()
                }
                Source::Line => line_of(given, limits::VALUE_LINE),
                Source::Lines => lines(given),
                Source::Words => words(given),
            };
            (value.name, shown)
        });
        Self(values.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the subject on one line.
    pub(super) fn subject(&self, text: &Text) -> String {
        line_of(&expand(&text.subject, |name| self.get(name)), limits::SUBJECT)
    }

    /// Returns the body in lines that end in CR LF, without the paragraphs in which a value is empty. It has at most
    /// [`limits::NOTICE`] octets.
    pub(super) fn body(&self, text: &Text) -> String {
        let mut paragraphs = vec![String::new()];
        for line in text.body.split('\n') {
            match paragraphs.last_mut() {
                Some(last) if !line.trim().is_empty() => *last = format!("{last}{line}\n"),
                _ => paragraphs.push(String::new()),
            }
        }
        let paragraphs = paragraphs.iter().filter(|paragraph| !paragraph.is_empty());
        let shown = paragraphs.filter(|paragraph| !self.has_empty_value(paragraph));
        let shown: Vec<_> = shown.map(|paragraph| self.paragraph(paragraph)).collect();
        text_lines(&cut(text_lines(&shown.join("\n")).trim_end(), 0, limits::NOTICE))
    }

    fn has_empty_value(&self, paragraph: &str) -> bool {
        pieces(paragraph).any(|piece| match piece {
            Piece::Placeholder { name, .. } => self.get(name) == Some(""),
            Piece::Text(_) => false,
        })
    }

    fn paragraph(&self, paragraph: &str) -> String {
        let line = |line: &str| {
            let indent = &line[..line.len() - line.trim_start().len()];
            let value = |name: &str| Some(self.indented(self.get(name)?, indent));
            expand(line, value)
        };
        paragraph.split('\n').map(line).collect::<Vec<_>>().join("\n")
    }

    /// Returns a value with all lines but the first one indented. It has at most [`limits::VALUE`] octets.
    fn indented(&self, value: &str, indent: &str) -> String {
        cut(value, indent.len(), limits::VALUE).replace('\n', &format!("\n{indent}"))
    }
}

/// Returns a link that opens a new mail to an address.
fn link(to: Option<&Mailbox>) -> String {
    to.map(|to| mailto(to, "")).unwrap_or_default()
}

/// Returns the lines of a value that have a word, each without control characters and without those beyond
/// [`limits::VALUE_LINE`].
fn lines(value: &str) -> String {
    let lines = value.split(['\r', '\n']).map(|line| line_of(line, limits::VALUE_LINE));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns the first word of each line, with nothing that could be a link or a sentence.
fn words(value: &str) -> String {
    let is_shown = |c: &char| c.is_alphanumeric() || *c == '-';
    let word = |line: &str| -> String {
        let word = line.split_whitespace().next().unwrap_or_default();
        word.chars().filter(is_shown).take(limits::UNKNOWN_WORD).collect()
    };
    let words = value.split(['\r', '\n']).map(word).filter(|word| !word.is_empty());
    words.take(limits::UNKNOWN_WORDS).collect::<Vec<_>>().join("\n")
}

/// Cuts text to at most `most` octets in whole lines, and says how many are left out. Each line counts as if it had
/// `indent` octets more, and a line end of two.
fn cut(text: &str, indent: usize, most: usize) -> String {
    let cost = |line: &str| indent + line.len() + 2;
    if text.split('\n').map(cost).sum::<usize>() <= most {
        return text.to_owned();
    }
    let lines: Vec<_> = text.split('\n').map(str::trim_end).collect();
    let said =
        |left: usize| format!("({left} more lines are left out, because this mail would be too long.)");
    let mut room = most.saturating_sub(cost(&said(lines.len())));
    let fits = |line: &&&str| {
        let left = room.checked_sub(cost(line));
        room = left.unwrap_or(room);
        left.is_some()
    };
    let kept: Vec<_> = lines.iter().take_while(fits).copied().collect();
    let left = lines.len() - kept.len();
    [kept, vec![said(left).as_str()]].concat().join("\n")
}
