//! Addresses of lists, with and without tokens.

use crate::model::{Claimed, ListAddress};
use listgate_engine::token::{Claim, Day, KeyRing, Purpose, Subject};
use listgate_lmtp::Mailbox;

/// Returns the address of a list with a suffix, such as `-owner`, or none.
pub(super) fn list_address(list: &ListAddress, suffix: &str) -> Mailbox {
    let address = format!("{}{suffix}@{}", list.local, list.domain);
    address.parse().expect("the address of a list, with a suffix, is one")
}

/// What signs the addresses with tokens.
pub(crate) struct Signer {
    pub(crate) keys: KeyRing,
    pub(crate) today: Day,
    /// The character between `mylist-bounces` and the token.
    pub(crate) delimiter: char,
}

impl Signer {
    /// Returns an address of the list of a batch.
    pub(super) fn address(&self, batch: &Claimed, role: &str, purpose: Purpose, subject: i64) -> Mailbox {
        let list = (batch.list_id.as_str(), &batch.list, batch.alias.as_deref());
        self.address_of(list, role, purpose, u64::try_from(subject).unwrap_or(u64::MAX))
    }

    /// Returns an address of a list with a token, such as `mylist-bounces+TOKEN@example.com`. The list is given by its
    /// list_id, its address and its alias.
    pub(crate) fn address_of(
        &self,
        (list_id, address, alias): (&str, &ListAddress, Option<&str>),
        role: &str,
        purpose: Purpose,
        subject: u64,
    ) -> Mailbox {
        let claim = Claim::new(purpose, Subject::new(subject).unwrap_or(Subject::MAX), self.today);
        let token = self.keys.sign(list_id, claim);
        // A list keeps its alias when it gets a short name.
        let local = alias.filter(|_| address.is_long()).unwrap_or(&address.local);
        let address = format!("{local}-{role}{}{token}@{}", self.delimiter, address.domain);
        address.parse().expect("a list's name and a token make an address")
    }
}
