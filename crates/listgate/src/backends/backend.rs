//! Traits for callers that need several sides of a backend.

use super::addresses::Addresses;
use super::browse::BrowseStore;
use super::intake_store::IntakeStore;
use super::lease_store::LeaseStore;
use super::members::Members;
use std::sync::Arc;

/// What the gate needs from a backend.
pub(crate) trait Backend: Addresses + IntakeStore {
    /// Returns the backend's queues for consumers in this process, or `None` if other programs work the queues.
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>>;
}

/// What commands need from a backend, whether or not a gate serves it.
pub(crate) trait Console: Addresses + BrowseStore {
    /// Returns the members of lists, or `None` if another program keeps them.
    fn members(&self) -> Option<&dyn Members>;
}
