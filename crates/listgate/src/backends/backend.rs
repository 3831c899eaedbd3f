//! Traits for callers that need several sides of a backend.

use super::addresses::Addresses;
use super::answer::Answer;
use super::browse::BrowseStore;
use super::intake_store::IntakeStore;
use super::key_admin::KeyAdmin;
use super::lease_store::LeaseStore;
use super::members::Members;
use super::post_admin::PostAdmin;
use super::posts::EngineStore;
use crate::model::{OutgoingNow, StoreError};
use std::sync::Arc;

/// What the gate needs from a backend.
pub(crate) trait Backend: Addresses + IntakeStore {
    /// Returns the backend's queues for consumers in this process, or `None` if other programs work the queues.
    fn leases(self: Arc<Self>) -> Option<Arc<dyn LeaseStore>>;

    /// Returns the backend for the engine and the outgoing side, or `None` if another program does their work.
    ///
    /// # Errors
    /// It cannot be opened.
    fn engine(self: Arc<Self>) -> Result<Option<Arc<dyn EngineStore>>, StoreError>;

    /// Returns what waits to leave, for monitoring the gate; `None` if another program distributes posts.
    fn outgoing_now(&self) -> Answer<'_, Option<OutgoingNow>>;
}

/// What commands need from a backend, whether or not a gate serves it.
pub(crate) trait Console: Addresses + BrowseStore {
    /// Returns the members of lists, or `None` if another program keeps them.
    fn members(&self) -> Option<&dyn Members>;

    /// Returns posts and held posts, or `None` if another program distributes posts.
    fn posts(&self) -> Option<&dyn PostAdmin>;

    /// Returns the keys that sign tokens, or `None` if another program writes the mail of lists.
    fn key_admin(&self) -> Option<&dyn KeyAdmin>;
}
