//! Lets the asynchronous worker use a store whose calls block.

use crate::backends::{Answer, LeaseRequest, LeaseStore, Leased, Messages};
use crate::model::{LeaseId, MessageId, NotStepped, Stale, Step, Stepped, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// A wrapper that makes each call to a store on a thread that may block.
pub(super) struct OnAThread<S>(pub(super) Arc<S>);

impl<S: LeaseStore + 'static> OnAThread<S> {
    fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&S) -> Answer<'_, T> + Send + 'static,
    ) -> Answer<'_, T> {
        let store = Arc::clone(&self.0);
        let answer = spawn_blocking(move || pollster::block_on(call(&store)));
        Answer::of(async move { answer.await.unwrap_or_else(|_| Err(StoreError::panicked("consumer"))) })
    }
}

impl<S: LeaseStore + 'static> Messages for OnAThread<S> {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        self.run(move |store| store.read(message, offset, length))
    }
}

impl<S: LeaseStore + 'static> LeaseStore for OnAThread<S> {
    fn lease(&self, request: LeaseRequest) -> Answer<'_, Leased> {
        self.run(|store| store.lease(request))
    }

    fn extend(&self, leases: Vec<LeaseId>, hold: Duration) -> Answer<'_, Vec<Result<(), Stale>>> {
        self.run(move |store| store.extend(leases, hold))
    }

    fn step(&self, steps: Vec<Step>) -> Answer<'_, Vec<Result<Stepped, NotStepped>>> {
        self.run(|store| store.step(steps))
    }

    fn stop_waiting_for_locks(&self) {
        self.0.stop_waiting_for_locks();
    }
}
