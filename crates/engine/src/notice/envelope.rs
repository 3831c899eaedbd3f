//! What a notice is, and where it goes.

use super::template::Template;
use crate::write::one_line;
use listgate_lmtp::Mailbox;
use std::collections::BTreeMap;

/// A mail that the list sends by itself, as it was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Which mail it is.
    pub template: Template,
    /// The values that the envelope does not have, by the names in [`Template::values`]. They may have any characters.
    /// A value that is missing is empty.
    pub values: BTreeMap<String, String>,
    /// If this is an answer to a mail: the Message-ID of that mail, with its angle brackets, or empty if it has none.
    /// One that cannot be written in a header is left out.
    pub in_reply_to: Option<String>,
}

/// Where a notice comes from and goes to, when it is sent. All addresses of the list have at most
/// [`limits::ADDRESS`](crate::limits::ADDRESS) octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope<'e> {
    /// The address for posts, `mylist@example.com`.
    pub list: &'e Mailbox,
    /// The list_id, such as `mylist.example.com`. At most 255 octets (RFC 2919 section 2).
    pub list_id: &'e str,
    /// The name of the list for people; empty if it has none. Only the first [`limits::NAME`](crate::limits::NAME)
    /// characters count.
    pub display_name: &'e str,
    /// Who gets the notice. For most templates, this is also whom it is about.
    pub to: &'e Mailbox,
    /// The address with the token of [`Template::purpose`], if there is one.
    pub token_address: Option<&'e Mailbox>,
    /// The addresses with the tokens that accept and reject a held post, if there are any.
    pub rulings: Option<Rulings<'e>>,
    /// The left side of the Message-ID: letters, digits, `-` and `.`. Others are left out.
    pub id: &'e str,
    /// When it is sent, in seconds since 1970-01-01 in UTC. The same notice must always have the same time.
    pub at: u64,
}

/// The addresses to which a moderator writes in order to decide about a held post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rulings<'e> {
    /// Mail to it accepts the post.
    pub accept: &'e Mailbox,
    /// Mail to it rejects the post.
    pub reject: &'e Mailbox,
}

impl Envelope<'_> {
    /// Returns the name of the list for people, or the local part of its address if it has none.
    pub(super) fn list_name(&self) -> String {
        match one_line(self.display_name) {
            name if name.is_empty() => self.list.local().unquoted(),
            name => name,
        }
    }
}
