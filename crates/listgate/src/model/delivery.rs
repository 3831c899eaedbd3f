//! One message to several recipients, as received from the mail server.

use super::endpoint::Endpoint;
use listgate_lmtp::ReversePath;
use std::time::SystemTime;

/// The facts about a message besides its octets: the sender, and the trace information that is stored as data.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) mail_from: ReversePath,
    /// The origin of the mail server's connection.
    pub(crate) peer: String,
    /// The name that it gave with LHLO.
    pub(crate) lhlo: String,
    /// `LMTP` over TCP or a Unix socket.
    pub(crate) transport: &'static str,
    pub(crate) received_at: SystemTime,
}

/// A recipient that is an endpoint.
#[derive(Debug)]
pub(crate) struct Addressed {
    /// The address as the mail server gave it.
    pub(crate) recipient: String,
    pub(crate) endpoint: Endpoint,
}

/// The key of one delivery, unique among those of all gates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct DeliveryKey {
    /// The gate's own number, valid while it runs.
    pub(crate) gate: u64,
    pub(crate) n: u64,
}
