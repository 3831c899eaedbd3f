//! Bans: addresses whose mail a list refuses.

use crate::comparable::{Comparable, ascii_domain};
use listgate_lmtp::{Mailbox, is_domain_name};
use regex_lite::{Regex, RegexBuilder};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// Octets of memory that one pattern may take when it is compiled.
const PATTERN_MEMORY: usize = 256 * 1024;

/// One entry of the bans of a list, or of the site.
#[derive(Clone, Debug)]
pub enum Ban {
    /// One address: `bob@example.org`.
    Address(Comparable),
    /// All addresses of a domain, without its subdomains: `@example.org`, with A-labels.
    Domain(String),
    /// All addresses in whose comparable form the pattern is found: `^bob.*@example\.org`. Case does not matter.
    Pattern(Regex),
}

impl fmt::Display for Ban {
    /// Writes the ban so that it reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(address.as_str()),
            Self::Domain(domain) => f.write_str(domain),
            Self::Pattern(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

/// All bans that matter to a list: its own and those of the site. Looking an address up costs the same however many
/// addresses and domains are banned; each pattern is tried.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    /// Addresses, and domains that begin with `@`.
    exact: HashSet<String>,
    patterns: Vec<Regex>,
}

impl Bans {
    /// Returns the ban that covers the address, as it is written; `None` if the address is not banned.
    pub fn covering(&self, address: &Comparable) -> Option<&str> {
        let exact = self.exact.get(address.as_str()).or_else(|| self.exact.get(address.domain()));
        let matching = || self.patterns.iter().find(|pattern| pattern.is_match(address.as_str()));
        exact.map(String::as_str).or_else(|| matching().map(Regex::as_str))
    }
}

impl FromIterator<Ban> for Bans {
    fn from_iter<I: IntoIterator<Item = Ban>>(bans: I) -> Self {
        let mut all = Self::default();
        for ban in bans {
            match ban {
                Ban::Pattern(pattern) => all.patterns.push(pattern),
                exact => drop(all.exact.insert(exact.to_string())),
            }
        }
        all
    }
}

impl FromStr for Ban {
    type Err = InvalidBan;

    /// Reads a ban as GNU Mailman writes it: a pattern begins with `^`. One that begins with `@` is a domain. Matching
    /// takes time in proportion to the length of the address, so patterns have no look-around and no back-references.
    fn from_str(text: &str) -> Result<Self, InvalidBan> {
        if text.starts_with('^') {
            let pattern = RegexBuilder::new(text).case_insensitive(true).size_limit(PATTERN_MEMORY).build();
            return pattern.map(Self::Pattern).map_err(InvalidBan::Pattern);
        }
        if let Some(domain) = text.strip_prefix('@') {
            let domain = ascii_domain(domain).filter(|domain| is_domain_name(domain));
            return domain.map(|domain| Self::Domain(format!("@{domain}"))).ok_or(InvalidBan::Domain);
        }
        let mailbox: Mailbox = text.parse().map_err(InvalidBan::Address)?;
        Ok(Self::Address(Comparable::new(&mailbox)))
    }
}

/// The reason why a text is not a ban.
#[derive(Clone, PartialEq, Debug)]
pub enum InvalidBan {
    /// It is not an address.
    Address(listgate_lmtp::InvalidAddress),
    /// What follows the `@` is not a domain.
    Domain,
    /// The pattern is malformed, or too large.
    Pattern(regex_lite::Error),
}

impl fmt::Display for InvalidBan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => write!(f, "not an address: {error}"),
            Self::Domain => f.write_str("what follows the @ is not a domain"),
            Self::Pattern(error) => write!(f, "the regular expression is not valid: {error}"),
        }
    }
}

impl std::error::Error for InvalidBan {}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(ban: &str, address: &str) -> bool {
        let other: Ban = "other@example.com".parse().unwrap();
        let bans = Bans::from_iter([other, ban.parse().unwrap()]);
        bans.covering(&Comparable::new(&address.parse().unwrap())).is_some()
    }

    #[test]
    fn an_address_a_domain_or_a_pattern_is_banned() {
        for (ban, address, expected) in [
            ("Bob@Example.org", "bob@example.ORG", true),
            ("bob@example.org", "\"bob\"@example.org", true),
            ("bob@example.org", "bobby@example.org", false),
            ("@Example.org", "bob@example.ORG", true),
            ("@example.org", "bob@sub.example.org", false),
            ("@example.org", "bob@notexample.org", false),
            ("@example.org", "\"x@example.org\"@example.net", false),
            ("^bob.*@example\\.org", "BOBBY@example.org.evil.net", true),
            ("^bob@", "jimbob@example.org", false),
            ("^.*@(.*\\.)?example\\.org$", "bob@a.b.example.org", true),
        ] {
            assert_eq!(covers(ban, address), expected, "{ban} {address}");
        }
    }

    #[test]
    fn a_pattern_may_have_a_hundred_names() {
        let names: Vec<String> = (0..100).map(|n| format!("bob{n}")).collect();
        let ban = format!("^({})@", names.join("|"));
        assert!(covers(&ban, "bob99@example.org") && !covers(&ban, "bob100@example.org"));
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        for (text, error) in [
            ("bob", "not an address"),
            ("", "not an address"),
            ("@", "not a domain"),
            ("@exa mple.org", "not a domain"),
            ("^(", "the regular expression is not valid: found open group without closing"),
            ("^(?!bob)", "the regular expression is not valid: look-around"),
            ("^(a{1000}){1000}", "the regular expression is not valid: "),
        ] {
            let message = text.parse::<Ban>().unwrap_err().to_string();
            assert!(message.contains(error), "{text}: {message}");
        }
    }
}
