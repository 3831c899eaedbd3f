//! Writes the fields of a header. No value can begin another field: control characters are left out of what is
//! inserted, and only the folding that is written here has line ends.

use crate::encode::base64;
use crate::limits;
use listgate_lmtp::{Mailbox, needs_no_quotes};
use std::fmt::{Display, Write as _};

/// The octets of text in an encoded word. A line that has one may have 76 characters (RFC 2047 section 2), and the first
/// line also has the name of the field.
const ENCODED_WORD: usize = 39;

/// Returns a field. The value comes from the functions below.
pub(crate) fn field(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n")
}

/// Returns a field that is folded at 76 characters where it has blanks (RFC 5322 section 2.2.3 asks for 78, RFC 2047
/// section 2 for 76). Unfolding gives back the same value. Only a line that would have more than 998 octets (RFC 5322
/// section 2.1.1) is folded after the name.
pub(crate) fn folded_field(name: &str, value: &str) -> String {
    const MOST: usize = 998;
    let mut folded = String::with_capacity(name.len() + value.len() + 16);
    for (at, line) in field(name, value).trim_end().split("\r\n").enumerate() {
        let mut rest = line;
        while let Some(end) = fold(rest, if at == 0 && rest.len() == line.len() { name.len() + 2 } else { 1 })
        {
            folded = folded + &rest[..end] + "\r\n";
            rest = &rest[end..];
        }
        if let Some((name, value)) = rest.split_once(' ').filter(|_| at == 0 && rest.len() > MOST) {
            folded = folded + name + "\r\n ";
            rest = value;
        }
        folded = folded + rest + "\r\n";
    }
    folded
}

/// Returns the offset of the blank before which a line is folded, if it is too long. It comes after `start`, and stands
/// alone, so that no line has nothing but blanks; and it is not quoted by a backslash.
fn fold(line: &str, start: usize) -> Option<usize> {
    const LINE: usize = 76;
    let octets = line.as_bytes();
    let is_place = |&at: &usize| {
        octets[at] == b' '
            && !matches!(octets[at - 1], b' ' | b'\\')
            && octets.get(at + 1).is_some_and(|next| *next != b' ')
    };
    if line.len() <= LINE {
        return None;
    }
    let last = (start..=LINE).rev().find(is_place);
    last.or_else(|| (LINE + 1..line.len()).find(is_place))
}

/// Returns text without control characters.
pub(crate) fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Returns the first [`limits::NAME`] characters of text on one line.
pub(crate) fn one_line(text: &str) -> String {
    line_of(text, limits::NAME)
}

/// Returns the first `most` characters of text on one line: what separates lines, and other control characters, become
/// blanks, and several blanks become one.
pub(crate) fn line_of(text: &str, most: usize) -> String {
    let is_blank = |c: char| c == ' ' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let words: Vec<_> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(most).collect();
    line.trim_end().to_owned()
}

/// Returns text in lines that end in CR LF, without control characters, and without blanks at the ends of lines. Only the
/// line before a signature, `-- `, keeps its blank. Text without a word becomes empty.
pub(crate) fn text_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let line = |line: &str| -> String {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        if line == "-- " { line } else { line.trim_end().to_owned() }
    };
    let lines: Vec<_> = text.trim_end().split('\n').map(line).collect();
    match lines.join("\r\n") {
        text if text.trim().is_empty() => String::new(),
        text => text + "\r\n",
    }
}

/// Returns a name as a phrase (RFC 5322 section 3.2.5), quoted or in encoded words where it must be (RFC 2047 section 5).
pub(crate) fn phrase(name: &str) -> String {
    let name = one_line(name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    if needs_encoding(&name) {
        encoded_words(&name)
    } else if name.chars().all(is_plain) {
        name
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// Returns whether text on one line must be in encoded words: it is not ASCII, or it could be taken for an encoded word.
pub(crate) fn needs_encoding(line: &str) -> bool {
    !line.is_ascii() || line.contains("=?")
}

/// Returns text in encoded words (RFC 2047), each on a line of its own.
pub(crate) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = ends.take_while(|&end| end <= ENCODED_WORD).last().expect("a character is shorter");
        let (word, after) = rest.split_at(end);
        words.push(format!("=?utf-8?b?{}?=", base64(word.as_bytes())));
        rest = after;
    }
    words.join("\r\n ")
}

/// Returns an address with a name before it, unless the name is empty (RFC 5322 section 3.4).
pub(crate) fn address(name: &str, mailbox: impl Display) -> String {
    match phrase(name) {
        name if name.is_empty() => mailbox.to_string(),
        name => format!("{name} <{mailbox}>"),
    }
}

/// Returns the text of an address whose local part has a suffix.
pub(crate) fn with_suffix(mailbox: &Mailbox, suffix: &str) -> String {
    let local = mailbox.local().unquoted() + suffix;
    let local = if needs_no_quotes(&local) {
        local
    } else {
        format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""))
    };
    format!("{local}@{}", mailbox.domain().as_str())
}

/// Returns the URI of an address whose local part has a suffix (RFC 6068 section 2).
pub(crate) fn mailto(mailbox: &Mailbox, suffix: &str) -> String {
    let address = with_suffix(mailbox, suffix);
    let (local, domain) = address.rsplit_once('@').expect("an address has an @");
    format!("mailto:{}@{}", percent_encode(local), percent_encode(domain))
}

/// Returns the value of List-Id (RFC 2919): the name of a list, if it has one, and its list_id.
pub(crate) fn list_id(name: &str, list_id: &str) -> String {
    let list_id = format!("<{}>", without_controls(list_id));
    match phrase(name) {
        name if name.is_empty() => list_id,
        name => format!("{name}\r\n {list_id}"),
    }
}

/// Encodes all octets but those that need no encoding in the address of a mailto URI.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'=' => {
                encoded.push(octet.into());
            }
            _ => write!(encoded, "%{octet:02X}").expect("a string takes all that is written"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn names_are_phrases() {
        for (name, expected) in [
            ("", ""),
            (" \r\n ", ""),
            ("My List", "My List"),
            ("My   List\t", "My List"),
            ("it's <mine>, \"all\" \\", "\"it's <mine>, \\\"all\\\" \\\\\""),
            ("a@b", "\"a@b\""),
            ("Dr. Who", "\"Dr. Who\""),
            ("x\r\nBcc: y", "\"x Bcc: y\""),
            ("x\u{85}\u{2028}y\0", "x y"),
            ("Gr\u{fc}\u{df}e", "=?utf-8?b?R3LDvMOfZQ==?="),
            ("=?utf-8?q?a?=", "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?="),
        ] {
            assert_eq!(phrase(name), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_and_folded() {
        assert_eq!(phrase(&"x".repeat(10_000)).len(), limits::NAME);
        for character in ["\u{fc}", "\u{20ac}", "\u{1f600}"] {
            let phrase = phrase(&character.repeat(10_000));
            let field = field("Reply-To", &phrase);
            assert!(field.split("\r\n").all(|line| line.len() <= 76), "{field}");
            let decoded = text::decode(&text::unfold(phrase.as_bytes()));
            assert_eq!(decoded, character.repeat(limits::NAME));
        }
    }

    #[test]
    fn fields_are_folded_where_they_have_blanks() {
        let (a, b) = ("a".repeat(40), "b".repeat(900));
        for (value, expected) in [
            ("x y".to_owned(), "To: x y\r\n".to_owned()),
            (format!("{a} {a} {a}"), format!("To: {a}\r\n {a}\r\n {a}\r\n")),
            (format!("{a}\r\n {a} {a}"), format!("To: {a}\r\n {a}\r\n {a}\r\n")),
            (format!("{b} {b} {a} x"), format!("To: {b}\r\n {b}\r\n {a} x\r\n")),
            (format!("{a}  {a}"), format!("To: {a}  {a}\r\n")),
            (format!("\"{a}\\ {a}\""), format!("To: \"{a}\\ {a}\"\r\n")),
            (format!("{a}{a} "), format!("To: {a}{a}\r\n")),
            (b.clone() + &a, format!("To: {b}{a}\r\n")),
            (b.clone() + &a + &a + &a, format!("To:\r\n {b}{a}{a}{a}\r\n")),
        ] {
            let folded = folded_field("To", &value);
            assert_eq!(folded, expected);
            let unfolded = text::unfold(folded.as_bytes());
            assert_eq!(unfolded, text::unfold(field("To", value.trim_end()).as_bytes()));
        }
    }

    #[test]
    fn texts_have_lines_without_control_characters() {
        for (text, lines) in [
            ("", ""),
            (" \n\t\r\n", ""),
            ("a", "a\r\n"),
            ("a\rb\nc\r\nd \n\n", "a\r\nb\r\nc\r\nd\r\n"),
            ("\ta\0\u{85}b\n\n-- \nx", "\tab\r\n\r\n-- \r\nx\r\n"),
        ] {
            assert_eq!(text_lines(text), lines);
        }
    }

    #[test]
    fn addresses_are_encoded_in_uris() {
        for (address, suffix, uri) in [
            ("mylist@example.com", "-leave", "mailto:mylist-leave@example.com"),
            ("a+b=c@example.com", "", "mailto:a+b=c@example.com"),
            ("a%b&c?d@example.com", "", "mailto:a%25b%26c%3Fd@example.com"),
            ("j\u{fc}rg@ex\u{e4}mple.com", "", "mailto:j%C3%BCrg@ex%C3%A4mple.com"),
            ("\"my list\"@example.com", "-join", "mailto:%22my%20list-join%22@example.com"),
            ("\"a\\\"b\"@[192.0.2.1]", "", "mailto:%22a%5C%22b%22@%5B192.0.2.1%5D"),
            ("\"a@b\"@example.com", "-x", "mailto:%22a%40b-x%22@example.com"),
        ] {
            assert_eq!(mailto(&address.parse().unwrap(), suffix), uri);
        }
    }
}
