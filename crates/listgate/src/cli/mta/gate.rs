//! What a mail server has to know about the gate.

use crate::config::Config;

/// The comment for a gate that refuses no recipient at RCPT.
pub(super) const NO_EFFECT: &str =
    "# No effect while lmtp.refuse_at is \"data\": every address is accepted then.\n";

/// The gate, as a mail server sees it.
pub(super) struct Gate<'a> {
    pub(super) config: &'a Config,
    /// The names of the lists' domains, in the forms in which the mail server may meet them.
    pub(super) domains: &'a [String],
    /// The addresses of these domains that stay with the mail server.
    pub(super) kept: &'a [String],
    /// Whether the mail server asks for the domains.
    pub(super) asked: bool,
}
