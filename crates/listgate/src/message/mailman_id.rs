//! GNU Mailman's handling of a Message-ID: it corrects one malformed kind, and hashes the id.
//!
//! The value is the one that Python's parser returns: without leading blanks and without the end of its last
//! line, but with its folds. Python releases since the end of 2024 (cpython pull request 125919) also remove a
//! fold directly after the colon, and so compute a different hash for such an id; this module computes the hash
//! of earlier releases.

use sha1::{Digest as _, Sha1};

/// The length of a hash as text, in octets.
pub(crate) const HASH: usize = 32;

/// A Message-ID field as Mailman reads it.
#[derive(Debug)]
pub(crate) struct MessageId<'f> {
    /// The name, up to the colon.
    name: &'f [u8],
    value: Vec<u8>,
    corrected: bool,
}

impl<'f> MessageId<'f> {
    /// Reads a whole field: name, colon, value and line ends.
    pub(crate) fn of_field(field: &'f [u8]) -> Self {
        let colon = field.iter().position(|&octet| octet == b':').unwrap_or(field.len());
        let (name, rest) = field.split_at(colon);
        let rest = rest.get(1..).unwrap_or_default();
        let begin = rest.iter().position(|octet| !b" \t".contains(octet)).unwrap_or(rest.len());
        let end = rest.iter().rposition(|octet| !b"\r\n".contains(octet)).map_or(begin, |last| last + 1);
        let value = &rest[begin..end.max(begin)];
        let corrected = correct(value);
        Self { name, corrected: corrected.is_some(), value: corrected.unwrap_or_else(|| value.to_owned()) }
    }

    /// Returns the field to write in place of the one that was read, if Mailman changes it.
    pub(crate) fn corrected_field(&self) -> Option<Vec<u8>> {
        self.corrected.then(|| [self.name, b": ", &self.value, b"\r\n"].concat())
    }

    pub(crate) fn hash(&self) -> String {
        hash(&self.value)
    }
}

/// Returns the value with `^<?\[(.*)\]>?` replaced by `<\1>`, if it matches: an address literal is not an id, but
/// some mail programs send one.
fn correct(value: &[u8]) -> Option<Vec<u8>> {
    let inner = value.strip_prefix(b"<").unwrap_or(value).strip_prefix(b"[")?;
    // In Python, a dot matches everything except LF.
    let line = inner.iter().position(|&octet| octet == b'\n').unwrap_or(inner.len());
    let close = inner[..line].iter().rposition(|&octet| octet == b']')?;
    let after = &inner[close + 1..];
    let after = after.strip_prefix(b">").unwrap_or(after);
    Some([b"<", &inner[..close], b">", after].concat())
}

/// Returns the Message-ID-Hash of a value: the hash of the text between its angle brackets. If the value has
/// blanks or a fold outside the brackets, the brackets are hashed too.
pub(crate) fn hash(value: &[u8]) -> String {
    // The ASCII octets that Python's `strip` removes.
    let blank = |octet: &u8| matches!(octet, b'\t'..=b'\r' | 0x1c..=b' ');
    let bare = match value {
        [b'<', id @ .., b'>'] => id,
        _ => {
            let begin = value.iter().position(|octet| !blank(octet)).unwrap_or(value.len());
            let end = value.iter().rposition(|octet| !blank(octet)).map_or(begin, |last| last + 1);
            &value[begin..end]
        }
    };
    base32(&Sha1::digest(bare).into())
}

/// Encodes in base32 (RFC 4648 section 6). Twenty octets become exactly 32 digits, without padding.
fn base32(octets: &[u8; 20]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    octets
        .chunks(5)
        .flat_map(|five| {
            let bits = five.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
            (0..8).rev().map(move |digit| char::from(DIGITS[(bits >> (5 * digit) & 31) as usize]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_square_brackets_is_corrected_as_mailman_does() {
        for (value, expected) in [
            ("[a@b]", Some("<a@b>")),
            ("<[a@b]>", Some("<a@b>")),
            ("<[a@b]", Some("<a@b>")),
            ("[a] [b]> c", Some("<a] [b> c")),
            ("<[a]>>", Some("<a>>")),
            ("[a\r\n ]", None),
            ("[a]\r\n ]", Some("<a>\r\n ]")),
            ("<a@[b]>", None),
            ("\r\n [a]", None),
            ("[a", None),
            ("", None),
        ] {
            let corrected = correct(value.as_bytes()).map(|corrected| String::from_utf8(corrected).unwrap());
            assert_eq!(corrected.as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_hash_excludes_the_brackets_unless_blanks_surround_them() {
        // Computed by `add_message_hash` of Mailman 3.3.10.
        let (inside, whole) = ("2AZYWIZED4JE6LED7JXVQIMSAA437BO3", "QHNDQGY4MV5FBUCOGGE2JBZDPX7D6YLC");
        let of = |field: &str| MessageId::of_field(field.as_bytes()).hash();
        for field in ["Message-ID: <a@b>\r\n", "message-id:a@b", "A:\t a@b \n", "A: [a@b]\r", "A:\r\n a@b"] {
            assert_eq!(of(field), inside, "{field:?}");
        }
        for field in ["Message-ID: <a@b> \r\n", "Message-ID:\r\n <a@b>\r\n", "A: <a@b>\r \x1f"] {
            assert_eq!(of(field), whole, "{field:?}");
        }
        assert_eq!(of("Message-ID:\r\n"), "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ", "SHA-1 of nothing");
    }
}
