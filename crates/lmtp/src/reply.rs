//! Replies: a code, an enhanced status code, and text (RFC 5321 section 4.2, RFC 2034, RFC 3463).

use crate::limits;
use std::{borrow::Cow, fmt};

/// The reason why something is not done: always 4xx or 5xx, so that no refusal can be read as a success. The
/// class of the enhanced code is taken from the code, so the two cannot disagree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    code: u16,
    /// Subject and detail. `None` in replies to a greeting, where RFC 2034 section 4 allows no enhanced code.
    enhanced: Option<(u16, u16)>,
    text: Cow<'static, str>,
}

impl Refusal {
    /// Returns a refusal with `code` and the enhanced code `class.subject.detail`.
    ///
    /// # Panics
    /// If `code` is not within 400..=599, or if `subject` or `detail` has more than three digits (RFC 3463
    /// section 2). In a constant, this is a compile error.
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        assert!(code >= 400 && code < 600, "a refusal is 4xx or 5xx");
        assert!(subject < 1000 && detail < 1000, "three digits at most");
        Self { code, enhanced: Some((subject, detail)), text: Cow::Borrowed(text) }
    }

    pub(crate) const fn to_greeting(code: u16, text: &'static str) -> Self {
        assert!(code >= 400 && code < 600, "a refusal is 4xx or 5xx");
        Self { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    /// Replaces the text. Characters that are not printable ASCII become `?`, and a text longer than
    /// [`limits::REPLY_TEXT`] is cut.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Cow::Owned(reply_text(&text.into()).map(char::from).collect());
        self
    }

    /// Returns the reply code, 400..=599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns whether a retry may succeed (4xx).
    pub fn is_temporary(&self) -> bool {
        self.code < 500
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode_line(out, self.code, b' ', self.enhanced, &self.text);
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some((subject, detail)) => {
                write!(f, "{} {}.{subject}.{detail} {}", self.code, self.code / 100, self.text)
            }
            None => write!(f, "{} {}", self.code, self.text),
        }
    }
}

/// Makes `text` fit for a reply line: printable ASCII, and not too long.
fn reply_text(text: &str) -> impl Iterator<Item = u8> {
    let printable = |c| u8::try_from(c).ok().filter(|octet| matches!(octet, b' '..=b'~'));
    text.chars().take(limits::REPLY_TEXT).map(move |c| printable(c).unwrap_or(b'?'))
}

/// Writes one reply line; `separator` is `-` if more lines follow. The line is well-formed whatever `text`
/// contains, which may be a host name from the configuration or a caller's proof.
pub(crate) fn encode_line(
    out: &mut Vec<u8>,
    code: u16,
    separator: u8,
    enhanced: Option<(u16, u16)>,
    text: &str,
) {
    push_number(out, code);
    out.push(separator);
    if let Some((subject, detail)) = enhanced {
        push_number(out, code / 100);
        out.push(b'.');
        push_number(out, subject);
        out.push(b'.');
        push_number(out, detail);
        out.push(b' ');
    }
    let is_fit = text.len() <= limits::REPLY_TEXT && text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    if is_fit {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(reply_text(text));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal. Each message has several replies, and `write!` takes ten times as long.
fn push_number(out: &mut Vec<u8>, number: u16) {
    for place in [10_000, 1_000, 100, 10, 1] {
        if number >= place || place == 1 {
            out.push(b'0' + (number / place % 10) as u8);
        }
    }
}

/// A reply as a client reads it: the code, and the text of each line, including any enhanced code at its start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The reply code, 200..=599.
    pub code: u16,
    /// The text of each line, without the code and the line end; never empty.
    pub lines: Vec<String>,
}

impl Reply {
    /// Returns whether the code is 2xx or 3xx. In an [outcome](crate::ClientEvent::Outcome) that means 2xx:
    /// the server has taken responsibility (RFC 2033 section 4.2).
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends the reply as it is sent, with the code on every line (RFC 5321 section 4.2.1). Characters that
    /// are not printable ASCII become `?`, and lines longer than [`limits::REPLY_TEXT`] are cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (at, line) in self.lines.iter().enumerate() {
            let separator = if at + 1 == self.lines.len() { b' ' } else { b'-' };
            encode_line(out, self.code, separator, None, line);
        }
    }
}

impl fmt::Display for Reply {
    /// Writes the reply on one line, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for (at, line) in self.lines.iter().enumerate() {
            f.write_str(if at == 0 { " " } else { " / " })?;
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// Assembles a reply from its lines.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    code: u16,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes one line without its CR LF. Returns the reply if this was its last line, and `Err` if the line
    /// is not a reply line.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, MalformedReply> {
        let (digits, rest) = line.split_at_checked(3).ok_or(MalformedReply)?;
        let code = match digits {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => return Err(MalformedReply),
        };
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(MalformedReply),
        };
        if !self.lines.is_empty() && code != self.code {
            return Err(MalformedReply);
        }
        self.code = code;
        if last || self.lines.len() < limits::REPLY_LINES {
            self.lines.push(readable(text));
        }
        Ok(last.then(|| Reply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

/// Returns what a peer sent as text for a log: one line, whatever the octets were.
pub(crate) fn readable(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let is_plain = said.iter().all(|octet| matches!(octet, b' '..=b'~'));
    if is_plain { text.into_owned() } else { text.replace(char::is_control, "?") }
}

/// The error for a line that is not a reply line (RFC 5321 section 4.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MalformedReply;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_and_made_printable() {
        let written = |text: &str| {
            let mut line = Vec::new();
            encode_line(&mut line, 550, b' ', None, text);
            String::from_utf8(line).unwrap()
        };
        let longest = "x".repeat(limits::REPLY_TEXT);
        assert_eq!(written(&longest), format!("550 {longest}\r\n"));
        assert_eq!(written(&format!("{longest}x")), format!("550 {longest}\r\n"));
        assert_eq!(written("a\u{fc}\r\nb"), "550 a???b\r\n");
    }
}
