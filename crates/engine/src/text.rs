//! The text of a header field: on one line, with encoded words decoded (RFC 2047).

use mail_parser::parsers::MessageStream;

/// Returns the value of a field on one line: without line ends (RFC 5322 section 2.2.3) and without blanks around it.
/// Octets that are not UTF-8 become U+FFFD.
pub(crate) fn unfold(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split(['\r', '\n']).collect::<String>().trim().to_owned()
}

/// Decodes the encoded words of a text on one line. The result has no control characters, whatever was encoded, so it
/// can be part of a header that we write.
pub(crate) fn decode(text: &str) -> String {
    let decoded = if text.contains("=?") {
        let line = format!("{text}\n");
        let value = MessageStream::new(line.as_bytes()).parse_unstructured();
        value.as_text().unwrap_or_default().to_owned()
    } else {
        text.to_owned()
    };
    let without_controls: String = decoded.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    without_controls.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_value_is_one_line() {
        for (value, expected) in [
            (b" a\r\n b\n\tc ".as_slice(), "a b\tc"),
            (b"\r\n", ""),
            (b"\xe4\xc3\xa4", "\u{fffd}\u{e4}"),
            (b"a\r b", "a b"),
        ] {
            assert_eq!(unfold(value), expected);
        }
    }

    #[test]
    fn encoded_words_are_decoded() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle", "Gr\u{fc}\u{df}e an alle"),
            ("=?ISO-8859-1?B?R3L83w==?=", "Gr\u{fc}\u{df}"),
            ("=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "\u{3053}\u{3093}"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?unknown?x?a?=", "=?unknown?x?a?="),
            ("=?utf-8?q?a=0D=0ABcc:=20x?=", "a  Bcc: x"),
            ("a\tb\u{85}c\0", "a b c"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}
