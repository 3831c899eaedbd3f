//! The networks that may connect.

use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// A set of networks, given by name or by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Networks(Vec<IpNet>);

/// The networks that the names stand for: this machine; networks that the internet does not route to (RFC 1918,
/// RFC 4193, RFC 3927, RFC 4291); every address.
const NAMES: [(&str, &[&str]); 3] = [
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    (
        "private",
        &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"],
    ),
    ("all", &["0.0.0.0/0", "::/0"]),
];

impl Networks {
    /// Reads words such as `loopback`, `private`, `all`, `192.0.2.7` and `2001:db8::/32`.
    ///
    /// # Errors
    /// A word is neither a name nor a network.
    pub fn new<S: AsRef<str>>(words: &[S]) -> Result<Self, NetworkError> {
        let mut networks = Vec::new();
        for word in words {
            let word = word.as_ref();
            match NAMES.iter().find(|(name, _)| *name == word) {
                Some((_, ranges)) => {
                    networks.extend(ranges.iter().map(|range| IpNet::from_str(range).expect("a constant")));
                }
                None => networks.push(network(word)?),
            }
        }
        Ok(Self(networks))
    }

    /// Returns words from which [`Networks::new`] reads the same networks.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut rest = self.0.clone();
        let mut words = Vec::new();
        for (name, ranges) in NAMES {
            if ranges.iter().all(|range| rest.iter().any(|network| network.to_string() == *range)) {
                rest.retain(|network| !ranges.contains(&network.to_string().as_str()));
                words.push(name.to_owned());
            }
        }
        words.extend(rest.iter().map(ToString::to_string));
        words
    }

    /// Returns whether an address is within one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// This machine and private networks, because a container listens on all its addresses.
impl Default for Networks {
    fn default() -> Self {
        Self::new(&["loopback", "private"]).expect("names that are known")
    }
}

fn network(word: &str) -> Result<IpNet, NetworkError> {
    let one = word.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| word.parse()).map_err(|_| NetworkError(word.to_owned()))
}

/// A word that is neither a name nor a network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a network: write loopback, private, all, 192.0.2.7 or 2001:db8::/32")]
pub struct NetworkError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_networks_are_read() {
        let contains = |peers: &Networks, address: &str| peers.contains(address.parse().unwrap());
        let peers = Networks::default();
        for inside in ["127.0.0.1", "::1", "10.1.2.3", "172.17.0.2", "192.168.1.1", "fd00::1"] {
            assert!(contains(&peers, inside), "{inside}");
        }
        for outside in ["192.0.2.1", "172.32.0.1", "2001:db8::1"] {
            assert!(!contains(&peers, outside), "{outside}");
        }
        assert_eq!(peers.words(), ["loopback", "private"]);
        let peers = Networks::new(&["192.0.2.7", "2001:db8::/32"]).unwrap();
        assert_eq!(peers.words(), ["192.0.2.7/32", "2001:db8::/32"]);
        let twice = Networks::new(&["127.0.0.0/8", "127.0.0.0/8"]).unwrap();
        assert_eq!(twice.words(), ["127.0.0.0/8", "127.0.0.0/8"], "that is not loopback: it has no ::1");
        assert!(contains(&peers, "192.0.2.7") && contains(&peers, "2001:db8::1"));
        assert!(!contains(&peers, "192.0.2.8") && !contains(&peers, "127.0.0.1"));
        assert!(contains(&Networks::new(&["all"]).unwrap(), "192.0.2.1"));
        assert!(Networks::new(&["privat"]).unwrap_err().to_string().contains("\"privat\" is not a network"));
    }
}
