//! Checks what is read from a bounce.

use crate::bounce::{Class, NotABounce, classify};
use crate::limits;
use crate::view::View;
use std::collections::BTreeSet;

/// Checks that what is taken from a bounce has a bound and is on one line, and that the message in a report does not
/// change what the report says, whatever it contains.
pub fn bounce(message: &[u8]) {
    if let Ok(bounce) = classify(&View::whole(message)) {
        assert!(bounce.diagnostic.chars().count() <= limits::DIAGNOSTIC);
        assert!(bounce.recipients.len() <= limits::BOUNCED);
        let distinct: BTreeSet<_> = bounce.recipients.iter().map(|mailbox| mailbox.as_str()).collect();
        assert_eq!(distinct.len(), bounce.recipients.len());
        let id = bounce.message_id.unwrap_or_default();
        assert!(id.chars().count() <= limits::MESSAGE_ID + 2);
        assert!(!bounce.diagnostic.contains(char::is_control) && !id.contains(char::is_control));
        assert!(bounce.class != Class::Unknown || bounce.diagnostic.is_empty() || bounce.status.is_some());
        assert!(bounce.status.is_none_or(|status| matches!(status.class, 2 | 4 | 5)));
    }
    for (status, expected) in [
        ("Status: 5.2.2", Ok(Class::Full)),
        ("Action: delayed", Ok(Class::Temporary)),
        ("Action: delivered", Err(NotABounce::Delivered)),
    ] {
        let report = [
            b"Content-Type: multipart/report; boundary=\"=report=\"\r\n\r\n--=report=\r\n\
            Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; bob@example.org\r\n"
                .as_slice(),
            status.as_bytes(),
            b"\r\n\r\n--=report=\r\nContent-Type: message/rfc822\r\n\r\n",
            message,
            b"\r\n--=report=--\r\n",
        ];
        let found = classify(&View::whole(&report.concat()));
        if !message.windows(8).any(|octets| octets == b"=report=") {
            assert_eq!(found.as_ref().map(|bounce| bounce.class).map_err(|other| *other), expected);
            assert!(found.is_ok_and(|bounce| bounce.recipients.len() == 1) || expected.is_err());
        }
    }
}
