//! Lines that end with CR LF and nothing else, from octets that arrive in pieces of any size.

use memchr::memmem;
use std::borrow::Cow;

/// Splits octets into lines, and keeps the beginning of a line until its end arrives.
#[derive(Debug)]
pub(crate) struct LineReader {
    partial: Vec<u8>,
    /// The line is longer than `max`; only its first and last octets are kept.
    overlong: bool,
    max: usize,
}

/// The error for a line longer than the limit, which has been read and discarded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// The first and the last [`END`] octets of the line, without its CR LF.
    pub(crate) ends: Vec<u8>,
}

/// How many octets are kept of each end of an overlong line: enough to recognize a command, and the version of HTTP
/// at the end of a request.
const END: usize = 16;

impl LineReader {
    /// Returns a reader for lines of at most `max` octets, not counting CR LF.
    pub(crate) fn new(max: usize) -> Self {
        Self { partial: Vec::new(), overlong: false, max }
    }

    /// Returns the next whole line without its CR LF, or `None` if `input` is used up before its end.
    pub(crate) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Result<Cow<'i, [u8]>, TooLong>> {
        let split_crlf = self.partial.last() == Some(&b'\r') && input.first() == Some(&b'\n');
        let (head, after) = if split_crlf {
            self.partial.pop();
            (&input[..0], &input[1..])
        } else if let Some(at) = memmem::find(input, b"\r\n") {
            (&input[..at], &input[at + 2..])
        } else {
            self.keep(input);
            *input = &[];
            return None;
        };
        *input = after;
        let overlong = std::mem::take(&mut self.overlong);
        let partial = std::mem::take(&mut self.partial);
        if overlong || partial.len() + head.len() > self.max {
            return Some(Err(TooLong { ends: ends(partial, head, END) }));
        }
        Some(Ok(if partial.is_empty() { Cow::Borrowed(head) } else { Cow::Owned([&partial, head].concat()) }))
    }

    /// Returns the first octet of the current line, if it has arrived.
    pub(crate) fn first(&self, input: &[u8]) -> Option<u8> {
        self.partial.first().or(input.first()).copied()
    }

    /// Returns the first two octets of the current line, as far as they have arrived.
    pub(crate) fn beginning(&self, input: &[u8]) -> [Option<u8>; 2] {
        let mut octets = self.partial.iter().chain(input).copied();
        [octets.next(), octets.next()]
    }

    /// Returns whether the octets of the current line end with LF, which does not end the line.
    pub(crate) fn ends_with_lf(&self) -> bool {
        self.partial.last() == Some(&b'\n')
    }

    /// Takes the current line although its end has not arrived.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>, TooLong> {
        let partial = std::mem::take(&mut self.partial);
        let overlong = std::mem::take(&mut self.overlong) || partial.len() > self.max;
        if overlong { Err(TooLong { ends: ends(partial, &[], END) }) } else { Ok(partial) }
    }

    fn keep(&mut self, input: &[u8]) {
        // One octet beyond `max` may be the CR, and so may the last one of an overlong line.
        if self.overlong || self.partial.len() + input.len() > self.max + 1 {
            self.overlong = true;
            self.partial = ends(std::mem::take(&mut self.partial), input, END + 1);
        } else {
            self.partial.extend_from_slice(input);
        }
    }
}

/// Returns the first [`END`] and the last `last` octets of `line` and `more` together.
fn ends(mut line: Vec<u8>, more: &[u8], last: usize) -> Vec<u8> {
    // The middle of a long `more` is not copied.
    let (first, rest) = more.split_at(more.len().min(END));
    line.extend_from_slice(first);
    line.extend_from_slice(&rest[rest.len().saturating_sub(last)..]);
    let end = line.len().saturating_sub(last);
    line.drain(END.min(end)..end);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_limit_counts_octets_however_a_line_is_split() {
        for piece in 1..12 {
            let mut lines = LineReader::new(5);
            let mut seen = Vec::new();
            for mut chunk in b"12345\r\n123456\r\n\r\r\na\nb\r\n".chunks(piece) {
                while let Some(line) = lines.next(&mut chunk) {
                    seen.push(line.map(Cow::into_owned));
                }
            }
            let too_long = TooLong { ends: b"123456".to_vec() };
            let expected = [Ok(b"12345".to_vec()), Err(too_long), Ok(b"\r".to_vec()), Ok(b"a\nb".to_vec())];
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_ends_of_an_overlong_line_are_kept_however_it_is_split() {
        let line: Vec<u8> = (0..200).map(|at| b'!' + at % 90).collect();
        let expected = TooLong { ends: [&line[..16], &line[184..]].concat() };
        for end in [b"\r\n".as_slice(), b"\n"] {
            for piece in 1..=line.len() + 2 {
                let (mut lines, wire) = (LineReader::new(50), [&line, end].concat());
                let mut seen = None;
                for mut chunk in wire.chunks(piece) {
                    seen = lines.next(&mut chunk).or(seen);
                }
                if end == b"\r\n" {
                    assert_eq!(seen.unwrap().unwrap_err(), expected, "in pieces of {piece}");
                } else {
                    assert!(seen.is_none() && lines.ends_with_lf());
                    assert_eq!(lines.take().unwrap_err().ends, [&line[..16], &line[185..], end].concat());
                    assert_eq!(lines.next(&mut b"a\r\n".as_slice()), Some(Ok(b"a".into())));
                }
            }
        }
    }

    #[test]
    fn a_line_can_be_taken_before_its_end() {
        let mut lines = LineReader::new(5);
        assert_eq!(lines.next(&mut b"a\nb\n".as_slice()), None);
        assert!(lines.ends_with_lf());
        assert_eq!((lines.first(b"x"), lines.beginning(b"x")), (Some(b'a'), [Some(b'a'), Some(b'\n')]));
        assert_eq!(lines.take(), Ok(b"a\nb\n".to_vec()));
        assert!(!lines.ends_with_lf());
        assert_eq!((lines.first(b"x"), lines.beginning(b"x")), (Some(b'x'), [Some(b'x'), None]));
        assert_eq!(lines.next(&mut b"1234\n".as_slice()), None);
        assert_eq!(lines.take(), Ok(b"1234\n".to_vec()));
        assert_eq!(lines.next(&mut b"12345\n".as_slice()), None);
        assert!(lines.take().is_err(), "its LF is one octet too many");
    }

    /// A peer that never ends its line cannot use up memory.
    #[test]
    fn no_more_than_a_line_is_kept() {
        let mut lines = LineReader::new(50);
        for _ in 0..200 {
            assert_eq!(lines.next(&mut b"x".as_slice()), None);
            assert!(lines.partial.len() <= 51, "{} octets", lines.partial.len());
        }
        assert_eq!(lines.next(&mut b"\r\n".as_slice()), Some(Err(TooLong { ends: vec![b'x'; 32] })));
    }
}
