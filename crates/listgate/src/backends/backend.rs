//! A backend as a whole, for those who use several of its sides.

use super::addresses::Addresses;
use super::browse::BrowseStore;
use super::intake_store::IntakeStore;
use super::lease_store::LeaseStore;
use std::sync::Arc;

/// What a gate needs of a backend.
pub(crate) trait Backend: Addresses + IntakeStore {
    /// The way to its queues for consumers in this process; `None` where others work them.
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>>;
}

/// What commands need of a backend, beside the gate that serves it or without one.
pub(crate) trait Console: Addresses + BrowseStore {}

impl<B: Addresses + BrowseStore> Console for B {}
