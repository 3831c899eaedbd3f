//! Words of a field's value: encoded words (RFC 2047), and the lines that they are folded into.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::mem;

/// Octets of a line with encoded words (RFC 2047 section 2).
const LINE: usize = 76;

/// Octets of any line (RFC 5322 section 2.1.1).
const LONGEST_LINE: usize = 998;

/// The least number of octets of text in an encoded word: enough for a whole character.
const LEAST: usize = 12;

/// A field that is being written. Words follow each other without a blank, unless [`space`](Self::space) wrote one
/// or an encoded word needs it.
#[derive(Debug)]
pub(super) struct Words {
    out: Vec<u8>,
    /// The index at which the current line begins.
    line: usize,
    /// Whether the value has no word yet.
    is_first: bool,
    /// Blanks and folds before the next word, which are not written yet.
    space: Vec<u8>,
    run: Option<Run>,
    /// Whether the last word came as an encoded word.
    after_encoded: bool,
}

/// Consecutive non-ASCII words, which become encoded words together, because readers ignore the blanks between
/// encoded words.
#[derive(Debug)]
struct Run {
    before: Vec<u8>,
    text: Vec<u8>,
}

impl Words {
    /// Begins a field, with its name and the colon.
    pub(super) fn after(name: &[u8]) -> Self {
        Self {
            out: name.to_vec(),
            line: 0,
            is_first: true,
            space: Vec::new(),
            run: None,
            after_encoded: false,
        }
    }

    /// Adds blanks and folds.
    pub(super) fn space(&mut self, blanks: &[u8]) {
        self.space.extend_from_slice(blanks);
    }

    /// Adds a word in ASCII as it is.
    pub(super) fn plain(&mut self, word: &[u8]) {
        let is_encoded = is_encoded_word(word);
        if let Some(mut run) = self.run.take() {
            if is_encoded {
                run.text.extend(unfolded(&self.space));
            }
            self.encode(run);
            if self.space.is_empty() && !word.starts_with(b")") && !matches!(word, b"," | b";" | b":") {
                self.space.push(b' ');
            }
        }
        self.begin_word(word.len());
        self.write(word);
        self.after_encoded = is_encoded;
    }

    /// Adds a word of any octets as encoded words.
    pub(super) fn encoded(&mut self, word: &[u8]) {
        let before = mem::take(&mut self.space);
        let run = match &mut self.run {
            Some(run) => {
                run.text.extend(unfolded(&before));
                run
            }
            None => {
                let text = if self.after_encoded { unfolded(&before).collect() } else { Vec::new() };
                self.run.insert(Run { before, text })
            }
        };
        run.text.extend(unfolded(word));
    }

    /// Adds a text: its words in ASCII as they are, the others as encoded words.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.text_with(text, <[u8]>::to_vec);
    }

    /// Adds a text. `plain_text` returns what a non-ASCII word means, such as the word without its escapes.
    pub(super) fn text_with(&mut self, mut text: &[u8], plain_text: impl Fn(&[u8]) -> Vec<u8>) {
        while !text.is_empty() {
            let (space, rest) = split_while(text, is_blank);
            let (word, rest) = split_while(rest, |octet| !is_blank(octet));
            self.space(space);
            if !word.is_ascii() {
                self.encoded(&plain_text(word));
            } else if !word.is_empty() {
                self.plain(word);
            }
            text = rest;
        }
    }

    /// Ends the field.
    pub(super) fn finish(mut self, line_end: &[u8]) -> Vec<u8> {
        if let Some(run) = self.run.take() {
            self.encode(run);
        }
        self.out.append(&mut self.space);
        self.out.extend_from_slice(line_end);
        self.out
    }

    fn column(&self) -> usize {
        self.out.len() - self.line
    }

    fn write(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
        if let Some(at) = octets.iter().rposition(|octet| b"\r\n".contains(octet)) {
            self.line = self.out.len() - (octets.len() - at - 1);
        }
    }

    /// Writes the blanks before a word of `len` octets, with a fold if the line would be too long.
    fn begin_word(&mut self, len: usize) {
        let space = mem::take(&mut self.space);
        let line = if self.is_first { LONGEST_LINE } else { LINE };
        if can_fold(&space) && self.column() + space.len() + len > line {
            self.write(b"\r\n");
        }
        self.write(&space);
        self.is_first = false;
    }

    fn encode(&mut self, Run { before, text }: Run) {
        let utf8 = std::str::from_utf8(&text);
        let charset = if utf8.is_ok() { "utf-8" } else { "unknown-8bit" };
        let around = "=??b??=".len() + charset.len();
        // A comma fits on the line as well.
        let fits = |column: usize| (LINE - 1).saturating_sub(column + around) / 4 * 3;
        let after = mem::replace(&mut self.space, before);
        if self.space.is_empty() && !matches!(self.out.last(), None | Some(b' ' | b'\t' | b'(')) {
            self.space.push(b' ');
        }
        if !self.is_first && can_fold(&self.space) && fits(self.column() + self.space.len()) < text.len() {
            self.write(b"\r\n");
        }
        self.begin_word(0);
        let mut rest = text.as_slice();
        loop {
            let mut len = fits(self.column()).max(LEAST).min(rest.len());
            if let Ok(text) = utf8 {
                let at = text.len() - rest.len();
                while !text.is_char_boundary(at + len) {
                    len -= 1;
                }
            }
            let (word, others) = rest.split_at(len);
            self.write(format!("=?{charset}?b?{}?=", STANDARD.encode(word)).as_bytes());
            if others.is_empty() {
                break;
            }
            self.write(b"\r\n ");
            rest = others;
        }
        self.space = after;
    }
}

/// Returns the octets with a question mark for each one above ASCII.
pub(in crate::message) fn masked(octets: &[u8]) -> Cow<'_, [u8]> {
    if octets.is_ascii() {
        return Cow::Borrowed(octets);
    }
    Cow::Owned(octets.iter().map(|octet| if octet.is_ascii() { *octet } else { b'?' }).collect())
}

/// Returns whether a fold can be added before these blanks.
fn can_fold(space: &[u8]) -> bool {
    !space.is_empty() && !space.iter().any(|octet| b"\r\n".contains(octet))
}

pub(super) fn is_blank(octet: u8) -> bool {
    b" \t\r\n".contains(&octet)
}

/// Splits off the longest beginning with such octets.
pub(super) fn split_while(octets: &[u8], mut belongs: impl FnMut(u8) -> bool) -> (&[u8], &[u8]) {
    octets.split_at(octets.iter().take_while(|&&octet| belongs(octet)).count())
}

/// Returns the octets without line ends.
pub(super) fn unfolded(octets: &[u8]) -> impl Iterator<Item = u8> {
    octets.iter().copied().filter(|octet| !b"\r\n".contains(octet))
}

/// Returns whether readers take this word for an encoded word.
fn is_encoded_word(word: &[u8]) -> bool {
    word.len() > "=????=".len() && word.starts_with(b"=?") && word.ends_with(b"?=")
}
