//! Addresses that may not join a list.

use super::member_address::MemberAddress;
use crate::limits;
use listgate_engine::ban::{self, Bans, InvalidBan};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// Which addresses a ban is about, as it is stored: one, all of a domain (`@example.org`), or those that a regular
/// expression matches (`^spam.*@`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BanPattern(String);

/// The reason why a text is not a pattern of a ban.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BanPatternError {
    #[error("write an address, a domain such as @example.org, or a regular expression such as ^spam.*@")]
    NotAnAddress(#[source] InvalidBan),
    #[error("write a domain such as @example.org after the @")]
    NotADomain,
    #[error(transparent)]
    NotAnExpression(InvalidBan),
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
        let ban: Result<ban::Ban, _> = text.parse();
        ban.map(|ban| Self(ban.to_string())).map_err(|why| match why {
            InvalidBan::Address(_) => BanPatternError::NotAnAddress(why),
            InvalidBan::Domain => BanPatternError::NotADomain,
            InvalidBan::Pattern(_) => BanPatternError::NotAnExpression(why),
        })
    }
}

/// A ban, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ban {
    pub(crate) pattern: BanPattern,
    pub(crate) banned_at: SystemTime,
}

/// All bans that apply to a list, ready to be asked about many addresses.
#[derive(Default, Debug)]
pub(crate) struct BanList(Bans);

impl BanList {
    /// Prepares bans. A pattern that is not valid, which this version never stores, bans no address.
    pub(crate) fn new(patterns: impl IntoIterator<Item = BanPattern>) -> Self {
        Self(patterns.into_iter().filter_map(|pattern| pattern.0.parse::<ban::Ban>().ok()).collect())
    }

    /// Returns the pattern that bans an address, if one does.
    pub(crate) fn bans(&self, address: &MemberAddress) -> Option<BanPattern> {
        self.0.covering(&address.comparable()).map(|text| BanPattern(text.to_owned()))
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
            ("^(", "the regular expression is not valid: found open group without closing ')'"),
            (&format!("^{}", "a".repeat(2000)), "a pattern has at most 1000 octets"),
        ] {
            assert_eq!(text.parse::<BanPattern>().unwrap_err().to_string(), why, "{text}");
        }
    }
}
