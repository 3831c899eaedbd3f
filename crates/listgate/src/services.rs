//! The services that all listeners of a gate share.

use crate::backends::Backend;
use crate::capacity::Capacity;
use crate::directory::Directory;
use crate::error_chain::Chain;
use crate::metrics::Metrics;
use crate::model::{NotTaken, StoreError};
use crate::net::Admission;
use listgate_lmtp::Refusal;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

/// The services that all listeners of a gate share.
pub(crate) struct Services {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) directory: Directory,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) admission: Admission,
    /// Whether the log shows addresses only in part.
    pub(crate) mask_addresses: bool,
    /// The longest wait for a peer that does not read.
    pub(crate) write_timeout: Duration,
}

impl Services {
    /// Returns an address in the form used in the log.
    pub(crate) fn named<'a, A: Display + ?Sized>(&self, address: &'a A) -> Named<'a, A> {
        Named::new(address, self.mask_addresses)
    }

    /// Logs and counts an answer that could not be given, and returns the answer unchanged.
    pub(crate) fn noted<T>(&self, answer: Result<T, NotTaken>) -> Result<T, NotTaken> {
        if let Err(NotTaken::Unknown(why)) = &answer {
            self.unavailable(why);
        }
        answer
    }

    /// Logs and counts a failure of the backend, and returns the refusal for it. A final error stops the gate.
    pub(crate) fn unavailable(&self, why: &StoreError) -> Refusal {
        self.metrics.failed(why);
        if why.is_final() {
            self.backend.give_up(why);
        } else {
            tracing::error!("{}; the mail server will try again", Chain(why));
        }
        why.refusal()
    }
}

/// An address in the form used in the log: whole, or masked where the log must not identify people.
pub(crate) struct Named<'a, A: ?Sized> {
    address: &'a A,
    is_masked: bool,
}

impl<'a, A: Display + ?Sized> Named<'a, A> {
    pub(crate) fn new(address: &'a A, is_masked: bool) -> Self {
        Self { address, is_masked }
    }
}

impl<A: Display + ?Sized> Display for Named<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_masked { f.write_str(&masked(&self.address.to_string())) } else { self.address.fmt(f) }
    }
}

/// Returns an address with most of its local part masked.
fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().next().unwrap_or_default()),
        None => address.to_owned(),
    }
}
