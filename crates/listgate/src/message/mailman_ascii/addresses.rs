//! Lists of addresses (RFC 5322 section 3.4) in ASCII. Malformed ones are common, so what cannot be read as an
//! address is written as text.

use super::words::{Words, is_blank, masked, split_while, unfolded};
use crate::model::ascii_domain;

/// Octets of an address in ASCII that is written in full, so that it fits on a line of 998.
const LONGEST: usize = 900;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Blanks,
    /// An atom, or several with dots or an at sign between them.
    Word,
    Quoted,
    Comment,
    /// `[…]`, as in an address literal.
    Literal,
    /// `<…>`
    Angle,
    /// The end of an address, or of the name of a group.
    End,
}

#[derive(Clone, Copy, Debug)]
struct Token<'v> {
    kind: Kind,
    octets: &'v [u8],
}

impl<'v> Token<'v> {
    /// Reads the first token of a value that is not empty. Returns `None` if the token has no end.
    fn read(value: &'v [u8]) -> Option<Self> {
        let while_ = |belongs: fn(u8) -> bool| Some(split_while(value, belongs).0.len());
        let (kind, len) = match value[0] {
            b' ' | b'\t' | b'\r' | b'\n' => (Kind::Blanks, while_(is_blank)),
            b'"' => (Kind::Quoted, quoted(value)),
            b'(' => (Kind::Comment, comment(value)),
            b'[' => (Kind::Literal, value.iter().position(|&octet| octet == b']').map(|at| at + 1)),
            b'<' => (Kind::Angle, angle(value)),
            b',' | b';' | b':' => (Kind::End, Some(1)),
            _ => (Kind::Word, while_(|octet| !is_blank(octet) && !b"\"([<,;:".contains(&octet))),
        };
        Some(Self { kind, octets: &value[..len?] })
    }

    /// Returns whether the token can be a part of a name or an address.
    fn is_part(self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Literal)
    }
}

/// Returns the length of the quoted string at the beginning.
fn quoted(value: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let close = value[1..].iter().position(|&octet| {
        let closes = octet == b'"' && !escaped;
        escaped = octet == b'\\' && !escaped;
        closes
    });
    close.map(|at| at + 2)
}

/// Returns the length of the comment at the beginning, which may contain others.
fn comment(value: &[u8]) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    let close = value.iter().position(|&octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    close.map(|at| at + 1)
}

/// Returns the length of the address in angle brackets at the beginning.
fn angle(value: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match value.get(at)? {
            b'>' => return Some(at + 1),
            b'<' => return None,
            b'"' => at += quoted(&value[at..])?,
            _ => at += 1,
        }
    }
}

/// Writes the value of a field of addresses.
pub(super) fn write(mut value: &[u8], words: &mut Words) {
    let mut tokens = Vec::new();
    while !value.is_empty() {
        match read_address(value, &mut tokens) {
            Some(rest) => {
                write_address(&tokens, words);
                value = rest;
            }
            None => return words.text(value),
        }
    }
}

/// Reads the tokens up to the end of an address, and returns what follows. Returns `None` if one has no end.
fn read_address<'v>(value: &'v [u8], tokens: &mut Vec<Token<'v>>) -> Option<&'v [u8]> {
    tokens.clear();
    let mut rest = value;
    while !rest.is_empty() {
        let token = Token::read(rest)?;
        tokens.push(token);
        rest = &rest[token.octets.len()..];
        if token.kind == Kind::End {
            break;
        }
    }
    Some(rest)
}

fn write_address(mut tokens: &[Token<'_>], words: &mut Words) {
    // Everything before an address in angle brackets is a name, even if it has an at sign.
    let has_angle = tokens.iter().any(|token| token.kind == Kind::Angle);
    while let Some(first) = tokens.first() {
        let parts = tokens.iter().take_while(|token| token.is_part()).count();
        let (now, rest) = tokens.split_at(parts.max(1));
        tokens = rest;
        if parts > 0 {
            write_parts(now, has_angle, words);
            continue;
        }
        let octets = first.octets;
        match first.kind {
            Kind::Blanks => words.space(octets),
            _ if octets.is_ascii() => words.plain(octets),
            Kind::Comment => write_comment(octets, words),
            _ => {
                let address = ascii_address(&octets[1..octets.len() - 1]);
                words.plain(&[b"<", address.as_bytes(), b">"].concat());
            }
        }
    }
}

/// Writes parts of an address or of a name, with no blanks between them.
fn write_parts(parts: &[Token<'_>], has_angle: bool, words: &mut Words) {
    let octets: Vec<u8> = parts.iter().flat_map(|part| part.octets).copied().collect();
    let has_at = || parts.iter().any(|part| part.kind == Kind::Word && part.octets.contains(&b'@'));
    if octets.is_ascii() {
        words.plain(&octets);
    } else if !has_angle && has_at() {
        words.plain(ascii_address(&octets).as_bytes());
    } else {
        let texts = parts.iter().map(|part| match part.kind {
            Kind::Quoted => unescaped(&part.octets[1..part.octets.len() - 1]),
            _ => part.octets.to_vec(),
        });
        words.encoded(&texts.collect::<Vec<_>>().concat());
    }
}

fn write_comment(mut octets: &[u8], words: &mut Words) {
    while let Some(first) = octets.first() {
        let mut escaped = false;
        let (text, rest) = split_while(octets, |octet| {
            let ends = !escaped && matches!(octet, b'(' | b')');
            escaped = octet == b'\\' && !escaped;
            !ends
        });
        if text.is_empty() {
            words.plain(&[*first]);
            octets = &octets[1..];
        } else {
            words.text_with(text, unescaped);
            octets = rest;
        }
    }
}

/// Returns the text without the backslashes that escape something.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let kept = text.iter().copied().filter(|&octet| {
        escaped = octet == b'\\' && !escaped;
        !escaped
    });
    kept.collect()
}

/// Returns an address in ASCII: the domain by its A-labels, and a local part that is not ASCII with `=` and two
/// hexadecimal digits in place of each octet that is not a letter, a digit, or one of `.-_+`. Mailman takes it for an
/// ordinary address, and nothing decodes it: an encoded word would become `jürgen` in RCPT again. It cannot get
/// mail, but moderators can read it, and two addresses in UTF-8 stay different. A domain without A-labels is written
/// likewise.
///
/// If the result would be longer than a line allows, each octet above ASCII becomes a question mark.
pub(in crate::message) fn ascii_address(address: &[u8]) -> String {
    let address: Vec<u8> = unfolded(address).collect();
    let address = address.trim_ascii();
    let at = address.iter().rposition(|&octet| octet == b'@').unwrap_or(address.len());
    let (local, domain) = address.split_at(at);
    let local = if let [b'"', quoted @ .., b'"'] = local
        && !local.is_ascii()
    {
        readable(&unescaped(quoted))
    } else {
        readable(local)
    };
    let domain = domain.strip_prefix(b"@").map_or_else(String::new, |domain| {
        let labels = std::str::from_utf8(domain).ok().filter(|domain| !domain.is_ascii());
        format!("@{}", labels.and_then(ascii_domain).unwrap_or_else(|| readable(domain)))
    });
    if local.len() + domain.len() > LONGEST {
        return String::from_utf8_lossy(&masked(address)).into_owned();
    }
    local + &domain
}

/// Returns the octets as they are if they are ASCII, and otherwise with `=XX` for all but a few.
fn readable(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => return text.to_owned(),
        _ => {}
    }
    let one = |&octet: &u8| match octet {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' | b'+' => char::from(octet).to_string(),
        _ => format!("={octet:02X}"),
    };
    octets.iter().map(one).collect()
}
