//! Mail as ten mail programs write it.

use super::super::samples::{PROGRAMS, command, reply};
use super::{Addressed, decided_whole, mailbox, with_tokens};
use listgate_lmtp::ReversePath;

#[test]
fn a_plain_reply_confirms() {
    let token = with_tokens("{confirm:23}");
    for (state, joined) in
        [("join 23 ann@example.org", "ann@example.org"), ("join 23 other@example.net", "other@example.net")]
    {
        for program in PROGRAMS {
            let sender = ReversePath::Mailbox(mailbox("ann@example.org"));
            // Some programs write the token in capitals.
            for token in [token.clone(), token.to_uppercase()] {
                let to = (Addressed::Confirm, Some(token.as_str()));
                assert_eq!(
                    decided_whole(state, to, &sender, &reply(program)),
                    format!("Done: Joined {joined} > end 23, join {joined}, Welcome! (Joined) to {joined}"),
                    "{program}"
                );
            }
        }
    }
}

#[test]
fn a_command_is_followed() {
    for program in PROGRAMS {
        let sender = ReversePath::Mailbox(mailbox("ann@example.org"));
        let found = decided_whole("", (Addressed::Request, None), &sender, &command(program));
        assert!(!found.starts_with("Ignored") && !found.contains("NotUnderstood"), "{program}: {found}");
    }
}
