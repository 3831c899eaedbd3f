//! What a backend does for those who work its queues.

use super::answer::Answer;
use crate::model::{Lease, LeaseId, MessageId, Name, NotStepped, Stale, Step, Stepped};
use std::time::Duration;

/// What a consumer wants to lease.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRequest {
    pub(crate) queue: Name,
    /// One entry of a list at a time, in the order of arrival.
    pub(crate) ordered: bool,
    /// At most so many; more than [`crate::limits::LEASED_AT_ONCE`] are not leased at once.
    pub(crate) max: usize,
    pub(crate) hold: Duration,
    /// The list that had its turn last: those after it come first.
    pub(crate) turn: String,
}

/// What was leased, and the list that had its turn last.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) leases: Vec<Lease>,
    pub(crate) turn: String,
}

/// Leases, and the steps that settle them.
pub(crate) trait LeaseStore: Send + Sync {
    /// Leases entries for a time, stamped by the backend's clock. Lists take turns.
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased>;

    /// Lets leases last for the time `hold` from now; one result for each.
    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>>;

    /// Takes steps, each whole or not at all; one result for each. On an error some of them may have happened:
    /// those that settle something are stale when they are repeated.
    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>>;

    /// Up to `length` octets of a message as stored, from `offset`; `None` when it was removed.
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>>;

    /// From now on a call does not wait for other processes: the present one too is an error where it would have to,
    /// and changes nothing. A store that waits for no other process has nothing to do.
    fn stop_waiting_for_locks(&self) {}
}
