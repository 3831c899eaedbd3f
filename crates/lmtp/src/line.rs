//! Lines that end with CR LF and nothing else, from octets that arrive in pieces of any size.

use memchr::memmem;
use std::borrow::Cow;

/// Splits octets into lines, and keeps the beginning of a line until its end arrives.
#[derive(Debug)]
pub(crate) struct LineReader {
    partial: Vec<u8>,
    /// The line is longer than `max`; only its last octet is kept, in case it is the CR.
    overlong: bool,
    max: usize,
}

/// The error for a line longer than the limit, which has been read and discarded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

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
            return Some(Err(TooLong));
        }
        Some(Ok(if partial.is_empty() { Cow::Borrowed(head) } else { Cow::Owned([&partial, head].concat()) }))
    }

    fn keep(&mut self, input: &[u8]) {
        // One octet beyond `max` may be the CR.
        if self.overlong || self.partial.len() + input.len() > self.max + 1 {
            self.overlong = true;
            if let Some(&last) = input.last() {
                self.partial = vec![last];
            }
        } else {
            self.partial.extend_from_slice(input);
        }
    }
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
            let expected = [Ok(b"12345".to_vec()), Err(TooLong), Ok(b"\r".to_vec()), Ok(b"a\nb".to_vec())];
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    /// A peer that never ends its line cannot use up memory.
    #[test]
    fn no_more_than_a_line_is_kept() {
        let mut lines = LineReader::new(5);
        for _ in 0..100 {
            assert_eq!(lines.next(&mut b"x".as_slice()), None);
            assert!(lines.partial.len() <= 6, "{} octets", lines.partial.len());
        }
        assert_eq!(lines.next(&mut b"\r\n".as_slice()), Some(Err(TooLong)));
    }
}
