//! What a refusal of the mail server means: for a recipient, for the message, or for all mail.

use listgate_lmtp::{Phase, Reply};

/// What a refusal means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Meaning {
    /// The server refuses all mail: its refusal of the greeting, EHLO, AUTH or MAIL is permanent.
    Broken,
    /// The server cannot take the message now.
    Later,
    /// It refuses the message itself, for any recipient.
    Message,
    /// It refuses this recipient.
    Recipient,
    /// It refuses this recipient, perhaps because it refuses all mail: for reasons of policy, or without saying why.
    Doubtful,
    /// It cannot take this recipient now.
    RecipientLater,
    /// It takes no more recipients in this transaction.
    TooMany,
}

/// Returns what a refusal means. `phase` is what it answers.
pub(super) fn of_refusal(phase: Phase, reply: &Reply) -> Meaning {
    let is_permanent = reply.code >= 500;
    let enhanced = enhanced(reply);
    match phase {
        // RFC 5321 section 4.5.3.1.10. Some servers say 552 for it, which that section asks to treat as temporary.
        Phase::Rcpt if is_too_many(reply.code, enhanced) => Meaning::TooMany,
        // MAIL declares the size of the message.
        Phase::Mail if is_permanent && (reply.code == 552 || is_about_size(enhanced)) => Meaning::Message,
        Phase::Greeting | Phase::Hello | Phase::StartTls | Phase::Auth | Phase::Mail if is_permanent => {
            Meaning::Broken
        }
        Phase::Rcpt | Phase::NotSent if is_permanent => match enhanced {
            Some([5, 1, _]) => Meaning::Recipient,
            Some([5, 7, _]) | None => Meaning::Doubtful,
            Some(_) => Meaning::Recipient,
        },
        Phase::Rcpt | Phase::NotSent => Meaning::RecipientLater,
        Phase::Data | Phase::Message if is_permanent => Meaning::Message,
        _ => Meaning::Later,
    }
}

/// Returns whether an enhanced code says that the message is too large (RFC 3463 sections 3.3 and 3.4).
fn is_about_size(enhanced: Option<[u16; 3]>) -> bool {
    matches!(enhanced, Some([5, 3, 4] | [5, 2, 3]))
}

/// Returns whether a refusal is about the number of recipients: a 452 or 552 without an enhanced code, or with the one for
/// that (RFC 3463 section 3.6).
fn is_too_many(code: u16, enhanced: Option<[u16; 3]>) -> bool {
    matches!((code, enhanced), (452 | 552, None | Some([_, 5, 3])))
}

/// Returns the enhanced status code at the front of a reply (RFC 2034), if it has one of its class.
fn enhanced(reply: &Reply) -> Option<[u16; 3]> {
    let word = reply.lines.first()?.split(' ').next()?;
    let mut numbers = word.split('.').map(|number| number.parse().ok());
    let code = [numbers.next()??, numbers.next()??, numbers.next()??];
    (numbers.next().is_none() && code[0] == reply.code / 100).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        let (code, text) = text.split_once(' ').unwrap();
        Reply { code: code.parse().unwrap(), lines: vec![text.to_owned()] }
    }

    #[test]
    fn a_refusal_concerns_all_mail_the_message_or_one_recipient() {
        for (phase, text, meaning) in [
            (Phase::Greeting, "554 no", Meaning::Broken),
            (Phase::Greeting, "421 4.3.2 busy", Meaning::Later),
            (Phase::Hello, "550 no", Meaning::Broken),
            (Phase::Auth, "535 5.7.8 wrong password", Meaning::Broken),
            (Phase::Auth, "454 4.7.0 later", Meaning::Later),
            (Phase::Mail, "550 5.7.1 not from you", Meaning::Broken),
            (Phase::Mail, "451 4.3.0 later", Meaning::Later),
            (Phase::Mail, "452 4.3.1 the disk is full", Meaning::Later),
            (Phase::Mail, "552 5.3.4 too large", Meaning::Message),
            (Phase::Mail, "550 5.2.3 too large", Meaning::Message),
            (Phase::Rcpt, "550 5.1.1 unknown", Meaning::Recipient),
            (Phase::Rcpt, "550 5.1.8 bad", Meaning::Recipient),
            (Phase::Rcpt, "552 5.2.2 full", Meaning::Recipient),
            (Phase::Rcpt, "554 5.7.1 relay access denied", Meaning::Doubtful),
            (Phase::Rcpt, "550 relay not permitted", Meaning::Doubtful),
            // An enhanced code of another class does not count (RFC 2034 section 4).
            (Phase::Rcpt, "550 4.1.1 unknown", Meaning::Doubtful),
            (Phase::Rcpt, "550 5.1 unknown", Meaning::Doubtful),
            (Phase::Rcpt, "450 4.2.1 later", Meaning::RecipientLater),
            (Phase::Rcpt, "452 4.5.3 too many recipients", Meaning::TooMany),
            (Phase::Rcpt, "452 too many recipients", Meaning::TooMany),
            (Phase::Rcpt, "552 5.5.3 too many recipients", Meaning::TooMany),
            (Phase::Rcpt, "552 too many recipients", Meaning::TooMany),
            (Phase::Rcpt, "452 4.2.2 full", Meaning::RecipientLater),
            (Phase::Rcpt, "451 4.7.1 greylisted", Meaning::RecipientLater),
            (Phase::NotSent, "553 5.6.7 needs SMTPUTF8", Meaning::Recipient),
            (Phase::Data, "554 5.5.1 no", Meaning::Message),
            (Phase::Data, "451 4.3.0 later", Meaning::Later),
            (Phase::Message, "554 5.7.1 spam", Meaning::Message),
            (Phase::Message, "451 4.3.0 later", Meaning::Later),
        ] {
            assert_eq!(of_refusal(phase, &reply(text)), meaning, "{phase:?} {text}");
        }
    }
}
