//! The Exim configuration: a domain list, an ACL entry, routers and a transport.

use super::gate::{AUTHORITIES, Gate, NO_EFFECT};
use super::way_out::{self, WayOut};
use crate::cli::error::MtaError;
use crate::config::RefuseAt;
use crate::net::ListenAddress;
use crate::socketmap::here;
use std::net::SocketAddr;

const HEAD: &str = "\
# Settings for Exim, printed by `listgate mta exim`: four pieces, each for its
# own place in the configuration. Use these domains only for lists, and leave
# them out of the other domain lists. docs/mta.md explains the details.

# 1. Before `begin acl`. These are the current domains. When you add or remove
# one, print this again. While Listgate is down, only mail to them waits.
";

const WAY_OUT: &str = "\
# Posts to members leave through this Exim, too: this machine must be allowed to
# relay, as it is with Debian's relay_from_hosts. By default, Exim only queues
# what follows the tenth message of a connection, until the next queue run, and
# ends a connection after 1,000 messages. If your configuration sets one of
# these already, change it there.
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
";

const ACL: &str = "
# 2. In acl_check_rcpt, before `require message = relay not permitted`. Checks
# that come after it do not see mail to lists. Exim asks Listgate about each
# address with a callout, uncached because a list may be created at any time. An
# unknown address gets 550; while Listgate is down, the sender gets 451.
";

const ROUTERS: &str = "
# 3. First after `begin routers`. `self = send`: Listgate is on this machine.
";

const TRANSPORT: &str = "
# 4. After `begin transports`. A callout works over TCP only.
";

const TLS: &str = "  \
  # With TLS, because Listgate is on another machine. Its certificate must have
  # the name server.hostname, and be signed by an authority in this file.
";

const CLIENT_CERTIFICATE: &str = "  \
  # If this machine is not in Listgate's server.allow, it needs a certificate:
  # tls_certificate = /etc/exim4/cert.pem
  # tls_privatekey = /etc/exim4/key.pem
";

const KEPT: &str = "\
# Mail to postmaster@ and abuse@ goes to the postmaster of this mail server
# (RFC 2142). Listgate takes it if its engine is on and site.owner or
# site.postmaster is set, or if site.postmaster is a list: `listgate check` says
# why it does not.
";

pub(super) fn configuration(gate: &Gate) -> Result<String, MtaError> {
    let config = gate.config;
    let lmtp = lmtp(&config.listen)?;
    let host = match (gate.tls_name(lmtp.ip()), lmtp) {
        // Exim compares the certificate with the name that it has connected to.
        (Some(name), _) => format!("{name} byname"),
        (None, SocketAddr::V4(address)) => address.ip().to_string(),
        // A colon separates hosts unless another separator is chosen.
        (None, SocketAddr::V6(address)) => format!("\"<+ {}\"", address.ip()),
    };
    let no_effect = if config.refuse_at == RefuseAt::Data { NO_EFFECT } else { "" };
    Ok(format!(
        "{HEAD}domainlist listgate_domains = {domains}\n{way_out}\
         {ACL}{no_effect}  deny\n    domains = +listgate_domains\n    \
         condition = ${{if >{{$message_size}}{{{size}}}}}\n    \
         message = the message is too large\n  \
         accept\n    domains = +listgate_domains\n    endpass\n    \
         verify = recipient/callout=30s,no_cache\n\
         {ROUTERS}{kept}listgate:\n  driver = manualroute\n  domains = +listgate_domains\n  \
         transport = listgate\n  route_list = * {host}\n  self = send\n\
         {TRANSPORT}listgate:\n  driver = smtp\n  protocol = lmtp\n  port = {port}\n  allow_localhost\n  \
         # As many recipients per delivery as Listgate accepts.\n  max_rcpt = {recipients}\n{tls}",
        domains = gate.domains.join(" : \\\n    "),
        size = config.max_message_size,
        way_out = way_out(gate),
        kept = kept(gate),
        port = lmtp.port(),
        recipients = config.max_recipients,
        tls = tls(gate, lmtp),
    ))
}

/// Returns the settings for posts to members.
fn way_out(gate: &Gate) -> String {
    match WayOut::of(gate, |_| true, way_out::OF_EXIM) {
        WayOut::Closed => String::new(),
        WayOut::Elsewhere(to) => way_out::elsewhere(to),
        WayOut::Here(at) => format!("{WAY_OUT}{}", way_out::line(at)),
    }
}

/// Returns the options of the transport for a gate on another machine.
fn tls(gate: &Gate, lmtp: SocketAddr) -> String {
    if gate.tls_name(lmtp.ip()).is_none() {
        return String::new();
    }
    let client = if gate.config.tls_client_ca.is_some() { CLIENT_CERTIFICATE } else { "" };
    format!(
        "{TLS}  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = {AUTHORITIES}\n{client}"
    )
}

/// Returns the router for the addresses that stay with the mail server.
fn kept(gate: &Gate) -> String {
    match gate.takes_postmasters() {
        Some(taken) => taken,
        None if gate.kept.is_empty() => String::new(),
        None => format!(
            "{KEPT}listgate_postmaster:\n  driver = redirect\n  domains = +listgate_domains\n  \
             condition = ${{if inlisti{{$local_part@$domain}}{{\\\n    {}}}}}\n  \
             data = postmaster@$qualify_recipient\n",
            gate.kept.join(" : \\\n    "),
        ),
    }
}

/// Returns the first TCP address: Exim can verify recipients only over TCP.
fn lmtp(listen: &[ListenAddress]) -> Result<SocketAddr, MtaError> {
    let tcp = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => Some(here(*address)),
        ListenAddress::Unix(_) => None,
    };
    listen.iter().find_map(tcp).ok_or(MtaError::NoTcp)
}
