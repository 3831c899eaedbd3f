//! The prefix of the subject.

use crate::splice::Splice;
use crate::view::{Field, View};
use crate::write::{encoded_words, field, needs_encoding, one_line};

/// What stands for the subject of a post that has none, as in Mailman.
const NO_SUBJECT: &str = "(no subject)";

/// The octets on the first line of a subject, up to which the prefix comes on the same line. A line may have 998 (RFC 5322
/// section 2.1.1).
const FIRST_LINE: usize = 800;

/// The change of the subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    /// It stays.
    Kept,
    /// The prefix is inserted before it.
    Insert(Splice),
    /// There is none, and this field is added.
    Add(String),
}

impl Subject {
    /// Returns the change of the subject for this prefix. If the subject has the prefix anywhere, as in `Re: [My List] x`,
    /// it stays.
    pub(super) fn new(prefix: Option<&str>, view: &View<'_>) -> Self {
        let prefix = one_line(prefix.unwrap_or_default());
        let prefix = prefix.trim();
        if prefix.is_empty() {
            return Self::Kept;
        }
        let Some(subject) = view.first("Subject") else {
            return Self::Add(field("Subject", &format!("{} {NO_SUBJECT}", shown(prefix, false))));
        };
        let text = subject.decoded();
        if text.to_lowercase().contains(&prefix.to_lowercase()) {
            return Self::Kept;
        }
        Self::Insert(before(&subject, prefix, text.is_empty()))
    }
}

/// Returns the splice that inserts the prefix before the text of a subject, and nothing else.
fn before(subject: &Field<'_>, prefix: &str, is_empty: bool) -> Splice {
    let blanks = subject.value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let first = if blanks == 0 { " " } else { "" };
    let shown = shown(prefix, subject.value.trim_ascii_start().starts_with(b"=?"));
    let line = subject.value[blanks..].iter().take_while(|octet| !matches!(octet, b'\r' | b'\n')).count();
    let last = match line {
        _ if is_empty => format!(" {NO_SUBJECT}"),
        // The text is on the next line, which begins with a blank.
        0 => String::new(),
        1..FIRST_LINE => " ".to_owned(),
        _ => "\r\n ".to_owned(),
    };
    Splice::insert(subject.value_at() + blanks as u64, format!("{first}{shown}{last}"))
}

/// Returns the prefix, in encoded words if it must be. The blank between two encoded words does not count (RFC 2047
/// section 6.2), so before another one it is encoded, too.
fn shown(prefix: &str, before_encoded: bool) -> String {
    match needs_encoding(prefix) {
        false => prefix.to_owned(),
        true if before_encoded => encoded_words(&format!("{prefix} ")),
        true => encoded_words(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splice::Splices;

    /// Returns the post with the prefix, checked: a Subject has no other change than an insertion.
    fn prefixed(prefix: &str, header: &str) -> String {
        let message = format!("{header}\r\n");
        match Subject::new(Some(prefix), &View::whole(message.as_bytes())) {
            Subject::Kept => header.to_owned(),
            Subject::Add(field) => format!("{header}{field}"),
            Subject::Insert(splice) => {
                assert_eq!(splice.remove, 0);
                let changed = Splices::new(vec![splice]).unwrap().apply(message.as_bytes());
                String::from_utf8(changed).unwrap().strip_suffix("\r\n").unwrap().to_owned()
            }
        }
    }

    #[test]
    fn a_prefix_comes_once_before_the_octets_of_the_author() {
        for (subject, expected) in [
            ("", "Subject: [My List] (no subject)\r\n"),
            ("Subject:\r\n", "Subject: [My List] (no subject)\r\n"),
            ("Subject: \r\n \r\n", "Subject: [My List] (no subject)\r\n \r\n"),
            ("Subject: hello\r\n", "Subject: [My List] hello\r\n"),
            ("subject :hello\r\n", "subject : [My List] hello\r\n"),
            ("Subject:\t hello\n  all \r\n", "Subject:\t [My List] hello\n  all \r\n"),
            ("Subject:\r\n hello\r\n", "Subject: [My List]\r\n hello\r\n"),
            ("Subject: Re: hello\r\n", "Subject: [My List] Re: hello\r\n"),
            ("Subject: Re: [My List] hello\r\n", "Subject: Re: [My List] hello\r\n"),
            ("Subject: AW: [my\r\n list] hello\r\n", "Subject: AW: [my\r\n list] hello\r\n"),
            ("Subject: =?utf-8?q?=C3=BC?=\r\n", "Subject: [My List] =?utf-8?q?=C3=BC?=\r\n"),
            ("Subject: =?utf-8?q?[My_List]_=C3=BC?=\r\n", "Subject: =?utf-8?q?[My_List]_=C3=BC?=\r\n"),
            ("Subject: a\r\nSubject: b\r\n", "Subject: [My List] a\r\nSubject: b\r\n"),
        ] {
            assert_eq!(prefixed("[My List] ", subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn a_prefix_reads_as_it_was_set() {
        let euro = "\u{20ac}".repeat(60);
        for (prefix, subject, expected) in [
            ("", "hello", "hello"),
            (" \r\n", "hello", "hello"),
            ("[Gr\u{fc}\u{df}e]", "hello", "[Gr\u{fc}\u{df}e] hello"),
            ("[Gr\u{fc}\u{df}e]", "=?utf-8?q?=C3=BC?=", "[Gr\u{fc}\u{df}e] \u{fc}"),
            ("[Gr\u{fc}\u{df}e]", "\r\n =?utf-8?q?=C3=BC?=", "[Gr\u{fc}\u{df}e] \u{fc}"),
            ("=?utf-8?q?x?=", "hello", "=?utf-8?q?x?= hello"),
            ("[a]\r\nBcc: x", "hello", "[a] Bcc: x hello"),
            (&euro, "hello", &format!("{euro} hello")),
        ] {
            let changed = prefixed(prefix, &format!("Subject: {subject}\r\n"));
            let changed = format!("{changed}\r\n");
            let view = View::whole(changed.as_bytes());
            assert_eq!(view.fields().count(), 1, "{changed}");
            assert_eq!(view.first("Subject").unwrap().decoded(), expected, "{changed}");
        }
    }

    #[test]
    fn no_line_becomes_too_long() {
        for len in [700, 799, 800, 900, 989] {
            let changed = prefixed(&"x".repeat(1000), &format!("Subject: {}\r\n", "y".repeat(len)));
            assert!(changed.lines().all(|line| line.len() <= 998), "{len}");
        }
    }
}
