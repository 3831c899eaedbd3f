//! The addresses in a field such as From (RFC 5322 section 3.4), also where it is malformed.

use crate::text;
use listgate_lmtp::Mailbox;

/// One address of a field.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The display name, decoded, without control characters; empty if there is none. Where only a comment follows the
    /// address, it is that comment.
    pub name: String,
    /// The address, or `None` if the text is not a valid address.
    pub mailbox: Option<Mailbox>,
}

/// Reads the addresses of an unfolded value. The names of groups are left out. Encoded words are decoded only after
/// names and addresses were separated, so no address can hide in one.
pub(crate) fn read(value: &str) -> Vec<Address> {
    let mut reader = Reader { rest: value, ..Reader::default() };
    reader.read();
    reader.found
}

#[derive(Default)]
struct Reader<'v> {
    rest: &'v str,
    found: Vec<Address>,
    /// The current item outside angle brackets and comments, as it was written.
    plain: String,
    /// The same, without the quotes of quoted strings.
    name: String,
    comment: String,
    /// The text in the last angle brackets of the item.
    angle: Option<&'v str>,
}

impl<'v> Reader<'v> {
    fn read(&mut self) {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '"' => {
                    let quoted = self.take_quoted();
                    self.plain.push_str(quoted);
                    self.name.push_str(&unquote(quoted));
                }
                '(' => {
                    let comment = self.take_comment();
                    self.comment.push_str(comment);
                }
                '<' => {
                    // A second address without a comma is an address of its own.
                    if self.angle.is_some() {
                        self.end_item();
                    }
                    self.angle = Some(self.take_angle());
                }
                '[' => {
                    let literal = self.take_to(|c| c == ']');
                    self.plain.push_str(literal);
                    self.name.push_str(literal);
                }
                ',' | ';' => {
                    self.end_item();
                    self.rest = &self.rest[1..];
                }
                ':' => {
                    // What came before is the name of a group.
                    self.plain.clear();
                    self.name.clear();
                    self.comment.clear();
                    self.rest = &self.rest[1..];
                }
                c => {
                    self.plain.push(c);
                    self.name.push(c);
                    self.rest = &self.rest[c.len_utf8()..];
                }
            }
        }
        self.end_item();
    }

    fn end_item(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        let name = std::mem::take(&mut self.name);
        let comment = std::mem::take(&mut self.comment);
        let (spec, name) = match self.angle.take() {
            Some(angle) => (without_route(angle.trim()), name),
            None if plain.trim().is_empty() => return,
            None => (plain.trim(), String::new()),
        };
        let name = if name.trim().is_empty() { comment } else { name };
        self.found.push(Address { name: text::decode(name.trim()), mailbox: spec.parse().ok() });
    }

    /// Takes everything up to the first character that ends it, and that one; or everything, if none does.
    fn take_to(&mut self, ends: impl FnMut(char) -> bool) -> &'v str {
        let end = self.rest.find(ends).map_or(self.rest.len(), |at| at + 1);
        self.take(end)
    }

    fn take(&mut self, len: usize) -> &'v str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    /// Takes a quoted string with its quotes.
    fn take_quoted(&mut self) -> &'v str {
        self.take(quoted_len(self.rest))
    }

    /// Takes a comment, which may have comments within, and returns its text.
    fn take_comment(&mut self) -> &'v str {
        let (mut depth, mut escaped) = (0, false);
        let comment = self.take_to(|c| {
            match c {
                _ if escaped => {
                    escaped = false;
                    return false;
                }
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let inner = &comment[1..];
        inner.strip_suffix(')').unwrap_or(inner)
    }

    /// Takes an address in angle brackets, and returns it without them.
    fn take_angle(&mut self) -> &'v str {
        let inner = &self.rest[1..];
        let mut len = 0;
        loop {
            match inner[len..].chars().next() {
                None => break,
                Some('>') => {
                    self.take(len + 2);
                    return &inner[..len];
                }
                Some('"') => len += quoted_len(&inner[len..]),
                Some(c) => len += c.len_utf8(),
            }
        }
        self.take(len + 1);
        inner
    }
}

/// Returns the length in octets of the quoted string at the front of `text`.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    let mut end = text.char_indices().skip(1).skip_while(|&(_, c)| {
        let goes_on = escaped || c != '"';
        escaped = c == '\\' && !escaped;
        goes_on
    });
    end.next().map_or(text.len(), |(at, _)| at + 1)
}

fn unquote(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            '"' => {}
            c => text.push(c),
        }
    }
    text
}

/// Removes a source route, `@one.example,@two.example:` (RFC 5322 section 4.4).
fn without_route(spec: &str) -> &str {
    match spec.split_once(':') {
        Some((route, spec)) if route.starts_with('@') => spec,
        _ => spec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Vec<String> {
        let show = |address: Address| match address.mailbox {
            Some(mailbox) => format!("{}|{mailbox}", address.name),
            None => format!("{}|-", address.name),
        };
        read(value).into_iter().map(show).collect()
    }

    #[test]
    fn addresses_are_read_as_people_and_programs_write_them() {
        for (value, expected) in [
            ("", vec![]),
            (" , ,", vec![]),
            ("ann@example.org", vec!["|ann@example.org"]),
            ("Ann <ann@example.org>", vec!["Ann|ann@example.org"]),
            ("<ann@example.org>, bob@example.org", vec!["|ann@example.org", "|bob@example.org"]),
            ("\"Smith, Ann\" <ann@example.org>", vec!["Smith, Ann|ann@example.org"]),
            ("\"Ann \\\"A\\\" (x) <b@c>\" <ann@example.org>", vec!["Ann \"A\" (x) <b@c>|ann@example.org"]),
            ("ann@example.org (Ann (the one))", vec!["Ann (the one)|ann@example.org"]),
            ("(a, b \\) c) ann@example.org", vec!["a, b \\) c|ann@example.org"]),
            ("=?utf-8?q?J=C3=BCrg?= <j@example.org>", vec!["J\u{fc}rg|j@example.org"]),
            ("J\u{fc}rg <j\u{fc}rg@example.org>", vec!["J\u{fc}rg|j\u{fc}rg@example.org"]),
            ("\"a b\"@example.org", vec!["|\"a b\"@example.org"]),
            ("<\"a>b\"@example.org>", vec!["|\"a>b\"@example.org"]),
            ("ann@[IPv6:::1], bob@[192.0.2.1]", vec!["|ann@[IPv6:::1]", "|bob@[192.0.2.1]"]),
            ("<@one.example,@two.example:ann@example.org>", vec!["|ann@example.org"]),
            (
                "Team: ann@example.org, Bob <bob@example.org>;, c@example.org",
                vec!["|ann@example.org", "Bob|bob@example.org", "|c@example.org"],
            ),
            ("undisclosed-recipients:;", vec![]),
        ] {
            assert_eq!(shown(value), expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_counted() {
        for (value, expected) in [
            ("<>", vec!["|-"]),
            ("MAILER-DAEMON", vec!["|-"]),
            ("Mail Delivery System <MAILER-DAEMON>", vec!["Mail Delivery System|-"]),
            ("ann smith@example.org", vec!["|-"]),
            ("<ann@example.org", vec!["|ann@example.org"]),
            ("\"Ann <ann@example.org>", vec!["|-"]),
            ("(Ann ann@example.org", vec![]),
            ("\"Ann\\", vec!["|-"]),
            ("a@[", vec!["|-"]),
            ("<a@b> <c@d>", vec!["|a@b", "|c@d"]),
            ("victim@example.com <ann@example.org>", vec!["victim@example.com|ann@example.org"]),
            (
                "=?utf-8?q?victim=40example.com?= <ann@example.org>",
                vec!["victim@example.com|ann@example.org"],
            ),
            ("=?utf-8?q?=3Cvictim=40example.com=3E?=", vec!["|-"]),
            ("=?utf-8?q?a=0D=0ABcc=3A_x?= <ann@example.org>", vec!["a  Bcc: x|ann@example.org"]),
        ] {
            assert_eq!(shown(value), expected, "{value:?}");
        }
    }
}
