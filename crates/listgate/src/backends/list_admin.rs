//! What operators can do to lists and domains.

use super::answer::Answer;
use crate::model::{
    ChangeError, Domain, List, ListAddress, ListChange, ListFacts, ListSettings, ListState, NewMember,
};

/// Lists and domains, as operators change them. Each change is made completely or not at all.
pub(crate) trait ListAdmin: Send + Sync {
    /// Creates lists with these owners, all or none, and their domains.
    fn create<'a>(
        &'a self,
        addresses: &'a [ListAddress],
        owners: &'a [NewMember],
    ) -> Answer<'a, (), ChangeError>;

    /// Removes a list and returns how many entries it has; they stay.
    fn remove_list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, u64, ChangeError>;

    /// Gives a list another address; its list_id stays the same.
    fn rename<'a>(&'a self, from: &'a ListAddress, to: &'a ListAddress) -> Answer<'a, List, ChangeError>;

    /// Opens, pauses or closes a list.
    fn set_state<'a>(&'a self, address: &'a ListAddress, state: ListState) -> Answer<'a, (), ChangeError>;

    /// Sets the maximum size in octets of a message to a list; `None`: the gate's own maximum.
    fn set_max_size<'a>(
        &'a self,
        address: &'a ListAddress,
        max_size: Option<u64>,
    ) -> Answer<'a, (), ChangeError>;

    /// Returns the settings of a list.
    fn settings<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, ListSettings, ChangeError>;

    /// Changes settings of a list, all or none, and returns the settings that it then has.
    fn set_settings<'a>(
        &'a self,
        address: &'a ListAddress,
        changes: &'a [ListChange],
    ) -> Answer<'a, ListSettings, ChangeError>;

    /// Returns the list with exactly this address, and what else is known about it.
    fn list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, Option<(List, ListFacts)>>;

    /// Returns every list, ordered by address.
    fn lists(&self) -> Answer<'_, Vec<List>>;

    /// Adds a domain, or makes a domain without lists an alias of another. Returns whether that changed anything.
    fn add_domain<'a>(&'a self, name: &'a str, alias_of: Option<&'a str>) -> Answer<'a, bool, ChangeError>;

    /// Removes a domain that has no lists and no aliases.
    fn remove_domain<'a>(&'a self, name: &'a str) -> Answer<'a, (), ChangeError>;

    /// Returns every domain, ordered by name.
    fn list_domains(&self) -> Answer<'_, Vec<Domain>>;
}
