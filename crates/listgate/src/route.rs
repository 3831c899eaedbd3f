//! Parses a mailbox into the names of the list it may belong to, a role and a detail. Does no I/O.

use crate::model::{Names, Role, comparable_domain, comparable_local};
use listgate_lmtp::{Mailbox, needs_no_quotes};

/// The rules by which a site reads addresses.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The character that starts the detail of a local part.
    pub(crate) verp_delimiter: char,
    /// The address that gets mail to the postmasters of this site's domains.
    pub(crate) postmaster: Option<Mailbox>,
    /// Whether the engine runs, without which only the owners of lists get this mail.
    pub(crate) engine: bool,
}

/// An address read by the [`Rules`], before it is known whether the list exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    pub(crate) names: Names,
    /// The role if the list is found by its base name.
    pub(crate) role: Role,
    pub(crate) detail: Option<String>,
}

/// Reads an address: removes the detail first, then the sub-address.
pub(crate) fn read(mailbox: &Mailbox, rules: &Rules) -> Reading {
    let local = mailbox.local();
    let unquoted = local.unquoted();
    // Quotes that are needed are part of the name, and no list has such a name.
    let text = if needs_no_quotes(&unquoted) { unquoted } else { local.as_str().to_owned() };
    let (name, detail) = match text.split_once(rules.verp_delimiter) {
        Some((name, detail)) => (name, Some(detail.to_owned())),
        None => (text.as_str(), None),
    };
    let whole = comparable_local(name);
    let subaddress = whole.rsplit_once('-').filter(|(base, _)| !base.is_empty());
    let (base, role) = match subaddress.and_then(|(base, suffix)| Some((base, Role::of_subaddress(suffix)?)))
    {
        Some((base, role)) => (Some(base.to_owned()), role),
        None => (None, Role::Post),
    };
    let domain = comparable_domain(mailbox.domain().as_str());
    Reading { names: Names { whole, base, domain }, role, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(address: &str) -> (String, Option<String>, Role, Option<String>) {
        let rules = Rules { verp_delimiter: '+', postmaster: None, engine: false };
        let Reading { names, role, detail } = read(&address.parse().unwrap(), &rules);
        (names.whole, names.base, role, detail)
    }

    #[test]
    fn the_detail_is_removed_before_the_subaddress_is_parsed() {
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

    /// Postfix quotes a local part with two dots in a row, and Exim does not.
    #[test]
    fn a_bounce_of_an_address_with_two_dots_has_its_detail() {
        for address in [
            r#""ant-bounces+foo..bar=docomo.example"@example.com"#,
            "ant-bounces+foo..bar=docomo.example@example.com",
        ] {
            let detail = Some("foo..bar=docomo.example".to_owned());
            let expected = ("ant-bounces".to_owned(), Some("ant".to_owned()), Role::Bounces, detail);
            assert_eq!(reading(address), expected, "{address}");
        }
    }
}
