//! The settings of a list that decide about commands.

use crate::ban::Bans;
use listgate_lmtp::Mailbox;

/// Who may join a list, and what is asked first. The names are Mailman's, except for `closed`.
///
/// A From field alone makes no one a member, because anyone can write it: without a confirmation by mail, only mail
/// that the site's own mail server has authenticated counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubscriptionPolicy {
    /// Anyone. The address is asked to confirm unless the mail is authenticated.
    Open,
    /// Anyone whose address confirms.
    Confirm,
    /// Anyone whom a moderator accepts. The address is asked to confirm first unless the mail is authenticated.
    Moderate,
    /// Anyone whose address confirms, and whom a moderator accepts then.
    ConfirmThenModerate,
    /// Only those whom an owner adds or invites.
    Closed,
}

/// Who may ask for the members of a list. The names are Mailman's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RosterVisibility {
    /// Anyone.
    Public,
    /// Members, owners and moderators.
    Members,
    /// Owners and moderators.
    Moderators,
}

/// The settings of a list that decide about commands. Names and defaults are those of GNU Mailman 3 where it has them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The list_id, such as `mylist.example.com`.
    pub list_id: String,
    /// The address for posts, `mylist@example.com`.
    pub posting_address: Mailbox,
    /// Who is banned from the list or the site. Empty by default.
    pub bans: Bans,
    /// [`SubscriptionPolicy::Confirm`] by default.
    pub subscription_policy: SubscriptionPolicy,
    /// [`RosterVisibility::Moderators`] by default.
    pub member_roster_visibility: RosterVisibility,
    /// Whether new members get a welcome. On by default.
    pub send_welcome_message: bool,
    /// Whether members who leave get a goodbye, by which they can undo it. On by default.
    pub send_goodbye_message: bool,
    /// Whether owners are notified of each member who joins or leaves. Off by default.
    pub admin_notify_mchanges: bool,
    /// Whether owners and moderators are notified of each request and post that waits for a moderator. On by default.
    pub admin_immed_notify: bool,
}

impl Settings {
    /// Returns the default settings of a list.
    pub fn new(list_id: impl Into<String>, posting_address: Mailbox) -> Self {
        Self {
            list_id: list_id.into(),
            posting_address,
            bans: Bans::default(),
            subscription_policy: SubscriptionPolicy::Confirm,
            member_roster_visibility: RosterVisibility::Moderators,
            send_welcome_message: true,
            send_goodbye_message: true,
            admin_notify_mchanges: false,
            admin_immed_notify: true,
        }
    }
}
