//! The data of a message: its end, and its dots (RFC 5321 sections 4.1.1.4 and 4.5.2).
//!
//! Only CR LF `.` CR LF ends the data. A bare CR or LF is an octet of the message like any other: a server
//! that accepts LF `.` LF as the end can be tricked into reading the text of a message as commands.

use memchr::memmem;

/// A piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'i> {
    /// Octets of the message, dots unstuffed.
    Text(&'i [u8]),
    /// The final dot was read.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    /// Within a line, not after a CR.
    Text,
    /// Within a line, after a CR.
    AfterCr,
    /// After a dot that began a line; it may be stuffed or final.
    Dot,
    /// After such a dot and a CR.
    DotCr,
}

/// Reads data, from after the reply 354 to the final dot.
#[derive(Debug)]
pub(crate) struct DataReader {
    state: State,
    bare_newline: bool,
}

impl DataReader {
    pub(crate) fn new() -> Self {
        Self { state: State::LineStart, bare_newline: false }
    }

    /// Returns whether the data so far has a CR or LF that is not part of a CR LF.
    pub(crate) fn bare_newline(&self) -> bool {
        self.bare_newline
    }

    /// Returns the next piece, borrowed from `input`, or `None` when `input` is used up.
    pub(crate) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        loop {
            let (&first, after) = input.split_first()?;
            match (self.state, first) {
                (State::LineStart, b'.') => {
                    *input = after;
                    self.state = State::Dot;
                }
                (State::Dot, b'\r') => {
                    *input = after;
                    self.state = State::DotCr;
                }
                (State::DotCr, b'\n') => {
                    *input = after;
                    self.state = State::LineStart;
                    return Some(Piece::End);
                }
                // The dot was stuffed, and the CR held back after it is part of the line.
                (State::DotCr, _) => {
                    self.state = State::AfterCr;
                    return Some(Piece::Text(b"\r"));
                }
                (State::LineStart | State::Dot, _) => self.state = State::Text,
                (State::Text | State::AfterCr, _) => return Some(Piece::Text(self.take_text(input))),
            }
        }
    }

    /// Takes octets up to a line that begins with a dot, or all of `input`.
    fn take_text<'i>(&mut self, input: &mut &'i [u8]) -> &'i [u8] {
        let after_cr = self.state == State::AfterCr;
        let text = up_to_a_dot(input, after_cr);
        *input = &input[text.len()..];
        self.state = state_after(text, after_cr);
        self.bare_newline |= has_bare_newline(text, after_cr);
        text
    }
}

/// Returns the octets before the first line that begins with a dot, or all of `text`. The line in which `text` begins does
/// not count. Here and below, `after_cr` is whether the octet before `text` was a CR.
fn up_to_a_dot(text: &[u8], after_cr: bool) -> &[u8] {
    let ends_line = |lf: &usize| if *lf == 0 { after_cr } else { text[lf - 1] == b'\r' };
    match memmem::find_iter(text, b"\n.").find(ends_line) {
        Some(lf) => &text[..=lf],
        None => text,
    }
}

/// Returns the state after `text`, which is not empty.
fn state_after(text: &[u8], after_cr: bool) -> State {
    match text {
        [.., b'\r'] => State::AfterCr,
        [.., b'\r', b'\n'] => State::LineStart,
        [b'\n'] if after_cr => State::LineStart,
        _ => State::Text,
    }
}

/// Returns whether `text`, which is not empty, has a CR or LF that is not part of a CR LF. Of a CR at its end, this is not
/// known yet.
fn has_bare_newline(text: &[u8], after_cr: bool) -> bool {
    // It does not stop at the first one, so that the compiler can use vector instructions.
    let pairs = text.iter().zip(&text[1..]);
    let is_bare = |(before, after): (&u8, &u8)| (*before == b'\r') != (*after == b'\n');
    after_cr != (text[0] == b'\n') || pairs.fold(false, |bare, pair| bare | is_bare(pair))
}

/// Encodes a whole message as it is sent after 354: with dots stuffed (RFC 5321 section 4.5.2), a CR LF added
/// if it does not end with one, and the final dot.
pub fn encode_message(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 5);
    let mut writer = DataWriter::new();
    writer.write(message, &mut wire);
    writer.end(&mut wire);
    wire
}

/// Writes data so that [`DataReader`] reads the same octets: the client's side.
#[derive(Debug)]
pub(crate) struct DataWriter {
    state: State,
}

impl DataWriter {
    pub(crate) fn new() -> Self {
        Self { state: State::LineStart }
    }

    /// Appends `text`, with another dot before each dot that begins a line.
    pub(crate) fn write(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while let Some(&first) = rest.first() {
            if self.state == State::LineStart && first == b'.' {
                out.push(b'.');
            }
            let after_cr = self.state == State::AfterCr;
            let text = up_to_a_dot(rest, after_cr);
            out.extend_from_slice(text);
            self.state = state_after(text, after_cr);
            rest = &rest[text.len()..];
        }
    }

    /// Appends the end of the data, preceded by a CR LF if the text does not end with one.
    pub(crate) fn end(self, out: &mut Vec<u8>) {
        let end: &[u8] = if self.state == State::LineStart { b".\r\n" } else { b"\r\n.\r\n" };
        out.extend_from_slice(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::read;
    use proptest::prelude::*;

    /// Generates random octets, most of them with a meaning in data.
    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()];
        proptest::collection::vec(octet, 0..64)
    }

    proptest! {
        #[test]
        fn written_data_reads_back(text in octets(), write_size in 1..9_usize, read_size in 1..9_usize) {
            let mut writer = DataWriter::new();
            let mut wire = Vec::new();
            for chunk in text.chunks(write_size) {
                writer.write(chunk, &mut wire);
            }
            writer.end(&mut wire);
            let mut expected = text.clone();
            if !text.is_empty() && !text.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"RSET\r\n");
            let (message, _, rest) = read(&wire, read_size).expect("the data ends");
            prop_assert_eq!(message, expected);
            prop_assert_eq!(rest, b"RSET\r\n");
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_the_data_however_it_is_split() {
        type Message<'a> = (&'a [u8], bool);
        let cases: &[(&[u8], Option<Message<'_>>)] = &[
            (b".\r\n", Some((b"", false))),
            (b"\r\n.\r\n", Some((b"\r\n", false))),
            (b"a\r\n.\r\n", Some((b"a\r\n", false))),
            (b"..\r\n.\r\n", Some((b".\r\n", false))),
            (b".a\r\n..b\r\n...\r\n.\r\n", Some((b"a\r\n.b\r\n..\r\n", false))),
            (b".\r\r\n.\r\n", Some((b"\r\r\n", true))),
            (b"a\r\n.\rb\r\n.\r\n", Some((b"a\r\n\rb\r\n", true))),
            (b"a\n.\n\r\n.\r\n", Some((b"a\n.\n\r\n", true))),
            (b"a\n.\r\n\r\n.\r\n", Some((b"a\n.\r\n\r\n", true))),
            (b"a\r\n.\n\r\n.\r\n", Some((b"a\r\n\n\r\n", true))),
            (b"a\r.\r\r\n.\r\n", Some((b"a\r.\r\r\n", true))),
            (b"a\r\n.\r", None),
            (b"a\n.\n", None),
            (b"a\r.\r", None),
            (b"a\r\n.\r\r\n", None),
            (b"a\r\n.\n", None),
        ];
        for (wire, expected) in cases {
            for size in 1..=wire.len() {
                let followed = [*wire, b"NOOP\r\n"].concat();
                let expected = expected.map(|(message, bare)| (message.to_vec(), bare, b"NOOP\r\n".to_vec()));
                let wire = if expected.is_some() { &followed } else { &wire.to_vec() };
                assert_eq!(read(wire, size), expected, "{:?} by {size}", wire.escape_ascii().to_string());
            }
        }
    }
}
