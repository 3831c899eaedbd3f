//! The maps: request → answer, from the same routing as RCPT.

use crate::model::comparable_domain;
use crate::net::ListenAddress;
use crate::services::Services;
use listgate_lmtp::ForwardPath;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

/// The directory where Postfix keeps its queue. A chrooted Postfix program sees nothing outside it.
const POSTFIX_QUEUE: &str = "/var/spool/postfix";

/// The answer to a lookup, in the format of socketmap_table(5).
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Found(String),
    NotFound,
    /// The gate does not know, or the mail is deferred: Postfix asks its sender to retry.
    Temporary(String),
    /// The request is wrong, and a retry will not help.
    Permanent(String),
}

impl Answer {
    /// Returns the kind of answer in one word, for metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NotFound => "notfound",
            Self::Temporary(_) => "temporary",
            Self::Permanent(_) => "permanent",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(value) => write!(f, "OK {value}"),
            // The blank is part of the answer.
            Self::NotFound => f.write_str("NOTFOUND "),
            Self::Temporary(why) => write!(f, "TEMP {why}"),
            Self::Permanent(why) => write!(f, "PERM {why}"),
        }
    }
}

/// A map that Postfix can ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Map {
    /// The domains whose mail belongs to the site.
    Domains,
    /// The addresses that RCPT accepts.
    Recipients,
    /// The addresses of lists, whether or not they accept mail now, and where to deliver it.
    Transport,
}

impl Map {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Domains => "domains",
            Self::Recipients => "recipients",
            Self::Transport => "transport",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        [Self::Domains, Self::Recipients, Self::Transport]
            .into_iter()
            .find(|map| map.name().as_bytes() == name)
    }
}

/// Returns the map and the key of a request, `NAME SPACE KEY`.
///
/// # Errors
/// There is no such map, or no key.
pub(super) fn read(request: &[u8]) -> Result<(Map, &[u8]), Answer> {
    let permanent = |why: &str| Answer::Permanent(why.to_owned());
    let blank = request.iter().position(|&octet| octet == b' ').ok_or_else(|| permanent("no key"))?;
    let map = Map::named(&request[..blank])
        .ok_or_else(|| permanent("no such map: there are domains, recipients and transport"))?;
    Ok((map, &request[blank + 1..]))
}

/// Looks up a key. `nexthop` is the answer of `transport` for each address of a list.
pub(super) async fn look_up(map: Map, key: &[u8], services: &Services, nexthop: &str) -> Answer {
    let directory = &services.directory;
    // A key that is not an address does not belong to us; Postfix asks for bare names and for `*` too.
    let Ok(key) = std::str::from_utf8(key) else { return Answer::NotFound };
    let mailbox = || key.parse().map(ForwardPath::Mailbox);
    let found = match map {
        Map::Domains => directory.serves(&comparable_domain(key)).await.map(|is_ours| is_ours.then_some(key)),
        Map::Recipients => {
            let Ok(path) = mailbox() else { return Answer::NotFound };
            directory.takes(&path, None, Instant::now()).await.map(|_| Some("OK"))
        }
        Map::Transport => {
            let Ok(path) = mailbox() else { return Answer::NotFound };
            directory.find(&path, Instant::now()).await.map(|_| Some(nexthop))
        }
    };
    match services.noted(found) {
        Ok(Some(value)) => Answer::Found(value.to_owned()),
        Ok(None) => Answer::NotFound,
        // NOTFOUND is only for what a retry cannot change.
        Err(why) if why.is_temporary() => Answer::Temporary(why.refusal().to_string()),
        Err(_) => Answer::NotFound,
    }
}

/// Returns the nexthop with which Postfix delivers to a gate on the same machine that listens at `address`.
pub(crate) fn nexthop(address: &ListenAddress) -> String {
    format!("lmtp:{}", destination(address))
}

/// Returns the part of [`nexthop`] after the transport.
pub(crate) fn destination(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(socket) => format!("inet:{}", bracketed(here(*socket))),
        ListenAddress::Unix(path) => format!("unix:{}", below_the_queue(path).display()),
    }
}

/// Returns the address by which this machine reaches one of its own sockets.
pub(crate) fn here(mut socket: SocketAddr) -> SocketAddr {
    match socket.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => socket.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => socket.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    socket
}

/// Returns an address such as `[127.0.0.1]:8024`. The brackets keep Postfix from looking it up as a name.
fn bracketed(socket: SocketAddr) -> String {
    format!("[{}]:{}", socket.ip(), socket.port())
}

/// Returns a path as every Postfix program sees it: relative to the queue directory if it is below it, because
/// the programs run there, chrooted or not.
pub(crate) fn below_the_queue(path: &Path) -> &Path {
    path.strip_prefix(POSTFIX_QUEUE).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_map_and_a_key() {
        assert_eq!(read(b"recipients a b@x"), Ok((Map::Recipients, &b"a b@x"[..])));
        assert_eq!(read(b"domains "), Ok((Map::Domains, &b""[..])));
        for wrong in ["", " ", "domains", "Domains x", "aliases x", " domains x"] {
            let answer = read(wrong.as_bytes()).unwrap_err();
            assert!(matches!(answer, Answer::Permanent(_)), "{wrong:?}: {answer}");
        }
    }

    #[test]
    fn answers_are_as_postfix_reads_them() {
        assert_eq!(Answer::Found("OK".to_owned()).to_string(), "OK OK");
        assert_eq!(Answer::NotFound.to_string(), "NOTFOUND ");
        assert_eq!(Answer::Temporary("451 4.3.0 away".to_owned()).to_string(), "TEMP 451 4.3.0 away");
    }

    #[test]
    fn the_transport_reaches_the_gate_from_its_own_machine() {
        for (listen, delivers) in [
            ("127.0.0.1:8024", "lmtp:inet:[127.0.0.1]:8024"),
            ("0.0.0.0:24", "lmtp:inet:[127.0.0.1]:24"),
            ("[::]:8024", "lmtp:inet:[::1]:8024"),
            ("192.0.2.7:8024", "lmtp:inet:[192.0.2.7]:8024"),
            ("unix:/run/listgate/lmtp", "lmtp:unix:/run/listgate/lmtp"),
            ("unix:/var/spool/postfix/listgate/lmtp", "lmtp:unix:listgate/lmtp"),
        ] {
            assert_eq!(nexthop(&listen.parse().unwrap()), delivers);
        }
    }
}
