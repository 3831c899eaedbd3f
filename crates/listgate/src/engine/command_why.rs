//! Reasons for what became of commands, for people and for metrics.

use super::signs;
use listgate_engine::command::{Limit, Reason, RequestKind};
use listgate_engine::comparable::Comparable;
use listgate_engine::limits;

/// Returns the word for a reason in metrics.
pub(super) fn label(reason: &Reason) -> &'static str {
    match reason {
        Reason::Joined(_) => "joined",
        Reason::Left(_) => "left",
        Reason::Rejoined(_) => "rejoined",
        Reason::Asked(..) => "asked",
        Reason::AskedModerator(_) => "asked_moderator",
        Reason::Accepted(..) => "accepted_post",
        Reason::Rejected(..) => "rejected_post",
        Reason::Ruled(..) => "decided_post",
        Reason::NotModerator(_) => "not_moderator",
        Reason::Help => "help",
        Reason::Roster => "roster",
        Reason::NotUnderstood => "not_understood",
        Reason::HeaderTooLarge => "header",
        Reason::Automatic(_) => "automatic",
        Reason::Loop => "loop",
        Reason::NoSender => "no_sender",
        Reason::Banned(_) => "banned",
        Reason::Member(_) => "member",
        Reason::NotMember(_) => "not_member",
        Reason::Closed => "closed",
        Reason::RosterHidden => "roster_hidden",
        Reason::BadToken => "bad_token",
        Reason::UnknownSubject => "unknown_token",
        Reason::NotAReply => "not_a_reply",
        Reason::Early | Reason::EarlyAgain | Reason::EarlyReturn => "early",
        Reason::Waiting(_) => "waiting",
        Reason::TooManyRequests => "too_many_requests",
        Reason::Bounces(_) => "bounces",
        Reason::OverLimit(..) => "limit",
    }
}

/// Returns a reason as a sentence for people. `shown` writes an address.
pub(super) fn text(reason: &Reason, shown: impl Fn(&Comparable) -> String) -> String {
    match reason {
        Reason::Joined(address) => format!("{} joined", shown(address)),
        Reason::Left(address) => format!("{} left", shown(address)),
        Reason::Rejoined(address) => format!("{} is a member again", shown(address)),
        Reason::Asked(RequestKind::Leave, address) => {
            format!("{} has to confirm that they leave", shown(address))
        }
        Reason::Asked(_, address) => format!("{} has to confirm that they join", shown(address)),
        Reason::AskedModerator(address) => format!("a moderator has to accept {}", shown(address)),
        Reason::Accepted(address, held) => format!("{} accepted the held post {held}", shown(address)),
        Reason::Rejected(address, held) => format!("{} rejected the held post {held}", shown(address)),
        Reason::Ruled(held, ruling) => format!("the held post {held} was {} before", ruling.as_str()),
        Reason::NotModerator(held) => {
            format!("its token for the held post {held} belongs to somebody who is not a moderator any more")
        }
        Reason::Help => "it asks for help, or for nothing".to_owned(),
        Reason::Roster => "it asks who the members are".to_owned(),
        Reason::NotUnderstood => "it has no command that is known".to_owned(),
        Reason::HeaderTooLarge => "its header has more than 1 MiB".to_owned(),
        Reason::Automatic(sign) => signs::text(*sign).to_owned(),
        Reason::Loop => "it comes from this list, or would be answered to it".to_owned(),
        Reason::NoSender => "From does not have exactly one address to which mail can be sent".to_owned(),
        Reason::Banned(address) => format!("{} is banned", shown(address)),
        Reason::Member(address) => format!("{} is a member already", shown(address)),
        Reason::NotMember(address) => format!("{} is not a member", shown(address)),
        Reason::Closed => "nobody can join this list by mail (subscription_policy=closed)".to_owned(),
        Reason::RosterHidden => {
            "the members are not shown to this address (member_roster_visibility)".to_owned()
        }
        Reason::BadToken => "its token is not valid for this, or has expired".to_owned(),
        Reason::UnknownSubject => {
            "what its token is about is over, or the database is older than the token".to_owned()
        }
        Reason::NotAReply => "it has a token, but is not a reply to the mail that had it".to_owned(),
        Reason::Early => {
            "it confirms so soon that a program may have sent it, so it is asked again".to_owned()
        }
        Reason::EarlyAgain => {
            "it confirms so soon that a program may have sent it, and not for the first time".to_owned()
        }
        Reason::EarlyReturn => "it undoes leaving so soon that a program may have sent it".to_owned(),
        Reason::Waiting(address) => format!("the request of {} waits for a moderator", shown(address)),
        Reason::TooManyRequests => {
            format!("{} requests to join the list wait already", crate::limits::REQUESTS)
        }
        Reason::Bounces(address) => format!("mail to {} came back in the last 14 days", shown(address)),
        Reason::OverLimit(limit, address) => over_limit(*limit, &shown(address)),
    }
}

fn over_limit(limit: Limit, address: &str) -> String {
    match limit {
        Limit::Request => format!(
            "{address} was asked already: at most {} an hour and {} a day",
            limits::MAILS_IN_HOUR,
            limits::MAILS_IN_DAY
        ),
        Limit::Address => {
            format!("{address} has got {} such mails in a day already", limits::ANSWERS_TO_ADDRESS)
        }
        Limit::Domain => format!(
            "the domain of {address} has got {} such mails in an hour already",
            limits::ANSWERS_TO_DOMAIN
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn reasons_name_the_address_as_it_may_be_shown() {
        let anne = || Comparable::new(&"Anne@example.org".parse().unwrap());
        for (reason, expected_label, expected) in [
            (Reason::Joined(anne()), "joined", "a*** joined"),
            (Reason::Asked(RequestKind::Join, anne()), "asked", "a*** has to confirm that they join"),
            (
                Reason::OverLimit(Limit::Request, anne()),
                "limit",
                "a*** was asked already: at most 1 an hour and 3 a day",
            ),
            (
                Reason::OverLimit(Limit::Address, anne()),
                "limit",
                "a*** has got 10 such mails in a day already",
            ),
            (Reason::Bounces(anne()), "bounces", "mail to a*** came back in the last 14 days"),
        ] {
            assert_eq!(
                (label(&reason), text(&reason, |_| "a***".to_owned()).as_str()),
                (expected_label, expected)
            );
        }
    }

    fn page() -> String {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
        fs::read_to_string(page).unwrap()
    }

    #[test]
    fn the_page_of_commands_has_the_limits() {
        let page = page();
        for (what, limit) in [
            ("mails about one request in an hour", limits::MAILS_IN_HOUR as usize),
            ("mails about one request in a day", limits::MAILS_IN_DAY as usize),
            (
                "mails to an address in a day (`anne+x@` counts as `anne@`)",
                limits::ANSWERS_TO_ADDRESS as usize,
            ),
            ("mails to all addresses of a domain in an hour", limits::ANSWERS_TO_DOMAIN as usize),
            ("seconds before which a reply counts as a program's", limits::SOONEST_REPLY as usize),
            ("lines of a mail that are searched for words", limits::COMMAND_LINES),
            ("commands that are read from a mail", limits::COMMANDS),
            ("octets of the text of a notice", limits::NOTICE),
            ("octets of one value in it, such as the members", limits::VALUE),
            ("octets of a text of your own", limits::TEMPLATE),
        ] {
            let row = format!("| {what} | {limit} |");
            assert!(page.lines().any(|line| line == row), "{row}");
        }
    }

    #[test]
    fn the_page_of_commands_has_the_reasons_for_no_answer() {
        let anne = || Comparable::new(&"anne@example.org".parse().unwrap());
        let page = page();
        let (_, section) = page.split_once("\n## When Listgate does not answer\n").unwrap();
        let (section, _) = section.split_once("\n### ").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let documented: Vec<&str> = rows.map(|(reason, _)| reason).collect();
        let silent = [
            Reason::HeaderTooLarge,
            Reason::Loop,
            Reason::Banned(anne()),
            Reason::NotModerator(3),
            Reason::Waiting(anne()),
            Reason::NotAReply,
            Reason::EarlyAgain,
            Reason::EarlyReturn,
            Reason::TooManyRequests,
            Reason::Bounces(anne()),
            Reason::OverLimit(Limit::Request, anne()),
            Reason::OverLimit(Limit::Address, anne()),
            Reason::OverLimit(Limit::Domain, anne()),
        ];
        let silent = silent.iter().map(|reason| text(reason, |_| "ADDRESS".to_owned()));
        let expected: Vec<String> = ["it is automatic".to_owned()].into_iter().chain(silent).collect();
        assert_eq!(documented, expected);
    }
}
