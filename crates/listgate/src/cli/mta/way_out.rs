//! What a mail server has to know about posts to members, which leave through it.

use super::gate::Gate;
use crate::config::Target;
use crate::net::{ListenAddress, ServerAddress};
use crate::socketmap::here;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where Postfix takes posts unless the configuration has another port of this machine.
pub(super) const OF_POSTFIX: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8028));

/// Where Exim takes posts unless the configuration has another port of this machine.
pub(super) const OF_EXIM: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 25));

/// How posts to members leave.
pub(super) enum WayOut<'a> {
    /// Listgate sends none.
    Closed,
    /// Through this mail server, at this address.
    Here(SocketAddr),
    /// Through another server, or over the network.
    Elsewhere(&'a Target),
}

impl<'a> WayOut<'a> {
    /// Returns how posts leave. The configured address is the mail server's if it is on this machine, as Listgate is, and
    /// `can_be` is true for it; `default` takes the place of one that cannot be, and of a directory.
    pub(super) fn of(gate: &Gate<'a>, can_be: impl Fn(SocketAddr) -> bool, default: SocketAddr) -> Self {
        let to = &gate.config.outgoing_to;
        let lmtp = gate.config.listen.iter().find_map(ListenAddress::tcp);
        let is_away = lmtp.is_some_and(|lmtp| !here(lmtp).ip().is_loopback());
        match to {
            _ if !gate.sends => Self::Closed,
            _ if is_away => Self::Elsewhere(to),
            Target::Smtp(ServerAddress::Tcp(at)) if at.ip().is_loopback() => {
                Self::Here(if can_be(*at) { *at } else { default })
            }
            Target::Directory(_) => Self::Here(default),
            Target::Smtp(_) => Self::Elsewhere(to),
        }
    }
}

/// Returns the comment that says what Listgate's configuration needs.
pub(super) fn line(at: SocketAddr) -> String {
    format!("# In Listgate's configuration:\n#   [outgoing]\n#   to = \"smtp:{at}\"\n")
}

/// Returns the comment for posts that leave over the network.
pub(super) fn elsewhere(to: &Target) -> String {
    format!(
        "\n# On Listgate's machine, outgoing.to is\n#   {to}\n\
         # so nothing is added for posts to members. If they are to leave through this\n\
         # mail server, let it relay for that machine. See \"Posts to members\" in\n# docs/mta.md.\n"
    )
}
