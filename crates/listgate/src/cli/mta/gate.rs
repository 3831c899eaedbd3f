//! What a mail server has to know about the gate.

use crate::config::Config;
use crate::operations::Postmaster;
use std::net::IpAddr;

/// The comment for a gate that refuses no recipient at RCPT.
pub(super) const NO_EFFECT: &str =
    "# No effect while lmtp.refuse_at is \"data\": every address is accepted then.\n";

/// The certificates of the authorities that Debian trusts.
pub(super) const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The gate, as a mail server sees it.
pub(super) struct Gate<'a> {
    pub(super) config: &'a Config,
    /// The names of the lists' domains, in the forms in which the mail server may meet them.
    pub(super) domains: &'a [String],
    /// The addresses of these domains that stay with the mail server.
    pub(super) kept: &'a [String],
    /// Who gets mail to the postmasters of these domains.
    pub(super) postmaster: &'a Postmaster,
    /// Whether the mail server asks for the domains.
    pub(super) asked: bool,
    /// Whether Listgate sends posts to members, so that the mail server has to take them.
    pub(super) sends: bool,
}

impl Gate<'_> {
    /// Returns a comment on the postmasters of the domains, if Listgate takes mail to them.
    pub(super) fn takes_postmasters(&self) -> Option<String> {
        let to = match self.postmaster {
            Postmaster::Address(address) => address.to_string(),
            Postmaster::OwnersOf(list) => format!("the owners of {list}"),
            Postmaster::Nobody => return None,
        };
        Some(format!(
            "# Listgate takes mail to postmaster@, abuse@ and mailer-daemon@ these domains,\n# for {to}.\n"
        ))
    }

    /// Returns the name that the gate's certificate should have, if a mail server reaches `lmtp` with TLS: if there is
    /// a certificate, and the gate is on another machine.
    pub(super) fn tls_name(&self, lmtp: IpAddr) -> Option<&str> {
        let has_tls = self.config.tls_certificate.is_some() && !lmtp.is_loopback();
        has_tls.then_some(self.config.hostname.as_str())
    }
}
