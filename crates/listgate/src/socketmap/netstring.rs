//! Netstrings, such as `5:hello,`: a length in decimal digits, a colon, the text of that many octets, and a comma
//! (<https://cr.yp.to/proto/netstrings.txt>). The functions do no I/O, and the length is bounded.

use std::fmt::Write;

/// The reason why the input cannot become a netstring of an allowed length, whatever follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("no netstring: it begins with no length")]
    Length,
    #[error("a netstring of more octets than any request has")]
    TooLong,
    #[error("no netstring: no comma ends it")]
    Comma,
}

/// The most octets around the text of a netstring: a 64-bit length has at most 20 digits.
const FRAME: usize = 22;

/// Returns how many octets a netstring may take up whose text has at most `most`.
pub(crate) const fn room(most: usize) -> usize {
    most + FRAME
}

/// The text of a netstring, and the input that follows it.
type Split<'i> = (&'i [u8], &'i [u8]);

/// Returns the text of the netstring that `input` begins with, and what follows it; `None` while the netstring is
/// incomplete, which it cannot be with [`room`] octets of input.
///
/// # Errors
/// The input is not a netstring, or its text has more than `most` octets. The error is returned as soon as it is
/// certain.
pub(crate) fn read(input: &[u8], most: usize) -> Result<Option<Split<'_>>, Malformed> {
    let mut length = 0;
    let mut digits = 0;
    let text = loop {
        match input.get(digits) {
            None => return Ok(None),
            Some(b':') if digits > 0 => break &input[digits + 1..],
            // A length has no leading zeros.
            Some(b'0'..=b'9') if digits > 0 && length == 0 => return Err(Malformed::Length),
            Some(digit @ b'0'..=b'9') => length = length * 10 + usize::from(digit - b'0'),
            Some(_) => return Err(Malformed::Length),
        }
        digits += 1;
        if length > most {
            return Err(Malformed::TooLong);
        }
    };
    match text.split_at_checked(length) {
        None | Some((_, [])) => Ok(None),
        Some((text, [b',', rest @ ..])) => Ok(Some((text, rest))),
        Some(_) => Err(Malformed::Comma),
    }
}

/// Returns `text` as a netstring.
pub(crate) fn write(text: &str) -> String {
    let mut netstring = String::with_capacity(room(text.len()));
    write!(netstring, "{}:{text},", text.len()).expect("writing to a String does not fail");
    netstring
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_netstring_is_read_and_the_rest_is_left() {
        assert_eq!(read(b"5:hello,0:,", 5), Ok(Some((&b"hello"[..], &b"0:,"[..]))));
        assert_eq!(read(b"0:,", 5), Ok(Some((&b""[..], &b""[..]))));
        assert_eq!(write("hello"), "5:hello,");
    }

    #[test]
    fn an_incomplete_netstring_is_not_an_error() {
        for begun in ["", "5", "5:", "5:hell", "5:hello", "0", "0:"] {
            assert_eq!(read(begun.as_bytes(), 5), Ok(None), "{begun}");
        }
    }

    #[test]
    fn a_malformed_netstring_is_reported_at_once() {
        for (begun, why) in [
            (":", Malformed::Length),
            ("x", Malformed::Length),
            ("-1:", Malformed::Length),
            ("05", Malformed::Length),
            ("00", Malformed::Length),
            ("5 ", Malformed::Length),
            ("GET /", Malformed::Length),
            ("6", Malformed::TooLong),
            ("99999999999999999999999999", Malformed::TooLong),
            ("5:hello;", Malformed::Comma),
            ("0:5", Malformed::Comma),
        ] {
            assert_eq!(read(begun.as_bytes(), 5), Err(why), "{begun}");
        }
    }
}
