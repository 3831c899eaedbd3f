//! The settings of a list that decide how its posts change.

use super::write::one_line;
use listgate_lmtp::Mailbox;

/// The settings of a list that decide how its posts change. Names and defaults are those of GNU Mailman 3, except where
/// the field says otherwise. A signature of the author (RFC 6376) survives the default settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The list_id, such as `mylist.example.com`. At most 255 octets (RFC 2919 section 2).
    pub list_id: String,
    /// The address for posts, `mylist@example.com`.
    pub posting_address: Mailbox,
    /// The name of the list for people. Empty by default: the list has none.
    ///
    /// Names may have any characters. Line ends and other control characters become blanks, and only the first
    /// [`limits::NAME`](crate::limits::NAME) characters count.
    pub display_name: String,
    /// Where replies go. [`ReplyGoesToList::NoMunging`] by default.
    pub reply_goes_to_list: ReplyGoesToList,
    /// What comes before the author's subject, such as `[My List]`; a blank follows it. None by default, unlike in Mailman.
    pub subject_prefix: Option<String>,
    /// Whether the list takes the author's place in From. [`Munge::Never`] by default.
    pub munge: Munge,
}

impl Settings {
    /// Returns the default settings of a list.
    pub fn new(list_id: impl Into<String>, posting_address: Mailbox) -> Self {
        Self {
            list_id: list_id.into(),
            posting_address,
            display_name: String::new(),
            reply_goes_to_list: ReplyGoesToList::NoMunging,
            subject_prefix: None,
            munge: Munge::Never,
        }
    }

    /// Returns the name of the list for people, or the local part of its address if it has none.
    pub(super) fn shown_name(&self) -> String {
        match one_line(&self.display_name) {
            name if name.is_empty() => self.posting_address.local().unquoted(),
            name => name,
        }
    }
}

/// Where replies to a post go. The names are Mailman's.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ReplyGoesToList {
    /// Reply-To stays as the author wrote it.
    NoMunging,
    /// The list's address is added to the author's Reply-To.
    PointToList,
    /// This address is added before the author's Reply-To.
    ExplicitHeader(Mailbox),
    /// This address takes the place of the author's Reply-To.
    ExplicitHeaderOnly(Mailbox),
}

/// Whether the list takes the author's place in From, because receivers may refuse mail that no longer passes the DMARC
/// policy of the author's domain (RFC 7960).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Munge {
    /// From stays as the author wrote it.
    Never,
    /// From becomes `Ann via My List <mylist@example.com>`. The author's address is added to Reply-To, or to Cc if
    /// [`ReplyGoesToList`] says that replies go elsewhere.
    Always,
}
