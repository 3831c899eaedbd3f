//! The Exim configuration: a domain list, an ACL entry, a router and a transport.

use crate::cli::error::MtaError;
use crate::config::{Config, RefuseAt};
use crate::net::ListenAddress;
use crate::socketmap::here;
use std::net::SocketAddr;

const HEAD: &str = "\
# Exim's side of Listgate, printed by `listgate mta exim`: four pieces, each for
# its place in the configuration. These domains are for lists alone: leave them
# out of the other domain lists. docs/mta.md has the rest.

# 1. Before `begin acl`. The domains as of now: print this again when one comes
# or goes; lists come and go without. (Exim could ask for a domain, but would
# read a doubt as a no.)
";

const ACL: &str = "
# 2. In acl_check_rcpt, before `require message = relay not permitted`. Checks
# that come after it do not see mail to lists. Listgate itself is asked for each
# address, by a callout; no_cache, since a list may be created any moment. What
# it does not know gets a 550; while it is away the sender is to try again.
";

const ROUTER: &str = "
# 3. First after `begin routers`. `self = send`: Listgate is on this machine.
";

const TRANSPORT: &str = "
# 4. After `begin transports`. By TCP, since a callout goes by nothing else.
";

const NO_POSTMASTER: &str = "
# Nobody reads postmaster@ these domains, as somebody should (RFC 5321, 4.5.1):
# set site.postmaster in Listgate's configuration, or put this router before 3.
# listgate_postmaster:
#   driver = redirect
#   domains = +listgate_domains
#   local_parts = postmaster
#   data = root@$primary_hostname
";

pub(super) fn configuration(config: &Config, domains: &[String]) -> Result<String, MtaError> {
    let lmtp = lmtp(config)?;
    let host = match lmtp {
        SocketAddr::V4(address) => address.ip().to_string(),
        // A colon separates hosts unless another separator is chosen.
        SocketAddr::V6(address) => format!("\"<+ {}\"", address.ip()),
    };
    let no_effect = match config.refuse_at {
        RefuseAt::Rcpt => "",
        RefuseAt::Data => "# In vain as long as lmtp.refuse_at is \"data\": each address is taken then.\n",
    };
    let postmaster = match &config.postmaster {
        Some(list) => format!("\n# postmaster@ these domains reaches the owners of {list}.\n"),
        None => NO_POSTMASTER.to_owned(),
    };
    Ok(format!(
        "{HEAD}domainlist listgate_domains = {domains}\n\
         # What is too large for Listgate is refused at the door.\nmessage_size_limit = {size}\n\
         {ACL}{no_effect}  accept\n    domains = +listgate_domains\n    endpass\n    \
         verify = recipient/callout=30s,no_cache\n\
         {ROUTER}listgate:\n  driver = manualroute\n  domains = +listgate_domains\n  \
         transport = listgate\n  route_list = * {host}\n  self = send\n\
         {TRANSPORT}listgate:\n  driver = smtp\n  protocol = lmtp\n  port = {port}\n  allow_localhost\n  \
         # As many recipients of one delivery as Listgate takes.\n  max_rcpt = {recipients}\n\
         {postmaster}",
        domains = domains.join(" : \\\n    "),
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
