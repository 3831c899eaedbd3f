//! Header fields in ASCII, for GNU Mailman.
//!
//! From a field with an octet above ASCII, Python makes an object where Mailman's runners expect text. They then
//! shunt the message, or discard it without a word. So each such field is written in ASCII, whether the sender
//! declared SMTPUTF8 or not. Fields in ASCII stay as they are.
//!
//! This is own code, because the crates that write encoded words build whole messages: none rewrites the field of
//! a stranger and keeps everything else in it.

mod addresses;
mod words;

pub(super) use addresses::ascii_address;
pub(super) use words::masked;

use std::borrow::Cow;
use words::Words;

/// What a field contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Words for people (RFC 5322 section 2.2.1). Also that of fields that are not known.
    Text,
    /// Addresses, with names and comments (RFC 5322 section 3.4).
    Addresses,
    /// Ids, dates and parameters, in which encoded words are not allowed (RFC 2047 section 5).
    Tokens,
}

/// Fields of addresses, besides those that begin with `Resent-`.
const ADDRESSES: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Apparently-To",
    "Delivered-To",
    "Disposition-Notification-To",
    "Envelope-From",
    "Envelope-To",
    "Errors-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Return-Path",
    "Return-Receipt-To",
    "X-Envelope-From",
    "X-Envelope-To",
    "X-MailFrom",
    "X-Original-From",
    "X-Original-To",
];

const TOKENS: &[&str] =
    &["Message-ID", "References", "In-Reply-To", "Date", "Resent-Date", "Resent-Message-ID", "MIME-Version"];

impl Kind {
    fn of(name: &[u8]) -> Self {
        let is = |other: &&str| name.eq_ignore_ascii_case(other.as_bytes());
        let begins = |prefix: &str| {
            name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        // The description is text (RFC 2045 section 8).
        if TOKENS.iter().any(is) || begins("Content-") && !is(&"Content-Description") {
            Self::Tokens
        } else if ADDRESSES.iter().any(is) || begins("Resent-") {
            Self::Addresses
        } else {
            Self::Text
        }
    }
}

/// Returns a header field in ASCII. The field has its name, the colon, its value with any folds, and the line end.
///
/// A field in ASCII is returned unchanged. Otherwise, non-ASCII words become encoded words (RFC 2047), in UTF-8, or
/// in `unknown-8bit` (RFC 1428) if they are not valid UTF-8: nothing says in which charset they are, and a wrong
/// guess could not be corrected later. In fields of addresses, names and comments become encoded words, domains
/// A-labels, and local parts what [`ascii_address`] returns. In ids, dates and parameters, each octet above ASCII
/// becomes a question mark. Lines are folded at the blanks that are there, if possible before column 76.
pub(crate) fn ascii_field(field: &[u8]) -> Cow<'_, [u8]> {
    if field.is_ascii() {
        return Cow::Borrowed(field);
    }
    let colon = field.iter().position(|&octet| octet == b':');
    let Some(colon) = colon.filter(|&colon| field[..colon].is_ascii()) else { return masked(field) };
    let kind = Kind::of(&field[..colon]);
    if kind == Kind::Tokens {
        return masked(field);
    }
    let (name, rest) = field.split_at(colon + 1);
    let end = rest.iter().rposition(|octet| !b"\r\n".contains(octet)).map_or(0, |last| last + 1);
    let (value, line_end) = rest.split_at(end);
    let mut words = Words::after(name);
    match kind {
        Kind::Addresses => addresses::write(value, &mut words),
        Kind::Text | Kind::Tokens => words.text(value),
    }
    Cow::Owned(words.finish(line_end))
}

#[cfg(test)]
mod tests;
