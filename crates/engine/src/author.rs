//! Whether the author of a post is notified that it is held or rejected.
//!
//! Anyone can write any address in From. So only members are notified, and authors whom the site's mail server has
//! verified; mail to others would go to people who have nothing to do with the list.

use crate::automatic::{self, Sign};
use crate::command::{Answered, Limit, Refused, is_authenticated, is_reachable, refusal};
use crate::comparable::Comparable;
use crate::view::View;
use listgate_lmtp::{Mailbox, ReversePath};

/// The author of a post, who is not a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The address in From.
    pub mailbox: Mailbox,
    /// The same, to compare it.
    pub address: Comparable,
    /// Whether the site's mail server has verified that the mail comes from the domain of this address.
    pub is_authenticated: bool,
}

/// Why the author of a post is not notified.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Silence {
    /// The header has more than [`limits::HEADER`](crate::limits::HEADER) octets.
    HeaderTooLarge,
    /// A program sent the post.
    Automatic(Sign),
    /// From does not have exactly one address to which mail can be sent.
    NoAuthor,
    /// The address is not a member's, and the mail server has not verified it.
    Stranger(Comparable),
    /// Mail to the address came back.
    Bounces(Comparable),
    /// The address has got as much mail as it may.
    OverLimit(Limit, Comparable),
}

/// Returns the author of a post, if it is a person. `authserv_id` is that of
/// [`Facts::authserv_id`](crate::command::Facts::authserv_id).
///
/// # Errors
/// The reason why no author can be written to.
pub fn author(view: &View<'_>, sender: &ReversePath, authserv_id: Option<&str>) -> Result<Author, Silence> {
    if !view.has_whole_header() {
        return Err(Silence::HeaderTooLarge);
    }
    if let Some(sign) = automatic::of_command(sender, view) {
        return Err(Silence::Automatic(sign));
    }
    let mut from = view.addresses("From");
    let one = from.pop().filter(|_| from.is_empty()).and_then(|from| from.mailbox);
    let mailbox = one.filter(is_reachable).ok_or(Silence::NoAuthor)?;
    let address = Comparable::new(&mailbox);
    let is_authenticated = authserv_id.is_some_and(|server| is_authenticated(view, server, &address));
    Ok(Author { mailbox, address, is_authenticated })
}

impl Author {
    /// Checks that the author may get a mail about the post. `is_member` says whether the address is a member's, and
    /// `answered` how much mail it has got.
    ///
    /// # Errors
    /// The reason why not.
    pub fn may_hear(&self, is_member: bool, answered: Answered) -> Result<(), Silence> {
        let address = || self.address.clone();
        if !is_member && !self.is_authenticated {
            return Err(Silence::Stranger(address()));
        }
        match refusal(answered, None) {
            Some(Refused::Bounces) => Err(Silence::Bounces(address())),
            Some(Refused::Limit(limit)) => Err(Silence::OverLimit(limit, address())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    const VERIFIED: &str = "Authentication-Results: mx.example.com; dkim=pass header.d=example.org";

    /// Decides about a post with these fields. `<ADDRESS>` is the envelope sender, which is otherwise Anne's. The state may
    /// say `member`, `trust`, `bounced`, `day` or `hour`.
    fn heard(state: &str, fields: &str) -> String {
        let has = |word: &str| state.split(' ').any(|other| other == word);
        let (mut message, mut sender) = (String::new(), "anne@example.org");
        for field in fields.split(" | ").filter(|field| !field.is_empty()) {
            match field.strip_prefix('<') {
                Some(envelope) => sender = envelope.trim_end_matches('>'),
                None => message += &format!("{field}\r\n"),
            }
        }
        if !message.contains("From: ") {
            message += "From: Anne <Anne@example.org>\r\n";
        }
        message += "Message-ID: <1@example.org>\r\n\r\nHello.\r\n";
        let sender = match sender {
            "" => ReversePath::Null,
            sender => ReversePath::Mailbox(sender.parse().unwrap()),
        };
        let answered = Answered {
            account_in_day: if has("day") { limits::ANSWERS_TO_ADDRESS } else { 0 },
            domain_in_hour: if has("hour") { limits::ANSWERS_TO_DOMAIN } else { 0 },
            has_bounced: has("bounced"),
        };
        let server = has("trust").then_some("mx.example.com");
        let author = author(&View::whole(message.as_bytes()), &sender, server);
        let heard = author.and_then(|author| {
            author.may_hear(has("member"), answered)?;
            let verified = if author.is_authenticated { ", verified" } else { "" };
            Ok(format!("{}{verified}", author.mailbox))
        });
        heard.unwrap_or_else(|silence| match silence {
            Silence::Stranger(address) => format!("Stranger {}", address.as_str()),
            Silence::Bounces(address) => format!("Bounces {}", address.as_str()),
            Silence::OverLimit(limit, address) => format!("OverLimit({limit:?}) {}", address.as_str()),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn members_and_verified_authors_hear_of_their_posts() {
        let verified_by_another = "Authentication-Results: mx.example.net; dkim=pass header.d=example.org";
        let large = format!("X: {}", "x".repeat(limits::HEADER));
        for (state, fields, expected) in [
            ("member", "", "Anne@example.org"),
            ("member", "<bounces@example.net>", "Anne@example.org"),
            ("", "", "Stranger anne@example.org"),
            ("", VERIFIED, "Stranger anne@example.org"),
            ("trust", "", "Stranger anne@example.org"),
            ("trust", verified_by_another, "Stranger anne@example.org"),
            ("trust", VERIFIED, "Anne@example.org, verified"),
            ("trust member", VERIFIED, "Anne@example.org, verified"),
            ("member", "From: anne@example.org, bob@example.org", "NoAuthor"),
            ("member", "From: x@a\u{200e}b.example", "NoAuthor"),
            ("member", "From: undisclosed", "Automatic(NoAuthor)"),
            ("member", "<>", "Automatic(NullSender)"),
            ("member", "Auto-Submitted: auto-generated", "Automatic(AutoSubmitted)"),
            ("member", "Precedence: bulk", "Automatic(Precedence)"),
            ("member", "List-Id: <other.example.net>", "Automatic(ListField)"),
            ("member", &large, "HeaderTooLarge"),
            ("member bounced", "", "Bounces anne@example.org"),
            ("member day", "", "OverLimit(Address) anne@example.org"),
            ("trust hour", VERIFIED, "OverLimit(Domain) anne@example.org"),
            ("bounced", "", "Stranger anne@example.org"),
        ] {
            let fields_shown: String = fields.chars().take(100).collect();
            assert_eq!(heard(state, fields), expected, "{state}: {fields_shown}");
        }
    }
}
