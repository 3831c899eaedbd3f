//! Addresses of members, and the names that are shown with them.

use crate::limits;
use listgate_engine::comparable::{Comparable, ascii_domain};
use listgate_lmtp::{InvalidAddress, Mailbox};
use std::fmt;
use std::str::FromStr;

/// The address of a member, in the form in which it was given. Two addresses are the same if their keys are equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MemberAddress {
    given: String,
    key: String,
}

impl MemberAddress {
    /// Returns the form in which it is compared: without quotes, the local part in lower case and Unicode's
    /// normalization form C, the domain with A-labels.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the form in which it is compared.
    pub(crate) fn comparable(&self) -> Comparable {
        Comparable::stored(&self.key)
    }

    /// Returns its account: what it is compared by, without the detail that some mail servers take after a `+`. All
    /// addresses of an account reach the same person.
    pub(crate) fn account(&self) -> String {
        self.comparable().account()
    }

    /// Returns its domain, as it is compared.
    pub(crate) fn domain(&self) -> &str {
        self.key.rsplit_once('@').expect("an address has an @").1
    }

    /// Returns the form in which it was given, if that is not the one in which it is compared.
    pub(crate) fn given(&self) -> Option<&str> {
        (self.given != self.key).then_some(&self.given)
    }

    /// Returns an address that was stored: its key, and the form in which it was given, if that differs.
    pub(crate) fn stored(key: String, given: Option<String>) -> Self {
        Self { given: given.unwrap_or_else(|| key.clone()), key }
    }
}

impl fmt::Display for MemberAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.given)
    }
}

/// The reason why a text is not the address of a member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum MemberAddressError {
    #[error("write an address such as anne@example.com")]
    NotAnAddress(#[source] InvalidAddress),
    #[error("the domain is not valid in IDNA (RFC 5891)")]
    NotIdna,
}

impl FromStr for MemberAddress {
    type Err = MemberAddressError;

    fn from_str(text: &str) -> Result<Self, MemberAddressError> {
        let mailbox: Mailbox = text.trim().parse().map_err(MemberAddressError::NotAnAddress)?;
        let domain = mailbox.domain();
        if !domain.is_literal() && ascii_domain(domain.as_str()).is_none() {
            return Err(MemberAddressError::NotIdna);
        }
        let key = Comparable::new(&mailbox).as_str().to_owned();
        Ok(Self { given: mailbox.as_str().to_owned(), key })
    }
}

/// The name that is shown with an address. It has no control characters, and so fits a header field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DisplayName(String);

impl DisplayName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a name that was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the name in a text, or `None` if the text is blank.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, DisplayNameError> {
        let text = text.trim();
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(DisplayNameError::Control(control));
        }
        if text.len() > limits::DISPLAY_NAME {
            return Err(DisplayNameError::TooLong);
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }
}

/// The reason why a text is not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum DisplayNameError {
    #[error("a name has no control characters: U+{:04X} is one", u32::from(*.0))]
    Control(char),
    #[error("a name has at most {} octets", limits::DISPLAY_NAME)]
    TooLong,
}

/// An address with or without a name: `anne@example.com` or `Anne Person <anne@example.com>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NamedAddress {
    pub(crate) address: MemberAddress,
    pub(crate) name: Option<DisplayName>,
}

impl NamedAddress {
    /// Returns about how many octets it has when it is stored.
    pub(crate) fn octets(&self) -> usize {
        2 * self.address.key.len() + self.name.as_ref().map_or(0, |name| name.0.len())
    }
}

/// The reason why a text is not an address with or without a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NamedAddressError {
    #[error(transparent)]
    Address(#[from] MemberAddressError),
    #[error(transparent)]
    Name(#[from] DisplayNameError),
}

impl FromStr for NamedAddress {
    type Err = NamedAddressError;

    fn from_str(text: &str) -> Result<Self, NamedAddressError> {
        let text = text.trim();
        match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => {
                Ok(Self { address: address.parse()?, name: DisplayName::parse(&unquoted(name.trim()))? })
            }
            None => Ok(Self { address: text.parse()?, name: None }),
        }
    }
}

/// Returns a name without the quotes around it and the backslashes of quoted pairs (RFC 5322 section 3.2.4).
fn unquoted(name: &str) -> String {
    let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut escaped = false;
    for c in quoted.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::Chain;

    #[test]
    fn an_address_keeps_its_form_and_is_compared_by_its_key() {
        for (text, key) in [
            ("Anne@Example.COM", "anne@example.com"),
            (" anne@example.com ", "anne@example.com"),
            ("\"anne\"@example.com", "anne@example.com"),
            ("\"Anne Person\"@example.com", "anne person@example.com"),
            ("Ju\u{308}rgen@B\u{fc}cher.example", "j\u{fc}rgen@xn--bcher-kva.example"),
            ("anne@[192.0.2.1]", "anne@[192.0.2.1]"),
        ] {
            let address: MemberAddress = text.parse().unwrap();
            assert_eq!((address.key(), address.to_string().as_str()), (key, text.trim()));
        }
        for (text, why) in [
            ("anne", "write an address such as anne@example.com"),
            ("anne person@example.com", "write an address such as anne@example.com"),
            ("anne@example.com\r\nBcc: x@example.org", "write an address such as anne@example.com"),
            ("l@a\u{378}.example", "the domain is not valid in IDNA (RFC 5891)"),
        ] {
            let refused = text.parse::<MemberAddress>().unwrap_err();
            assert!(Chain(&refused).to_string().starts_with(why), "{text}: {refused}");
        }
    }

    #[test]
    fn an_account_has_no_detail() {
        for (text, account, domain) in [
            ("Anne@Example.COM", "anne@example.com", "example.com"),
            ("anne+Lists+x@example.com", "anne@example.com", "example.com"),
            ("+x@example.com", "+x@example.com", "example.com"),
            ("\"a@b+c\"@example.com", "a@b@example.com", "example.com"),
        ] {
            let address: MemberAddress = text.parse().unwrap();
            assert_eq!((address.account().as_str(), address.domain()), (account, domain));
        }
    }

    #[test]
    fn a_name_stands_before_an_address_in_angle_brackets() {
        for (text, name, address) in [
            ("anne@example.com", None, "anne@example.com"),
            ("<anne@example.com>", None, "anne@example.com"),
            ("Anne Person <anne@example.com>", Some("Anne Person"), "anne@example.com"),
            ("\"Person, Anne\" <anne@example.com>", Some("Person, Anne"), "anne@example.com"),
            (r#""Anne \"A\\B\" P" <anne@example.com>"#, Some(r#"Anne "A\B" P"#), "anne@example.com"),
            ("  Jürgen  <j@example.com>  ", Some("Jürgen"), "j@example.com"),
        ] {
            let named: NamedAddress = text.parse().unwrap();
            assert_eq!(named.name.as_ref().map(DisplayName::as_str), name, "{text}");
            assert_eq!(named.address.to_string(), address, "{text}");
        }
        for (text, why) in [
            ("Anne <anne>", "write an address such as anne@example.com"),
            ("A\r\nBcc: b@example.org <anne@example.com>", "a name has no control characters: U+000D is one"),
            (&format!("{} <a@example.com>", "n".repeat(300)), "a name has at most 255 octets"),
        ] {
            assert_eq!(text.parse::<NamedAddress>().unwrap_err().to_string(), why, "{text}");
        }
    }
}
