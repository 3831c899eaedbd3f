//! Changes mail to `-owner` before it goes to owners and moderators.

use super::fields::{HeaderTooLarge, is_private};
use crate::comparable::comparable_local;
use crate::splice::Splices;
use crate::view::View;
use crate::write::{field, with_suffix};
use listgate_lmtp::Mailbox;

/// The field that marks mail which went to the owners. Many programs recognize it as a mark against loops.
const MARK: &str = "X-Loop";

/// Returns the changes of mail to the owners of a list, given the list's address for posts. Fields that are private or
/// ask for something are removed, as in posts, and `X-Loop: mylist-owner@example.com` is added, by which
/// [`went_to_owners`] recognizes the mail. It gets no `List-*`, because it did not go through the list.
///
/// # Errors
/// Mail whose header was not read to its end cannot be cleaned, and must not go to the owners.
///
/// ```
/// use listgate_engine::distribution::{for_owners, went_to_owners};
/// use listgate_engine::view::View;
///
/// let list = "mylist@example.com".parse().unwrap();
/// let mail = b"From: ann@example.org\r\nBcc: bob@example.org\r\n\r\nHello.\r\n";
/// assert!(!went_to_owners(&list, &View::whole(mail)));
/// let copy = for_owners(&list, &View::whole(mail)).unwrap().apply(mail);
/// assert_eq!(copy, b"From: ann@example.org\r\nX-Loop: mylist-owner@example.com\r\n\r\nHello.\r\n");
/// assert!(went_to_owners(&list, &View::whole(&copy)));
/// ```
pub fn for_owners(posting_address: &Mailbox, view: &View<'_>) -> Result<Splices, HeaderTooLarge> {
    if !view.has_whole_header() {
        return Err(HeaderTooLarge);
    }
    let mark = field(MARK, &with_suffix(posting_address, "-owner"));
    let splices = Splices::new(view.edit(is_private, "", &mark));
    Ok(splices.expect("fields do not overlap, and others are added after them"))
}

/// Returns whether mail went to the owners of this list before. Such mail must not go to them again: one of their
/// addresses leads back to `-owner`.
pub fn went_to_owners(posting_address: &Mailbox, view: &View<'_>) -> bool {
    let owner = comparable_local(&with_suffix(posting_address, "-owner"));
    view.named(MARK).any(|field| comparable_local(&field.unfolded()) == owner)
}

#[cfg(test)]
mod tests {
    use super::super::fields::PRIVATE;
    use super::*;
    use crate::limits;

    fn list() -> Mailbox {
        "mylist@example.com".parse().unwrap()
    }

    #[test]
    fn owners_get_mail_without_what_is_private() {
        for name in PRIVATE {
            let mail = format!("From: a@b\r\n{name}: x\r\n y\r\nList-Id: <x>\r\nX-Loop: z\r\n\r\nHello.\r\n");
            let copy = for_owners(&list(), &View::whole(mail.as_bytes())).unwrap().apply(mail.as_bytes());
            let expected = "From: a@b\r\nList-Id: <x>\r\nX-Loop: z\r\nX-Loop: mylist-owner@example.com\r\n\r\nHello.\r\n";
            assert_eq!(String::from_utf8(copy).unwrap(), expected);
        }
    }

    #[test]
    fn the_mark_of_this_list_is_recognized() {
        for (fields, expected) in [
            ("", false),
            ("X-Loop: mylist-owner@example.com\r\n", true),
            ("X-Loop: other\r\nx-loop :\r\n MyList-Owner@EXAMPLE.com \r\n", true),
            ("X-Loop: other-owner@example.com\r\n", false),
            ("X-Loop: mylist@example.com\r\n", false),
            ("Subject: X-Loop: mylist-owner@example.com\r\n", false),
        ] {
            let mail = format!("{fields}\r\nX-Loop: mylist-owner@example.com\r\n");
            assert_eq!(went_to_owners(&list(), &View::whole(mail.as_bytes())), expected, "{fields}");
        }
    }

    #[test]
    fn a_header_that_was_not_seen_does_not_go_to_owners() {
        let mail = [b"X: ".as_slice(), &vec![b'x'; limits::HEADER], b"\r\nBcc: a@b\r\n\r\n"].concat();
        assert_eq!(for_owners(&list(), &View::whole(&mail)), Err(HeaderTooLarge));
    }
}
