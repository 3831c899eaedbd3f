//! Reasons, for people and for metrics.

use super::command_why;
use super::signs;
use bytesize::ByteSize;
use listgate_engine::author::Silence;
use listgate_engine::command;
use listgate_engine::comparable::Comparable;
use listgate_engine::posting::{Action, Reason};

/// The reason for what became of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// A rule about posts.
    Rule(Reason),
    /// A rule about commands.
    Command(command::Reason),
    /// The list holds as many posts as it may.
    TooManyHeld,
    /// These moderators, or who stands in their place, get a notice of the held post.
    ModeratorsAsked(Vec<String>),
    /// They get none, as the list is set.
    ModeratorsUnasked,
    /// They have got as many notices as they may.
    TooManyAnnounced,
    /// There is nobody who could get one.
    NoModerators,
    /// The author gets a mail about the post.
    AuthorNotified(Comparable),
    /// The author gets none, as the list is set.
    AuthorOff,
    /// The author gets none, for another reason.
    AuthorSilent(Silence),
    /// The owners have got it already.
    SentToOwners,
    /// The list does not exist any more.
    NoList,
    /// It went to the postmaster already.
    SentToPostmaster,
    /// No address gets mail to the postmasters of the domains any more.
    NoPostmaster,
    /// The address that gets it is in a domain of this site.
    PostmasterIsHere(String),
}

impl Why {
    /// Returns the word for it in metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Rule(reason) => label(reason),
            Self::Command(reason) => command_why::label(reason),
            Self::TooManyHeld => "held_posts",
            Self::ModeratorsAsked(_) => "asked_moderator",
            Self::ModeratorsUnasked | Self::NoModerators => "not_asked",
            Self::TooManyAnnounced => "limit",
            Self::AuthorNotified(_) => "author",
            Self::AuthorOff | Self::AuthorSilent(_) => "no_author",
            Self::SentToOwners | Self::SentToPostmaster => "loop",
            Self::NoList => "no_list",
            Self::NoPostmaster | Self::PostmasterIsHere(_) => "no_postmaster",
        }
    }

    /// Returns whether it is why a mail was not sent that would have been the answer. It counts more in metrics than what
    /// was asked for.
    pub(super) fn keeps_back(&self) -> bool {
        matches!(self, Self::Command(command::Reason::OverLimit(..) | command::Reason::Bounces(_)))
    }

    /// Returns whether it says what a sender is to the list.
    pub(super) fn is_about_standing(&self) -> bool {
        matches!(self, Self::Rule(Reason::Member(..) | Reason::Nonmember(..)))
    }

    /// Returns it as a sentence for people. `shown` writes an address.
    pub(super) fn text(&self, shown: impl Fn(&str) -> String) -> String {
        match self {
            Self::Rule(reason) => text(reason, |address| shown(address.as_str())),
            Self::Command(reason) => command_why::text(reason, |address| shown(address.as_str())),
            Self::TooManyHeld => {
                format!("{} posts wait for the list's moderators already", crate::limits::HELD_POSTS)
            }
            Self::ModeratorsAsked(addresses) => {
                let shown: Vec<String> = addresses.iter().map(|address| shown(address)).collect();
                format!("asked to decide: {}", shown.join(", "))
            }
            Self::ModeratorsUnasked => "no moderator is asked (admin_immed_notify=no)".to_owned(),
            Self::TooManyAnnounced => format!(
                "no moderator is asked: they were asked about {} posts in an hour already",
                crate::limits::HELD_NOTICES
            ),
            Self::NoModerators => {
                "no moderator is asked: no moderator or owner gets mail, and site.owner is not set".to_owned()
            }
            Self::AuthorNotified(address) => format!("its author was notified: {}", shown(address.as_str())),
            Self::AuthorOff => "its author was not notified (respond_to_post_requests=no)".to_owned(),
            Self::AuthorSilent(silence) => {
                let why = silence_text(silence, |address| shown(address.as_str()));
                format!("its author was not notified: {why}")
            }
            Self::SentToOwners => "it comes from the list's -owner address (X-Loop)".to_owned(),
            Self::NoList => {
                "the list does not exist any more; remove the entry with `listgate queue remove`".to_owned()
            }
            Self::SentToPostmaster => {
                "it went to the postmaster before, and has come back (X-Loop)".to_owned()
            }
            Self::NoPostmaster => "neither site.postmaster nor site.owner is set any more".to_owned(),
            Self::PostmasterIsHere(address) => format!(
                "{} would get it, which is in a domain of this site: the mail would come back (site.postmaster)",
                shown(address)
            ),
        }
    }
}

fn label(reason: &Reason) -> &'static str {
    match reason {
        Reason::HeaderTooLarge => "header",
        Reason::Loop => "loop",
        Reason::Duplicate => "duplicate",
        Reason::Banned(_) => "banned",
        Reason::Emergency => "emergency",
        Reason::Member(..) => "member",
        Reason::Nonmember(..) => "nonmember",
        Reason::Automatic(_) => "automatic",
        Reason::ImplicitDestination => "destination",
        Reason::TooLarge(_) => "size",
        Reason::TooManyRecipients(_) => "recipients",
    }
}

fn text(reason: &Reason, shown: impl Fn(&Comparable) -> String) -> String {
    match reason {
        Reason::HeaderTooLarge => "its header has more than 1 MiB".to_owned(),
        Reason::Loop => "it comes from this list (X-BeenThere)".to_owned(),
        Reason::Duplicate => {
            "the list has received a post with this Message-ID in the last seven days".to_owned()
        }
        Reason::Banned(address) => format!("{} is banned", shown(address)),
        Reason::Emergency => "the list holds all posts (emergency)".to_owned(),
        Reason::Member(address, action) => {
            format!("posts of the member {} are {}", shown(address), participle(*action))
        }
        Reason::Nonmember(Some(address), action) => {
            format!("{} is not a member, and its posts are {}", shown(address), participle(*action))
        }
        Reason::Nonmember(None, action) => {
            format!("it names no sender, and posts of nonmembers are {}", participle(*action))
        }
        Reason::Automatic(sign) => signs::text(*sign).to_owned(),
        Reason::ImplicitDestination => "neither To nor Cc names the list".to_owned(),
        Reason::TooLarge(octets) => format!("it has {}, more than the list takes", ByteSize(*octets)),
        Reason::TooManyRecipients(count) => {
            format!("To and Cc have {count} addresses, more than the list takes")
        }
    }
}

/// Returns why the author of a post is not notified.
fn silence_text(silence: &Silence, shown: impl Fn(&Comparable) -> String) -> String {
    match silence {
        Silence::HeaderTooLarge => "its header has more than 1 MiB".to_owned(),
        Silence::Automatic(sign) => signs::text(*sign).to_owned(),
        Silence::NoAuthor => command_why::text(&command::Reason::NoSender, shown),
        Silence::Stranger(address) => {
            format!("{} is not a member, and not verified by the mail server", shown(address))
        }
        Silence::Bounces(address) => command_why::text(&command::Reason::Bounces(address.clone()), shown),
        Silence::OverLimit(limit, address) => {
            command_why::text(&command::Reason::OverLimit(*limit, address.clone()), shown)
        }
    }
}

fn participle(action: Action) -> &'static str {
    match action {
        Action::Accept => "accepted",
        Action::Hold => "held",
        Action::Reject => "rejected",
        Action::Discard => "discarded",
        Action::Defer => "decided by the other rules",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use listgate_engine::automatic::Sign;

    #[test]
    fn reasons_are_sentences_with_addresses_and_sizes_as_people_read_them() {
        let bob = || Comparable::new(&"Bob@Example.org".parse().unwrap());
        for (why, label, text) in [
            (Why::Rule(Reason::Banned(bob())), "banned", "bob@example.org is banned"),
            (
                Why::Rule(Reason::Nonmember(Some(bob()), Action::Hold)),
                "nonmember",
                "bob@example.org is not a member, and its posts are held",
            ),
            (
                Why::Rule(Reason::Nonmember(None, Action::Reject)),
                "nonmember",
                "it names no sender, and posts of nonmembers are rejected",
            ),
            (
                Why::Rule(Reason::Member(bob(), Action::Accept)),
                "member",
                "posts of the member bob@example.org are accepted",
            ),
            (Why::Rule(Reason::TooLarge(3 << 20)), "size", "it has 3.0 MiB, more than the list takes"),
            (
                Why::Rule(Reason::Automatic(Sign::NullSender)),
                "automatic",
                "it is automatic: its envelope sender is <>, as in bounces",
            ),
            (Why::TooManyHeld, "held_posts", "10000 posts wait for the list's moderators already"),
        ] {
            assert_eq!((why.label(), why.text(str::to_owned).as_str()), (label, text));
        }
        assert_eq!(Why::Rule(Reason::Banned(bob())).text(|_| "b***".to_owned()), "b*** is banned");
    }
}
