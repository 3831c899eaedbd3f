//! Addresses that may not join a list.

use super::comparable::ascii_domain;
use super::member_address::{MemberAddress, MemberAddressError};
use crate::limits;
use listgate_lmtp::is_domain_name;
use regex_lite::{Regex, RegexBuilder};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// Which addresses a ban is about: one, all of a domain (`@example.org`), or those that a regular expression matches
/// (`^spam.*@`). It is in the form in which addresses are compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BanPattern(String);

/// The reason why a text is not a pattern of a ban.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BanPatternError {
    #[error("write an address, a domain such as @example.org, or a regular expression such as ^spam.*@")]
    NotAPattern(#[source] MemberAddressError),
    #[error("write a domain such as @example.org after the @")]
    NotADomain,
    #[error("the regular expression is not valid")]
    NotAnExpression(#[source] regex_lite::Error),
    #[error("a pattern has at most {} octets", limits::BAN_PATTERN)]
    TooLong,
}

impl BanPattern {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a pattern that was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for BanPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for BanPattern {
    type Err = BanPatternError;

    fn from_str(text: &str) -> Result<Self, BanPatternError> {
        let text = text.trim();
        if text.len() > limits::BAN_PATTERN {
            return Err(BanPatternError::TooLong);
        }
        if text.starts_with('^') {
            expression(text).map_err(BanPatternError::NotAnExpression)?;
            return Ok(Self(text.to_owned()));
        }
        if let Some(domain) = text.strip_prefix('@') {
            let domain = ascii_domain(domain).filter(|domain| is_domain_name(domain));
            return Ok(Self(format!("@{}", domain.ok_or(BanPatternError::NotADomain)?)));
        }
        let address: MemberAddress = text.parse().map_err(BanPatternError::NotAPattern)?;
        Ok(Self(address.key().to_owned()))
    }
}

/// Compiles an expression. It is matched in time that is linear in the address.
fn expression(text: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).case_insensitive(true).build()
}

/// A ban, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ban {
    pub(crate) pattern: BanPattern,
    pub(crate) banned_at: SystemTime,
}

/// All bans that hold for a list, ready to be asked about many addresses.
#[derive(Default, Debug)]
pub(crate) struct BanList {
    /// Addresses and domains.
    exact: HashSet<String>,
    expressions: Vec<Regex>,
}

impl BanList {
    /// Prepares bans. An expression that is not valid, which was never stored by this version, bans nobody.
    pub(crate) fn new(patterns: impl IntoIterator<Item = BanPattern>) -> Self {
        let mut list = Self::default();
        for BanPattern(text) in patterns {
            match text.starts_with('^') {
                true => list.expressions.extend(expression(&text)),
                false => drop(list.exact.insert(text)),
            }
        }
        list
    }

    /// Returns the pattern that bans an address, if one does.
    pub(crate) fn bans(&self, address: &MemberAddress) -> Option<BanPattern> {
        let key = address.key();
        let domain = key.rfind('@').map_or(key, |at| &key[at..]);
        let exact = self.exact.get(key).or_else(|| self.exact.get(domain)).cloned();
        let matching = || self.expressions.iter().find(|regex| regex.is_match(key));
        exact.or_else(|| matching().map(|regex| regex.as_str().to_owned())).map(BanPattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_bans_an_address_a_domain_or_what_an_expression_matches() {
        for (pattern, banned, others) in [
            ("Anne@Example.org", &["anne@example.org", "ANNE@EXAMPLE.ORG"][..], &["x.anne@example.org"][..]),
            ("@B\u{fc}cher.example", &["anne@xn--bcher-kva.example"], &["anne@sub.xn--bcher-kva.example"]),
            ("^spam.*@", &["Spammer@example.org", "spam@x.example"], &["nospam@example.org"]),
            (
                "^[^@]*@(.*\\.)?example\\.org$",
                &["a@example.org", "a@b.example.org"],
                &["a@example.org.x.example"],
            ),
        ] {
            let list = BanList::new([pattern.parse().unwrap()]);
            for address in banned {
                assert!(list.bans(&address.parse().unwrap()).is_some(), "{pattern} {address}");
            }
            for address in others {
                assert_eq!(list.bans(&address.parse().unwrap()), None, "{pattern} {address}");
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, why) in [
            (
                "anne",
                "write an address, a domain such as @example.org, or a regular expression such as ^spam.*@",
            ),
            ("@", "write a domain such as @example.org after the @"),
            ("@[192.0.2.1]", "write a domain such as @example.org after the @"),
            ("^(", "the regular expression is not valid"),
            (&format!("^{}", "a".repeat(2000)), "a pattern has at most 1000 octets"),
        ] {
            assert_eq!(text.parse::<BanPattern>().unwrap_err().to_string(), why, "{text}");
        }
    }
}
