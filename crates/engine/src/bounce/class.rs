//! What a bounce means, by its codes (RFC 3463, RFC 5321 section 4.2) and words.

use std::fmt;

/// What a bounce means for the member and the post.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// The address is not there, or takes no mail any more.
    Permanent,
    /// The mail could not be delivered for some time.
    Temporary,
    /// The mailbox is full.
    Full,
    /// The sender was refused: by DMARC, a block list, a spam filter. This is not the member's fault.
    Policy,
    /// The contents were refused, for example an attachment. This is not the member's fault.
    Content,
    /// The message is too large. This is not the member's fault.
    Size,
    /// Nothing that was recognized says why.
    Unknown,
}

impl Class {
    /// Returns its name: `permanent`, `temporary`, `full`, `policy`, `content`, `size` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Temporary => "temporary",
            Self::Full => "full",
            Self::Policy => "policy",
            Self::Content => "content",
            Self::Size => "size",
            Self::Unknown => "unknown",
        }
    }
}

/// An enhanced status code (RFC 3463), such as 5.1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u8,
    /// The subject, up to 999.
    pub subject: u16,
    /// The detail, up to 999.
    pub detail: u16,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Status {
    /// Returns the first status code in a text. Parts of longer numbers, such as IP addresses, are not codes.
    pub(super) fn find(text: &str) -> Option<Self> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let words = text.split(|c: char| !is_part(c));
        words.filter_map(|word| Self::parse(word.trim_end_matches('.'))).next()
    }

    fn parse(word: &str) -> Option<Self> {
        let mut numbers = word.split('.').map(|number| {
            let is_number =
                (1..=3).contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit());
            if is_number { number.parse::<u16>().ok() } else { None }
        });
        let class = match numbers.next()?? {
            2 => 2,
            4 => 4,
            5 => 5,
            _ => return None,
        };
        let (subject, detail) = (numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(Self { class, subject, detail })
    }

    /// Returns whether the code says only that something failed, or where, but not what.
    pub(super) fn is_vague(self) -> bool {
        matches!((self.subject, self.detail), (0 | 5, _) | (1..=4, 0))
    }

    /// Returns what the code means; `None` for success.
    pub(super) fn meaning(self) -> Option<Class> {
        Some(match (self.class, self.subject, self.detail) {
            (2, ..) => return None,
            (_, 2, 2) => Class::Full,
            (_, 2, 3) | (_, 3, 4) => Class::Size,
            (4, ..) => Class::Temporary,
            // Of what is about security, this alone is about the recipient: the account is disabled.
            (_, 7, 13) => Class::Permanent,
            // The sender's address, or its domain, was refused.
            (_, 1, 7 | 8) | (_, 7, _) => Class::Policy,
            // Protected, or with lines too long: RFC 3463 section 3.7.
            (_, 6, _) => Class::Content,
            // The system is full, or the mail was too old.
            (_, 3, 1) | (_, 4, 7) => Class::Temporary,
            _ => Class::Permanent,
        })
    }
}

/// Returns the first reply code of SMTP in a text that reports a failure. They are larger than any number in an IPv4
/// address.
pub(super) fn find_code(text: &str) -> Option<u16> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut codes = words.filter(|word| word.len() == 3).filter_map(|word| word.parse().ok());
    codes.find(
        |code| matches!(code, 421 | 450..=459 | 500..=504 | 510..=515 | 521 | 530..=535 | 541..=559 | 571),
    )
}

/// Returns what a reply code means (RFC 5321 section 4.2.3).
pub(super) fn meaning_of_code(code: u16) -> Class {
    match code {
        452 | 552 => Class::Full,
        ..500 => Class::Temporary,
        // Authentication, and names that are not SMTP's.
        530..=541 | 571 => Class::Policy,
        _ => Class::Permanent,
    }
}

/// Phrases, in lower case, and what they mean. The first in this order decides.
const PHRASES: &[(&str, Class)] = &[
    ("mailbox full", Class::Full),
    ("mailbox is full", Class::Full),
    ("mailfolder is full", Class::Full),
    ("quota", Class::Full),
    ("exceeded storage", Class::Full),
    ("exceeded the local limit", Class::Full),
    ("too large", Class::Size),
    ("too big", Class::Size),
    ("size limit", Class::Size),
    ("virus", Class::Content),
    ("attachment", Class::Content),
    ("spam", Class::Policy),
    ("blacklist", Class::Policy),
    ("block list", Class::Policy),
    ("blocked", Class::Policy),
    ("dmarc", Class::Policy),
    ("policy", Class::Policy),
    ("access denied", Class::Policy),
    ("sender rejected", Class::Policy),
    ("not allowed", Class::Policy),
    ("spf ", Class::Policy),
    ("user unknown", Class::Permanent),
    ("unknown user", Class::Permanent),
    ("unknown recipient", Class::Permanent),
    ("no such user", Class::Permanent),
    ("not exist", Class::Permanent),
    ("not recognized", Class::Permanent),
    ("not listed", Class::Permanent),
    ("not found", Class::Permanent),
    ("no valid recipient", Class::Permanent),
    ("no mx record", Class::Permanent),
    ("doesn't have a", Class::Permanent),
    ("disabled", Class::Permanent),
    ("unrouteable", Class::Permanent),
    ("timed out", Class::Temporary),
    ("temporar", Class::Temporary),
    ("not responding", Class::Temporary),
    ("expired", Class::Temporary),
    ("queue too long", Class::Temporary),
    ("giving up", Class::Temporary),
    ("permanent", Class::Permanent),
];

/// Returns what the words of a text mean.
pub(super) fn meaning_of_words(text: &str) -> Option<Class> {
    let text = text.to_lowercase();
    PHRASES.iter().find(|(phrase, _)| text.contains(phrase)).map(|&(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_are_found_among_other_numbers() {
        for (text, expected) in [
            ("5.1.1", Some("5.1.1")),
            ("4.4.7 (delivery time expired)", Some("4.4.7")),
            ("550-5.7.26 This mail", Some("5.7.26")),
            ("qmail says no. (#5.1.2)", Some("5.1.2")),
            ("failed with 5.2.2.", Some("5.2.2")),
            ("[192.5.1.1] said 5.7.1", Some("5.7.1")),
            ("5.5.5.5 and 4.1", None),
            ("v5.1.1 5.1.1234 5..1 6.1.1", None),
            ("", None),
        ] {
            let found = Status::find(text).map(|status| status.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn status_codes_have_their_meanings() {
        for (code, class, is_vague) in [
            ("2.0.0", None, true),
            ("2.1.5", None, false),
            ("4.0.0", Some(Class::Temporary), true),
            ("4.2.1", Some(Class::Temporary), false),
            ("4.2.2", Some(Class::Full), false),
            ("4.4.7", Some(Class::Temporary), false),
            ("4.7.1", Some(Class::Temporary), false),
            ("5.0.0", Some(Class::Permanent), true),
            ("5.1.0", Some(Class::Permanent), true),
            ("5.1.1", Some(Class::Permanent), false),
            ("5.1.2", Some(Class::Permanent), false),
            ("5.1.7", Some(Class::Policy), false),
            ("5.1.8", Some(Class::Policy), false),
            ("5.1.10", Some(Class::Permanent), false),
            ("5.2.1", Some(Class::Permanent), false),
            ("5.2.2", Some(Class::Full), false),
            ("5.2.3", Some(Class::Size), false),
            ("5.3.1", Some(Class::Temporary), false),
            ("5.3.4", Some(Class::Size), false),
            ("5.4.4", Some(Class::Permanent), false),
            ("5.4.7", Some(Class::Temporary), false),
            ("5.5.0", Some(Class::Permanent), true),
            ("5.6.1", Some(Class::Content), false),
            ("5.7.1", Some(Class::Policy), false),
            ("5.7.13", Some(Class::Permanent), false),
            ("5.7.26", Some(Class::Policy), false),
            ("5.7.515", Some(Class::Policy), false),
        ] {
            let status = Status::find(code).unwrap();
            assert_eq!((status.meaning(), status.is_vague()), (class, is_vague), "{code}");
        }
    }

    #[test]
    fn reply_codes_have_their_meanings() {
        for (text, code, class) in [
            ("550 no such user", 550, Class::Permanent),
            ("said: 554-refused", 554, Class::Permanent),
            ("421 busy", 421, Class::Temporary),
            ("<<< 451 4.3.0 later", 451, Class::Temporary),
            ("452 full", 452, Class::Full),
            ("552 full", 552, Class::Full),
            ("535 authenticate first", 535, Class::Policy),
            ("571 refused", 571, Class::Policy),
        ] {
            assert_eq!(find_code(text), Some(code), "{text}");
            assert_eq!(meaning_of_code(code), class, "{text}");
        }
        for text in ["250 ok", "354 go on", "192.0.2.55", "x550 5500 55", "460 600", ""] {
            assert_eq!(find_code(text), None, "{text}");
        }
    }

    #[test]
    fn phrases_have_their_meanings() {
        for (phrase, class) in PHRASES {
            assert_eq!(*phrase, phrase.to_lowercase());
            assert_eq!(meaning_of_words(&format!("Sorry, {}.", phrase.to_uppercase())), Some(*class));
        }
        assert_eq!(meaning_of_words("Hello."), None);
    }
}
