//! What the sessions of a gate share.

use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::net::Admission;
use std::sync::Arc;
use std::time::Duration;

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) admission: Arc<Admission>,
    pub(crate) settings: Arc<listgate_lmtp::Settings>,
    /// Whether the log has addresses in part only.
    pub(crate) mask_addresses: bool,
    /// The longest wait for a peer that does not read.
    pub(crate) write_timeout: Duration,
}

impl Shared {
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.intake.metrics
    }

    /// An address as the log has it.
    pub(crate) fn named(&self, address: &str) -> String {
        if self.mask_addresses { masked(address) } else { address.to_owned() }
    }
}

/// An address with most of its local part masked, for logs that must not name people.
fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().next().unwrap_or_default()),
        None => address.to_owned(),
    }
}
