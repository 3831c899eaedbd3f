//! Encodes octets as text (RFC 2045 section 6).

/// Encodes octets in base64, without line ends.
pub(crate) fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits =
            chunk.iter().fold(0, |bits, &octet| bits << 8 | usize::from(octet)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            text.push(if is_padding { '=' } else { ALPHABET[bits >> (18 - 6 * digit) & 63].into() });
        }
    }
    text
}

/// Encodes text as quoted-printable (RFC 2045 section 6.7), given with line ends as CR LF. Blanks at the end of a line are
/// encoded.
pub(crate) fn quoted_printable(text: &[u8]) -> String {
    const LINE: usize = 76;
    let mut encoded = String::with_capacity(text.len());
    let mut column = 0;
    for (at, &octet) in text.iter().enumerate() {
        let is_last = matches!(text.get(at + 1), None | Some(b'\r' | b'\n'));
        let shown = match octet {
            b'\r' | b'\n' => {
                encoded.push(octet.into());
                column = 0;
                continue;
            }
            b' ' | b'\t' if !is_last => char::from(octet).to_string(),
            b'!'..=b'<' | b'>'..=b'~' => char::from(octet).to_string(),
            _ => format!("={octet:02X}"),
        };
        // One column stays free for the `=` of a soft line break.
        if column + shown.len() > LINE - usize::from(!is_last) {
            encoded += "=\r\n";
            column = 0;
        }
        column += shown.len();
        encoded += &shown;
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;

    #[test]
    fn quoted_printable_is_readable_and_has_short_lines() {
        for (text, encoded) in [
            ("", ""),
            ("a b\r\n", "a b\r\n"),
            ("-- \r\n\tx \r\n", "--=20\r\n\tx=20\r\n"),
            ("1+1=2, \u{fc}", "1+1=3D2, =C3=BC"),
        ] {
            assert_eq!(quoted_printable(text.as_bytes()), encoded);
        }
        for len in 70..80 {
            for end in ["", "\u{fc}", "\u{fc}\r\n\r\nx", " ", "x "] {
                let text = "x".repeat(len) + end;
                let encoded = quoted_printable(text.as_bytes());
                assert!(encoded.split("\r\n").all(|line| line.len() <= 76), "{encoded}");
                assert_eq!(
                    quoted_printable_decode(encoded.as_bytes()).unwrap(),
                    text.as_bytes(),
                    "{encoded}"
                );
            }
        }
    }

    #[test]
    fn base64_has_the_vectors_of_the_rfc() {
        // RFC 4648 section 10.
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(octets.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }
}
