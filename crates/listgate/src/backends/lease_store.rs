//! What a backend does for the consumers of its queues.

use super::answer::Answer;
use super::stored_message::Messages;
use crate::model::{Lease, LeaseId, Name, NotStepped, Stale, Step, Stepped};
use std::time::Duration;
use tokio::sync::watch;

/// What a consumer wants to lease.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRequest {
    pub(crate) queue: Name,
    /// Whether only one entry of a list is leased at a time, in order of arrival.
    pub(crate) ordered: bool,
    /// The maximum number of entries to lease; one call leases at most [`crate::limits::LEASED_AT_ONCE`].
    pub(crate) max: usize,
    pub(crate) hold: Duration,
    /// The list that had the last turn; the lists after it come first.
    pub(crate) turn: String,
}

/// The entries that were leased, and the list that had the last turn.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) leases: Vec<Lease>,
    pub(crate) turn: String,
}

/// Leases, and the steps that settle them.
pub(crate) trait LeaseStore: Messages {
    /// Leases entries for a time that the backend's clock measures. Lists take turns.
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased>;

    /// Extends leases to end `hold` from now, and returns one result for each.
    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>>;

    /// Takes steps, each completely or not at all, and returns one result for each. After an error, some of them may
    /// have been taken: those that settle a lease are stale when they are repeated.
    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>>;

    /// Makes calls stop waiting for other processes, including the call in progress: a call that would have to wait
    /// fails and changes nothing. Does nothing in a store that never waits for other processes.
    fn stop_waiting_for_locks(&self) {}

    /// Returns a channel that changes when this process has stored mail; `None` if the store does not notice.
    fn arrivals(&self) -> Option<watch::Receiver<()>> {
        None
    }
}
