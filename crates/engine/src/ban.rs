//! Bans: addresses whose mail a list refuses.

use listgate_lmtp::Mailbox;
use regex::{Regex, RegexBuilder};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// Octets of memory that one pattern may take when it is compiled.
const PATTERN_MEMORY: usize = 256 * 1024;

/// An address in the form in which addresses are compared: in lower case, without needless quotes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Comparable(String);

impl Comparable {
    /// Returns the form of an address in which it is compared.
    pub fn new(mailbox: &Mailbox) -> Self {
        let (local, domain) = (mailbox.local().unquoted(), mailbox.domain().as_str());
        Self(format!("{local}@{domain}").to_lowercase())
    }

    /// Returns the text. It is not always a valid address, because it has no quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// One entry of the bans of a list, or of the site.
#[derive(Clone, Debug)]
pub enum Ban {
    /// One address: `bob@example.org`.
    Address(Comparable),
    /// All addresses of a domain, without its subdomains: `@example.org`.
    Domain(String),
    /// All addresses in which the pattern is found: `^bob.*@example\.org`. Case does not matter.
    Pattern(Regex),
}

/// All bans that matter to a list: its own and those of the site. Looking an address up costs the same however many
/// addresses and domains are banned; each pattern is tried.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    addresses: HashSet<Comparable>,
    domains: HashSet<String>,
    patterns: Vec<Regex>,
}

impl Bans {
    /// Returns whether the address is banned.
    pub fn cover(&self, address: &Comparable) -> bool {
        self.addresses.contains(address)
            || self.domains.contains(address.domain())
            || self.patterns.iter().any(|pattern| pattern.is_match(address.as_str()))
    }
}

impl FromIterator<Ban> for Bans {
    fn from_iter<I: IntoIterator<Item = Ban>>(bans: I) -> Self {
        let mut all = Self::default();
        for ban in bans {
            match ban {
                Ban::Address(address) => drop(all.addresses.insert(address)),
                Ban::Domain(domain) => drop(all.domains.insert(domain)),
                Ban::Pattern(pattern) => all.patterns.push(pattern),
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
            let is_domain = listgate_lmtp::is_domain(domain);
            return is_domain.then(|| Self::Domain(domain.to_lowercase())).ok_or(InvalidBan::Domain);
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
    Pattern(regex::Error),
}

impl fmt::Display for InvalidBan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => {
                write!(f, "not an address ({error}), nor a domain (@example.org) or a pattern (^…)")
            }
            Self::Domain => f.write_str("what follows the @ is not a domain"),
            Self::Pattern(error) => write!(f, "not a pattern: {error}"),
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
        bans.cover(&Comparable::new(&address.parse().unwrap()))
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
    fn other_texts_are_refused_with_the_reason() {
        for (text, error) in [
            ("bob", "not an address"),
            ("", "not an address"),
            ("@", "not a domain"),
            ("@exa mple.org", "not a domain"),
            ("^(", "not a pattern"),
            ("^(?!bob)", "not a pattern"),
            ("^(a{1000}){1000}", "not a pattern"),
        ] {
            let message = text.parse::<Ban>().unwrap_err().to_string();
            assert!(message.contains(error), "{text}: {message}");
        }
    }
}
