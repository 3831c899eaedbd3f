//! One message to several recipients, as the mail server handed it over.

use super::endpoint::Endpoint;
use listgate_lmtp::ReversePath;
use std::time::SystemTime;

/// What is known of a message besides its octets: the sender, and the trace that is kept as data.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) mail_from: ReversePath,
    /// Where the mail server connected from.
    pub(crate) peer: String,
    /// What it called itself with LHLO.
    pub(crate) lhlo: String,
    /// `LMTP` over TCP or a Unix socket.
    pub(crate) transport: &'static str,
    pub(crate) received_at: SystemTime,
}

/// One recipient that is an endpoint.
#[derive(Debug)]
pub(crate) struct Addressed {
    /// As the mail server gave it.
    pub(crate) recipient: String,
    pub(crate) endpoint: Endpoint,
}

/// Names one delivery among all of all gates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct DeliveryKey {
    /// The gate's own, for as long as it runs.
    pub(crate) gate: u64,
    pub(crate) n: u64,
}
