//! Operations on the members of a list.

use super::error::OperationError;
use super::open::{console, list_at};
use crate::backends::{Console, Members};
use crate::config::Config;
use crate::limits;
use crate::model::{
    BanList, BanPattern, Joined, List, ListAddress, Member, MemberAddress, MemberChange, MemberError,
    MemberRole, NewMember, Seq,
};
use std::sync::Arc;

/// How often a change is tried if others change the same member.
const ATTEMPTS: usize = 3;

/// The members of one list.
pub(crate) struct Roster {
    console: Box<dyn Console>,
    list: Arc<List>,
    /// The bans of the list and of the site, as they were when this was opened.
    bans: BanList,
}

/// Opens the members of the list that answers to an address.
///
/// # Errors
/// The list does not exist, the backend is a Mailman site, or it cannot be opened.
pub(crate) async fn roster(config: &Config, address: &ListAddress) -> Result<Roster, OperationError> {
    let console = console(config)?;
    if console.members().is_none() {
        let instead = "use its commands, such as `mailman addmembers` and `mailman members`";
        return Err(OperationError::OfMailman { what: "the members", instead });
    }
    let list = list_at(&*console, address).await?;
    let bans = all_bans(&*console, &list.list_id).await?;
    Ok(Roster { console, list, bans })
}

/// Returns the bans that hold for a list.
async fn all_bans(console: &dyn Console, list_id: &str) -> Result<BanList, OperationError> {
    let Some(members) = console.members() else { return Ok(BanList::default()) };
    let mut bans = members.bans(Some(list_id)).await?;
    bans.extend(members.bans(None).await?);
    Ok(BanList::new(bans.into_iter().map(|ban| ban.pattern)))
}

impl Roster {
    fn members(&self) -> &dyn Members {
        self.console.members().expect("it was checked when this was opened")
    }

    /// Returns the address of the list.
    pub(crate) fn list(&self) -> &ListAddress {
        &self.list.address
    }

    /// Adds addresses, in commits of up to [`limits::MEMBERS_AT_ONCE`], and returns what came of each.
    ///
    /// # Errors
    /// One of them is banned or the list itself, and none was added; or the backend fails, and earlier commits stay.
    pub(crate) async fn add(
        &self,
        role: MemberRole,
        new: &[NewMember],
    ) -> Result<Vec<Joined>, OperationError> {
        not_the_list(&self.list.address, new)?;
        for NewMember { named, .. } in new {
            if let Some(pattern) = self.bans(&named.address) {
                return Err(OperationError::Banned { address: named.address.clone(), pattern });
            }
        }
        let mut joined = Vec::with_capacity(new.len());
        for some in new.chunks(limits::MEMBERS_AT_ONCE) {
            joined.extend(self.members().add(&self.list.list_id, role, some).await?);
        }
        Ok(joined)
    }

    /// Returns the pattern that bans an address, if one does.
    pub(crate) fn bans(&self, address: &MemberAddress) -> Option<BanPattern> {
        self.bans.bans(address)
    }

    /// Returns whether an address has a role.
    ///
    /// # Errors
    /// The backend fails, or the list was removed.
    pub(crate) async fn has(
        &self,
        role: MemberRole,
        address: &MemberAddress,
    ) -> Result<bool, OperationError> {
        let found = self.members().roles_of(&self.list.list_id, address).await?;
        Ok(found.iter().any(|member| member.role == role))
    }

    /// Takes a role from addresses, all or none.
    ///
    /// # Errors
    /// One of them does not have it.
    pub(crate) async fn remove(
        &self,
        role: MemberRole,
        addresses: &[MemberAddress],
    ) -> Result<(), OperationError> {
        let removed = self.members().remove(&self.list.list_id, role, addresses).await;
        removed.map_err(|why| match why {
            MemberError::Missing(address) => self.not_there(address, role),
            why => why.into(),
        })
    }

    /// Returns an address in each of its roles.
    ///
    /// # Errors
    /// It has none.
    pub(crate) async fn roles_of(&self, address: &MemberAddress) -> Result<Vec<Member>, OperationError> {
        let found = self.members().roles_of(&self.list.list_id, address).await?;
        if found.is_empty() {
            return Err(self.not_there(address.clone(), MemberRole::Member));
        }
        Ok(found)
    }

    /// Returns the next addresses with a role, in the order in which they joined; none at the end.
    ///
    /// # Errors
    /// The backend fails, or the list was removed.
    pub(crate) async fn after(&self, role: MemberRole, after: Seq) -> Result<Vec<Member>, OperationError> {
        let members = self.members();
        Ok(members.members_after(&self.list.list_id, role, after, limits::MEMBERS_READ).await?)
    }

    /// Changes settings of an address in a role.
    ///
    /// # Errors
    /// It does not have the role, or is changed by others again and again.
    pub(crate) async fn change(
        &self,
        role: MemberRole,
        address: &MemberAddress,
        changes: &[MemberChange],
    ) -> Result<Member, OperationError> {
        let mut attempt = 1;
        loop {
            let found = self.members().roles_of(&self.list.list_id, address).await?;
            let member = found.into_iter().find(|member| member.role == role);
            let member = member.ok_or_else(|| self.not_there(address.clone(), role))?;
            match self.members().change(&member, changes).await {
                Err(MemberError::Outdated) if attempt < ATTEMPTS => attempt += 1,
                done => return Ok(done?),
            }
        }
    }

    fn not_there(&self, address: MemberAddress, role: MemberRole) -> OperationError {
        OperationError::NotThere { address, role, list: self.list.address.clone() }
    }
}

/// Checks that none of the addresses is that of the list, whose posts would come back to it.
pub(super) fn not_the_list(list: &ListAddress, new: &[NewMember]) -> Result<(), OperationError> {
    match new.iter().any(|new| is_the_list(list, new)) {
        true => Err(OperationError::ListItself(list.clone())),
        false => Ok(()),
    }
}

pub(super) fn is_the_list(list: &ListAddress, new: &NewMember) -> bool {
    new.named.address.key() == list.to_string()
}
