//! Replies: a code, an enhanced status code, text (RFC 5321 section 4.2, RFC 2034, RFC 3463).

use crate::limits;
use std::{borrow::Cow, fmt};

/// Why something is not done: always 4xx or 5xx, so that no refusal can be read as a success.
/// The class of the enhanced code is that of the code; they cannot disagree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    code: u16,
    /// Subject and detail. `None` where RFC 2034 section 4 wants none: in replies to a greeting.
    enhanced: Option<(u16, u16)>,
    text: Cow<'static, str>,
}

impl Refusal {
    /// `code` with the enhanced code `class.subject.detail`.
    ///
    /// # Panics
    /// When `code` is not within 400..=599; in a constant that fails to compile.
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        assert!(code >= 400 && code < 600, "a refusal is 4xx or 5xx");
        Self { code, enhanced: Some((subject, detail)), text: Cow::Borrowed(text) }
    }

    pub(crate) const fn to_greeting(code: u16, text: &'static str) -> Self {
        assert!(code >= 400 && code < 600, "a refusal is 4xx or 5xx");
        Self { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    /// The same refusal in other words. What may not stand in a reply becomes `?`, and what is
    /// too long is cut.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        let mut text: String =
            text.into().chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        text.truncate(limits::REPLY_TEXT);
        self.text = Cow::Owned(text);
        self
    }

    /// The reply code, 400..=599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether a retry may mend it (4xx).
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

/// Writes one reply line; `separator` is `-` when more lines follow.
pub(crate) fn encode_line(
    out: &mut Vec<u8>,
    code: u16,
    separator: u8,
    enhanced: Option<(u16, u16)>,
    text: &str,
) {
    use std::io::Write;
    let written = match enhanced {
        Some((subject, detail)) => {
            write!(out, "{code}{}{}.{subject}.{detail} {text}\r\n", separator as char, code / 100)
        }
        None => write!(out, "{code}{}{text}\r\n", separator as char),
    };
    written.expect("writing to a Vec does not fail");
}

/// A reply as a client reads it: the code, and the text of each line with whatever enhanced code
/// begins it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// 200..=599
    pub code: u16,
    /// One text for each line, without code and line end; never empty.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Writes the reply as it goes over the wire, every line with its code.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (at, line) in self.lines.iter().enumerate() {
            let separator = if at + 1 == self.lines.len() { b' ' } else { b'-' };
            encode_line(out, self.code, separator, None, line);
        }
    }
}

impl fmt::Display for Reply {
    /// On one line, as a log wants it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// Puts a reply together from its lines.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    code: u16,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes one line without its CR LF; gives the reply when the line was its last, and `Err` when
    /// the line is no reply line.
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
            self.lines.push(String::from_utf8_lossy(text).into_owned());
        }
        Ok(last.then(|| Reply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

/// A line that is no reply (RFC 5321 section 4.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MalformedReply;
