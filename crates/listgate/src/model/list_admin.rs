//! The operators' view of lists and domains, and the reasons why changes to them are refused.

use super::list::ListAddress;
use super::list_settings::ListSettingError;
use super::member::RoleCounts;
use super::store_error::StoreError;
use std::time::SystemTime;

/// The reason why an operator's change to lists or domains was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("the list {0} does not exist; `listgate list ls` shows all lists")]
    NoList(ListAddress),
    #[error("the list {0} exists already")]
    Exists(ListAddress),
    #[error("{0} is named twice: nothing was created")]
    NamedTwice(ListAddress),
    #[error("{address} would have the list_id {list_id}, and {other} has it: choose another name")]
    ListIdTaken { address: ListAddress, list_id: String, other: ListAddress },
    #[error(
        "{address} belongs to {other}, which has it for addresses with tokens because its name is long: choose \
         another name"
    )]
    OfAlias { address: ListAddress, other: ListAddress },
    #[error("{} is an alias domain: name the list {}@{main}, which answers in both", address.domain, address.local)]
    InAliasDomain { address: ListAddress, main: String },
    #[error("the domain {0} does not exist; `listgate domain ls` shows all domains")]
    NoDomain(String),
    #[error("the domain {0} does not exist: add it first, with `listgate domain add {0}`")]
    NoMainDomain(String),
    #[error("{0} cannot be an alias of itself")]
    AliasOfItself(String),
    #[error("{main} is itself an alias: make {name} an alias of {other}")]
    AliasOfAlias { name: String, main: String, other: String },
    #[error("{name} is an alias of {main}: `listgate domain remove {name}` first, if it is to be no more")]
    IsAlias { name: String, main: String },
    #[error("{0} has lists or aliases of its own: rename or remove those first")]
    AliasInUse(String),
    #[error("{0} has lists or aliases: remove those first")]
    DomainInUse(String),
    #[error(transparent)]
    Setting(#[from] ListSettingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The facts about a list besides its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListFacts {
    pub(crate) created_at: SystemTime,
    /// The number of its entries in the queues.
    pub(crate) queued: u64,
    pub(crate) members: RoleCounts,
}

/// A domain that belongs to this site.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) alias_of: Option<String>,
    pub(crate) lists: u64,
}
