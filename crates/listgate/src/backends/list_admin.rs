//! What operators do to lists and domains.

use super::answer::Answer;
use crate::model::{ChangeError, Domain, List, ListAddress, ListFacts, ListState};

/// Lists and domains, as operators change them. Each change is whole or not made.
pub(crate) trait ListAdmin: Send + Sync {
    /// Creates lists, all or none, and the domains they are in.
    fn create<'a>(&'a self, addresses: &'a [ListAddress]) -> Answer<'a, (), ChangeError>;

    /// Removes a list; its entries stay. Gives how many there are.
    fn remove_list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, u64, ChangeError>;

    /// Gives a list another address; its list_id stays.
    fn rename<'a>(&'a self, from: &'a ListAddress, to: &'a ListAddress) -> Answer<'a, List, ChangeError>;

    /// Opens, pauses or closes a list.
    fn set_state<'a>(&'a self, address: &'a ListAddress, state: ListState) -> Answer<'a, (), ChangeError>;

    /// Sets the octets of a message that a list takes; `None`: as many as the gate.
    fn set_max_size<'a>(
        &'a self,
        address: &'a ListAddress,
        max_size: Option<u64>,
    ) -> Answer<'a, (), ChangeError>;

    /// The list of exactly this address, and what else is known of it.
    fn list<'a>(&'a self, address: &'a ListAddress) -> Answer<'a, Option<(List, ListFacts)>>;

    /// Every list, in the order of their addresses.
    fn lists(&self) -> Answer<'_, Vec<List>>;

    /// Adds a domain, or makes one without lists an alias of another.
    fn add_domain<'a>(&'a self, name: &'a str, alias_of: Option<&'a str>) -> Answer<'a, bool, ChangeError>;

    /// Removes a domain that has no lists and no aliases.
    fn remove_domain<'a>(&'a self, name: &'a str) -> Answer<'a, (), ChangeError>;

    /// Every domain, in the order of their names.
    fn list_domains(&self) -> Answer<'_, Vec<Domain>>;
}
