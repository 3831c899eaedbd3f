//! Which endpoint of which list an address is: mailbox → [`Endpoint`] or [`NotTaken`]. Pure but for
//! the lookup it is handed.

use crate::model::{Endpoint, Names, NotTaken, Role, StoreError};
use crate::model::{List, ListAddress};
use listgate_lmtp::{ForwardPath, Mailbox, is_dot_string};
use std::sync::Arc;

/// How a site reads addresses.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Begins the detail of a local part.
    pub(crate) verp_delimiter: char,
    /// The list whose owners are this site's postmasters.
    pub(crate) postmaster: Option<ListAddress>,
}

/// An address read by the [`Rules`], before anybody was asked whether the list exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    pub(crate) names: Names,
    /// The role if the list is found by its base name.
    pub(crate) role: Role,
    pub(crate) detail: Option<String>,
}

/// Reads an address: detail off, then the sub-address.
pub(crate) fn read(mailbox: &Mailbox, rules: &Rules) -> Reading {
    let local = mailbox.local();
    let unquoted = local.unquoted();
    // Quotes that quote something are part of the name, and no list is named so.
    let text = if is_dot_string(&unquoted) { unquoted } else { local.as_str().to_owned() };
    let (name, detail) = match text.split_once(rules.verp_delimiter) {
        Some((name, detail)) => (name, Some(detail.to_owned())),
        None => (text.as_str(), None),
    };
    let whole = name.to_ascii_lowercase();
    let subaddress = whole.rsplit_once('-').filter(|(base, _)| !base.is_empty());
    let (base, role) = match subaddress.and_then(|(base, suffix)| Some((base, Role::of_subaddress(suffix)?)))
    {
        Some((base, role)) => (Some(base.to_owned()), role),
        None => (None, Role::Post),
    };
    let domain = mailbox.domain().as_str().to_ascii_lowercase();
    Reading { names: Names { whole, base, domain }, role, detail }
}

/// Who knows lists and domains.
pub(crate) trait Lookup {
    /// The list for some names.
    async fn find(&self, names: &Names) -> Result<Option<Arc<List>>, StoreError>;
    /// Whether a domain is ours.
    async fn serves(&self, domain: &str) -> Result<bool, StoreError>;
}

/// Decides what an address is, and whether its list takes a message of `size` octets, where that is
/// known.
pub(crate) async fn route(
    path: &ForwardPath,
    size: Option<u64>,
    rules: &Rules,
    lookup: &impl Lookup,
) -> Result<Endpoint, NotTaken> {
    let endpoint = resolve(path, rules, lookup).await?;
    endpoint.takes(size).map(|()| endpoint)
}

/// Which endpoint of which list an address is, whether or not the list takes mail now.
pub(crate) async fn resolve(
    path: &ForwardPath,
    rules: &Rules,
    lookup: &impl Lookup,
) -> Result<Endpoint, NotTaken> {
    let postmaster_of = match path {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(mailbox) => {
            let reading = read(mailbox, rules);
            if let Some(list) = lookup.find(&reading.names).await? {
                let by_whole_name = list.address.local == reading.names.whole;
                let role = if by_whole_name { Role::Post } else { reading.role };
                return Ok(Endpoint { list, role, detail: reading.detail });
            }
            if reading.names.whole != "postmaster" {
                return Err(NotTaken::NoSuchList);
            }
            Some(reading.names.domain)
        }
    };
    let Some(postmaster) = &rules.postmaster else { return Err(NotTaken::NoPostmaster) };
    if let Some(domain) = postmaster_of
        && !lookup.serves(&domain).await?
    {
        return Err(NotTaken::NoSuchList);
    }
    let ListAddress { local, domain } = postmaster.clone();
    let list =
        lookup.find(&Names { whole: local, base: None, domain }).await?.ok_or(NotTaken::NoPostmaster)?;
    Ok(Endpoint { list, role: Role::Owner, detail: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(address: &str) -> (String, Option<String>, Role, Option<String>) {
        let rules = Rules { verp_delimiter: '+', postmaster: None };
        let Reading { names, role, detail } = read(&address.parse().unwrap(), &rules);
        (names.whole, names.base, role, detail)
    }

    #[test]
    fn the_detail_goes_before_the_subaddress_is_looked_for() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            reading("List-Confirm+ToKen@x"),
            ("list-confirm".into(), some("list"), Role::Confirm, some("ToKen"))
        );
        assert_eq!(reading("list+a-join@x"), ("list".into(), None, Role::Post, some("a-join")));
        assert_eq!(reading("-join@x"), ("-join".into(), None, Role::Post, None));
        assert_eq!(reading("a-join-join@x"), ("a-join-join".into(), some("a-join"), Role::Join, None));
        assert_eq!(reading(r#""list"@x"#), ("list".into(), None, Role::Post, None));
        assert_eq!(reading(r#""li st"@x"#), (r#""li st""#.into(), None, Role::Post, None));
    }
}
