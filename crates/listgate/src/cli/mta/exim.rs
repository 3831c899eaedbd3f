//! The Exim configuration: a domain list, an ACL entry, a router and a transport.

use super::gate::{Gate, WITHOUT_EFFECT};
use crate::cli::error::MtaError;
use crate::config::{Config, RefuseAt};
use crate::net::ListenAddress;
use crate::socketmap::here;
use std::net::SocketAddr;

const HEAD: &str = "\
# Settings for Listgate in Exim's configuration, printed by `listgate mta exim`:
# four pieces, each for a different place. Use these domains only for lists:
# leave them out of the other domain lists. docs/mta.md explains the details.

# 1. Before `begin acl`. These are the current domains: print this again when
# you add or remove one, but not for lists. (Exim could query domains, but it
# would take a temporary failure for an unknown domain.)
";

const ACL: &str = "
# 2. In acl_check_rcpt, before `require message = relay not permitted`. Checks
# after it do not apply to mail for lists. A callout asks Listgate about each
# address, with no_cache because a list may be created at any moment. An unknown
# address gets a 550. While Listgate is down, mail is deferred.
";

const ROUTER: &str = "
# 3. First after `begin routers`. `self = send`, because Listgate is on this
# machine.
";

const TRANSPORT: &str = "
# 4. After `begin transports`. By TCP, because callouts work only over TCP.
";

const NO_POSTMASTER: &str = "
# Mail to postmaster@ these domains is refused, against RFC 5321 (4.5.1). To
# accept it, set site.postmaster in Listgate's configuration, or put this
# router before 3.
# listgate_postmaster:
#   driver = redirect
#   domains = +listgate_domains
#   local_parts = postmaster
#   data = root@$primary_hostname
";

pub(super) fn configuration(gate: &Gate) -> Result<String, MtaError> {
    let config = gate.config;
    let lmtp = lmtp(config)?;
    let host = match lmtp {
        SocketAddr::V4(address) => address.ip().to_string(),
        // A colon separates hosts unless another separator is chosen.
        SocketAddr::V6(address) => format!("\"<+ {}\"", address.ip()),
    };
    let no_effect = if config.refuse_at == RefuseAt::Data { WITHOUT_EFFECT } else { "" };
    let postmaster = match &config.postmaster {
        Some(list) => format!("\n# postmaster@ these domains reaches the owners of {list}.\n"),
        None => NO_POSTMASTER.to_owned(),
    };
    Ok(format!(
        "{HEAD}domainlist listgate_domains = {domains}\n\
         # Exim itself refuses mail that is too large for Listgate.\nmessage_size_limit = {size}\n\
         {ACL}{no_effect}  accept\n    domains = +listgate_domains\n    endpass\n    \
         verify = recipient/callout=30s,no_cache\n\
         {ROUTER}listgate:\n  driver = manualroute\n  domains = +listgate_domains\n  \
         transport = listgate\n  route_list = * {host}\n  self = send\n\
         {TRANSPORT}listgate:\n  driver = smtp\n  protocol = lmtp\n  port = {port}\n  allow_localhost\n  \
         # As many recipients per delivery as Listgate takes.\n  max_rcpt = {recipients}\n\
         {postmaster}",
        domains = gate.domains.join(" : \\\n    "),
        size = config.max_message_size,
        port = lmtp.port(),
        recipients = config.max_recipients,
    ))
}

/// Returns the first TCP address: Exim can verify recipients only over TCP.
fn lmtp(config: &Config) -> Result<SocketAddr, MtaError> {
    let tcp = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => Some(here(*address)),
        ListenAddress::Unix(_) => None,
    };
    config.listen.iter().find_map(tcp).ok_or(MtaError::NoTcp)
}
