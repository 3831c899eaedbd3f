//! The settings of a list that decide how its posts change.

use crate::write::one_line;
use listgate_lmtp::Mailbox;

/// The settings of a list that decide how its posts change. Names and defaults are those of GNU Mailman 3, except where
/// the field says otherwise. A signature of the author (RFC 6376) survives the default settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The list_id, such as `mylist.example.com`. At most 255 octets (RFC 2919 section 2).
    pub list_id: String,
    /// The address for posts, `mylist@example.com`. At most [`limits::ADDRESS`](crate::limits::ADDRESS) octets.
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
    /// The text after the body of a post. None by default, unlike in Mailman, because a signature of the author does not
    /// survive it. [`NoFooter`](super::NoFooter) says which posts get none.
    ///
    /// `$display_name` (or the local part of the address, if the list has no name), `$posting_address` and
    /// `$leave_address` are replaced. `${display_name}` is the same, and `$$` is a dollar sign. Other words stay. With
    /// these replaced it has at most [`limits::FOOTER`](crate::limits::FOOTER) octets.
    pub footer: Option<String>,
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
            footer: None,
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
