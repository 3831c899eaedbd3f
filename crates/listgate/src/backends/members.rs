//! What a backend keeps about the members of lists.

use super::answer::Answer;
use crate::model::{
    Ban, BanPattern, Joined, Member, MemberAddress, MemberChange, MemberError, MemberRole, NewMember, Seq,
};

/// The members of lists. Lists are named by their list_ids. Each change is made completely or not at all.
pub(crate) trait Members: Send + Sync {
    /// Adds addresses to a list in a role, in one commit: at most [`crate::limits::MEMBERS_AT_ONCE`].
    fn add<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        new: &'a [NewMember],
    ) -> Answer<'a, Vec<Joined>, MemberError>;

    /// Takes a role of a list from addresses, all or none.
    fn remove<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        addresses: &'a [MemberAddress],
    ) -> Answer<'a, (), MemberError>;

    /// Returns an address in each role that it has in a list.
    fn roles_of<'a>(
        &'a self,
        list_id: &'a str,
        address: &'a MemberAddress,
    ) -> Answer<'a, Vec<Member>, MemberError>;

    /// Returns up to `most` addresses with a role in a list, those with the smallest seqs above `after`, in order.
    fn members_after<'a>(
        &'a self,
        list_id: &'a str,
        role: MemberRole,
        after: Seq,
        most: usize,
    ) -> Answer<'a, Vec<Member>, MemberError>;

    /// Changes the settings of a member. It answers [`MemberError::Outdated`] if the member has changed since it was
    /// looked up, or has left.
    fn change<'a>(
        &'a self,
        member: &'a Member,
        changes: &'a [MemberChange],
    ) -> Answer<'a, Member, MemberError>;

    /// Adds bans to a list, or to all with `None`, all or none. Returns whether each is new.
    fn ban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, Vec<bool>, MemberError>;

    /// Removes bans from a list, or the bans of all with `None`: all or none.
    fn unban<'a>(
        &'a self,
        list_id: Option<&'a str>,
        patterns: &'a [BanPattern],
    ) -> Answer<'a, (), MemberError>;

    /// Returns the bans of a list, or the bans of all with `None`, ordered by their patterns.
    fn bans<'a>(&'a self, list_id: Option<&'a str>) -> Answer<'a, Vec<Ban>, MemberError>;
}
