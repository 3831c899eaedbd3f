//! The fields that do not stay, and the error where they cannot be seen.

use crate::view::Field;

/// Fields that are removed, because they are private or ask receivers for something.
pub(super) const PRIVATE: &[&str] = &[
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
pub(super) const OF_LISTS: &[&str] = &[
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Returns whether a field is private or asks receivers for something.
pub(crate) fn is_private(field: &Field<'_>) -> bool {
    PRIVATE.iter().any(|name| field.is(name))
}

/// Returns whether a field of a post stays, whatever the settings of the list.
pub(crate) fn is_kept(field: &Field<'_>) -> bool {
    !is_private(field) && !OF_LISTS.iter().any(|name| field.is(name))
}

/// The header of a message was not read to its end, because it has more than [`limits::HEADER`](crate::limits::HEADER)
/// octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderTooLarge;

impl std::fmt::Display for HeaderTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the header is too large to be changed")
    }
}

impl std::error::Error for HeaderTooLarge {}
