//! Operations on lists.

use super::error::OperationError;
use super::members::not_the_list;
use super::open::engine_runs;
use crate::backends::ListAdmin;
use crate::config::Config;
use crate::model::{
    ChangeError, List, ListAddress, ListChange, ListFacts, ListSettingError, ListSettings, NewMember, Role,
};

/// A list that was created.
pub(crate) struct Created<'a> {
    pub(crate) address: &'a ListAddress,
    /// The sub-address that the address was before, if any.
    pub(crate) shadows: Option<SubAddress>,
}

/// An address of a list besides its posting address.
pub(crate) struct SubAddress {
    pub(crate) suffix: String,
    pub(crate) list: ListAddress,
}

/// Creates lists with these owners, all or none, and the domains they are in.
///
/// # Errors
/// A name is taken, or could never be reached, or a list would own itself, or the engine runs and no one would get the
/// mail to the owners.
pub(crate) async fn create<'a>(
    admin: &dyn ListAdmin,
    config: &Config,
    addresses: &'a [ListAddress],
    owners: &[NewMember],
) -> Result<Vec<Created<'a>>, OperationError> {
    addresses.iter().try_for_each(|address| can_be_reached(address, config))?;
    addresses.iter().try_for_each(|address| not_the_list(address, owners))?;
    if let Some(address) = addresses.first()
        && owners.is_empty()
        && config.site_owner().is_none()
        && engine_runs(config)
    {
        return Err(OperationError::NoOwner(address.clone()));
    }
    admin.create(addresses, owners).await?;
    Ok(addresses.iter().map(|address| Created { address, shadows: shadowed(address) }).collect())
}

/// Changes the address of a list; its list_id stays.
///
/// # Errors
/// The list does not exist, the new name is taken, or no address could ever reach it.
pub(crate) async fn rename(
    admin: &dyn ListAdmin,
    config: &Config,
    from: &ListAddress,
    to: &ListAddress,
) -> Result<List, OperationError> {
    can_be_reached(to, config)?;
    Ok(admin.rename(from, to).await?)
}

/// The effect of a list's size limit.
pub(crate) enum Limited {
    /// The list accepts messages of the size that the gate accepts.
    ByTheGate,
    /// The list accepts messages of up to this many octets.
    To(u64),
    /// The limit is above that of the gate, which applies.
    AboveTheGate { limit: u64, gate: u64 },
}

/// Sets the size in octets of the largest message that a list accepts; `None`: the gate's limit.
///
/// # Errors
/// The list does not exist.
pub(crate) async fn limit(
    admin: &dyn ListAdmin,
    config: &Config,
    address: &ListAddress,
    octets: Option<u64>,
) -> Result<Limited, OperationError> {
    admin.set_max_size(address, octets).await?;
    let gate = config.max_message_size;
    Ok(match octets {
        None => Limited::ByTheGate,
        Some(limit) if limit > gate => Limited::AboveTheGate { limit, gate },
        Some(limit) => Limited::To(limit),
    })
}

/// Changes settings of a list, all or none, and returns the settings that it then has.
///
/// # Errors
/// The list does not exist, a key is given twice, or values do not fit together.
pub(crate) async fn set(
    admin: &dyn ListAdmin,
    address: &ListAddress,
    changes: &[ListChange],
) -> Result<ListSettings, OperationError> {
    for (n, ListChange { key, .. }) in changes.iter().enumerate() {
        if changes[..n].iter().any(|earlier| earlier.key == *key) {
            return Err(ChangeError::from(ListSettingError::Twice(key)).into());
        }
    }
    Ok(admin.set_settings(address, changes).await?)
}

/// A list as an operator sees it.
pub(crate) struct ListView {
    pub(crate) list: List,
    pub(crate) facts: ListFacts,
    pub(crate) settings: ListSettings,
    /// Its sub-addresses, and whether another list has taken each.
    pub(crate) sub_addresses: Vec<(ListAddress, bool)>,
}

/// Returns a list as an operator sees it.
///
/// # Errors
/// The list does not exist.
pub(crate) async fn view(admin: &dyn ListAdmin, address: &ListAddress) -> Result<ListView, OperationError> {
    let found = admin.list(address).await?;
    let (list, facts) = found.ok_or_else(|| ChangeError::NoList(address.clone()))?;
    let settings = admin.settings(address).await?;
    let mut sub_addresses = Vec::new();
    for (suffix, _) in Role::SUBADDRESSES {
        let local = format!("{}-{suffix}", address.local);
        let sub_address = ListAddress { local, domain: address.domain.clone() };
        let is_taken = admin.list(&sub_address).await?.is_some();
        sub_addresses.push((sub_address, is_taken));
    }
    Ok(ListView { list, facts, settings, sub_addresses })
}

/// Checks whether mail can reach a list with this address: it cannot if the name contains the delimiter.
fn can_be_reached(address: &ListAddress, config: &Config) -> Result<(), OperationError> {
    let delimiter = config.verp_delimiter;
    if address.local.contains(delimiter) {
        return Err(OperationError::Unreachable { address: address.clone(), delimiter });
    }
    Ok(())
}

/// Returns the sub-address that the address of a list would be if the list did not exist.
fn shadowed(address: &ListAddress) -> Option<SubAddress> {
    let (base, suffix) = address.local.rsplit_once('-').filter(|(base, _)| !base.is_empty())?;
    Role::of_subaddress(suffix)?;
    let list = ListAddress { local: base.to_owned(), domain: address.domain.clone() };
    Some(SubAddress { suffix: suffix.to_owned(), list })
}
