//! Changes a post for its distribution. Everything that is not named here stays as its author wrote it, octet for
//! octet, so a signature that covers only other fields stays valid (RFC 6376).

use crate::posting::Settings;
use crate::splice::Splices;
use crate::view::{Field, View};
use listgate_lmtp::{Mailbox, needs_no_quotes};
use std::fmt::Write as _;

/// Fields that are removed, because they are private or ask receivers for something.
const PRIVATE: &[&str] = &[
    "X-MailFrom",
    "Message-ID-Hash",
    "Return-Path",
    "Bcc",
    "Resent-Bcc",
    // A moderator's password, in all spellings that Mailman takes.
    "Approved",
    "Approve",
    "X-Approved",
    "X-Approve",
    // Each receiver's program would answer these.
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    // These speak for another sender.
    "List-Unsubscribe-Post",
    "Feedback-ID",
];

/// Fields of another list, or forged ones, that are replaced by the list's own (RFC 2369, RFC 2919).
const OF_LISTS: &[&str] = &[
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Returns the changes to a post before it is sent to members.
///
/// - Fields that are private or ask for something are removed.
/// - `List-*` (RFC 2369, RFC 2919) are removed, and the list's own are added after all other fields.
/// - X-BeenThere with the list_id is added before all other fields. Those of other lists stay.
/// - `Precedence: list` is added unless there is a Precedence.
///
/// `leave` is the address in List-Unsubscribe: with a token, if the copy is for one member. `None` stands for the `-leave`
/// address of the list.
///
/// # Errors
/// A post whose header was not read to its end cannot be cleaned. [`decide`](crate::posting::decide) rejects it.
///
/// ```
/// use listgate_engine::distribution::changes;
/// use listgate_engine::posting::Settings;
/// use listgate_engine::view::View;
///
/// let settings = Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap());
/// let post = b"From: ann@example.org\r\nBcc: bob@example.org\r\n\r\nHello.\r\n";
/// let view = View::whole(post);
/// let copy = changes(&settings, &view, None).unwrap().apply(post);
/// assert_eq!(String::from_utf8(copy).unwrap(), "X-BeenThere: mylist.example.com\r\n\
///     From: ann@example.org\r\n\
///     Precedence: list\r\n\
///     List-Id: <mylist.example.com>\r\n\
///     List-Help: <mailto:mylist-request@example.com?subject=help>\r\n\
///     List-Owner: <mailto:mylist-owner@example.com>\r\n\
///     List-Post: <mailto:mylist@example.com>\r\n\
///     List-Subscribe: <mailto:mylist-join@example.com>\r\n\
///     List-Unsubscribe: <mailto:mylist-leave@example.com>\r\n\
///     \r\n\
///     Hello.\r\n");
/// ```
pub fn changes(
    settings: &Settings,
    view: &View<'_>,
    leave: Option<&Mailbox>,
) -> Result<Splices, HeaderTooLarge> {
    if !view.has_whole_header() {
        return Err(HeaderTooLarge);
    }
    let first = field("X-BeenThere", &settings.list_id);
    let mut last = String::new();
    if view.first("Precedence").is_none() {
        last += &field("Precedence", "list");
    }
    let list = &settings.posting_address;
    let uri = |suffix: &str, query: &str| format!("<{}{query}>", mailto(list, suffix));
    let unsubscribe = leave.map_or_else(|| uri("-leave", ""), |leave| format!("<{}>", mailto(leave, "")));
    for (name, value) in [
        ("List-Id", format!("<{}>", settings.list_id)),
        ("List-Help", uri("-request", "?subject=help")),
        ("List-Owner", uri("-owner", "")),
        ("List-Post", uri("", "")),
        ("List-Subscribe", uri("-join", "")),
        ("List-Unsubscribe", unsubscribe),
    ] {
        last += &field(name, &value);
    }
    let splices = Splices::new(view.edit(|field| !is_kept(field), &first, &last));
    Ok(splices.expect("fields do not overlap, and others are added between them"))
}

/// Returns whether a field of a post stays.
pub(crate) fn is_kept(field: &Field<'_>) -> bool {
    !PRIVATE.iter().chain(OF_LISTS).any(|name| field.is(name))
}

/// The header of a post was not read to its end, because it has more than [`limits::HEADER`](crate::limits::HEADER)
/// octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderTooLarge;

impl std::fmt::Display for HeaderTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the header is too large to be changed")
    }
}

impl std::error::Error for HeaderTooLarge {}

/// Returns a field. Nothing in its value can begin another one, because control characters are left out.
fn field(name: &str, value: &str) -> String {
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    format!("{name}: {value}\r\n")
}

/// Returns the URI of an address whose local part has a suffix (RFC 6068 section 2).
fn mailto(mailbox: &Mailbox, suffix: &str) -> String {
    let local = mailbox.local().unquoted() + suffix;
    let local = if needs_no_quotes(&local) {
        local
    } else {
        format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""))
    };
    format!("mailto:{}@{}", percent_encode(&local), percent_encode(mailbox.domain().as_str()))
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
    use crate::limits;

    fn settings(address: &str) -> Settings {
        Settings::new("mylist.example.com", address.parse().unwrap())
    }

    fn distributed(settings: &Settings, post: &[u8]) -> Vec<u8> {
        changes(settings, &View::whole(post), None).unwrap().apply(post)
    }

    const OWN: &str = "List-Id: <mylist.example.com>\r\n\
        List-Help: <mailto:mylist-request@example.com?subject=help>\r\n\
        List-Owner: <mailto:mylist-owner@example.com>\r\n\
        List-Post: <mailto:mylist@example.com>\r\n\
        List-Subscribe: <mailto:mylist-join@example.com>\r\n\
        List-Unsubscribe: <mailto:mylist-leave@example.com>\r\n";

    /// Checks that a post with these fields is distributed with `kept` in their place.
    fn check(fields: &str, kept: &str, precedence: &str) {
        let post = format!("From: ann@example.org\r\n{fields}Subject: x\r\n\r\nHello.\r\nBcc: x\r\n");
        let expected = format!(
            "X-BeenThere: mylist.example.com\r\nFrom: ann@example.org\r\n{kept}Subject: x\r\n\
            {precedence}{OWN}\r\nHello.\r\nBcc: x\r\n"
        );
        let copy = distributed(&settings("mylist@example.com"), post.as_bytes());
        assert_eq!(String::from_utf8(copy).unwrap(), expected);
    }

    #[test]
    fn private_fields_and_those_that_ask_for_something_are_removed() {
        for name in PRIVATE {
            check(&format!("{name}: a\r\n b\r\n{} : c\r\n", name.to_uppercase()), "", "Precedence: list\r\n");
        }
    }

    #[test]
    fn fields_of_other_lists_are_replaced() {
        for name in OF_LISTS {
            check(&format!("{name}: <mailto:other@example.net>,\r\n\t<x>\r\n"), "", "Precedence: list\r\n");
        }
    }

    #[test]
    fn all_else_stays_octet_for_octet() {
        for kept in [
            "",
            "X-BeenThere: other.example.net\r\n",
            "DKIM-Signature: v=1; h=from:subject;\r\n\tb=x\r\n",
            "To :  a@b ,\r\n  c@d\r\nCc:\r\n",
            "Reply-To: ann@example.org\r\nSender: x\r\nErrors-To: y\r\n",
            "Subject: again\nbare: LF\nX: \u{e4}\t \r\n",
            "List-Software: x\r\nX-List-Id: y\r\nX-Message-ID-Hash: z\r\n",
            "Received: from x\r\n\tby y\r\nAuthentication-Results: z\r\n",
        ] {
            check(kept, kept, "Precedence: list\r\n");
        }
        check("precedence: bulk\r\n", "precedence: bulk\r\n", "");
    }

    #[test]
    fn leave_addresses_may_have_a_token() {
        let leave = "m7+CE4IYAAAAAAAATMLR2R4YP2HFE@example.com".parse().unwrap();
        let post = b"From: a@b\r\n\r\n";
        let splices = changes(&settings("mylist@example.com"), &View::whole(post), Some(&leave)).unwrap();
        let copy = String::from_utf8(splices.apply(post)).unwrap();
        let field = "List-Unsubscribe: <mailto:m7+CE4IYAAAAAAAATMLR2R4YP2HFE@example.com>\r\n";
        assert!(copy.ends_with(&format!("{field}\r\n")), "{copy}");
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
        ] {
            assert_eq!(mailto(&address.parse().unwrap(), suffix), uri);
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_field() {
        let settings =
            Settings { list_id: "x>\r\nBcc: y\u{85}".to_owned(), ..settings("mylist@example.com") };
        let copy = String::from_utf8(distributed(&settings, b"From: a@b\r\n\r\n")).unwrap();
        assert!(copy.starts_with("X-BeenThere: x>Bcc: y\r\nFrom: a@b\r\n"), "{copy}");
        assert!(copy.contains("\r\nList-Id: <x>Bcc: y>\r\n"), "{copy}");
    }

    #[test]
    fn a_header_that_was_not_seen_is_not_changed() {
        let post = [b"X: ".as_slice(), &vec![b'x'; limits::HEADER], b"\r\nBcc: a@b\r\n\r\n"].concat();
        assert_eq!(changes(&settings("mylist@example.com"), &View::whole(&post), None), Err(HeaderTooLarge));
    }

    #[test]
    fn a_second_distribution_changes_the_mark_alone() {
        let settings = settings("mylist@example.com");
        let once = distributed(&settings, b"From: a@b\r\nList-Id: <x>\r\n\r\nHello.");
        let twice = distributed(&settings, &once);
        assert_eq!(twice, [b"X-BeenThere: mylist.example.com\r\n".as_slice(), &once].concat());
    }
}
