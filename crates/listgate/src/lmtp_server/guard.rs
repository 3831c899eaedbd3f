//! A panic while a transaction is handled is an outcome, not the end of its session.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The step panicked; the panic's own message is on standard error.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs `step`. What it worked on is dropped by the caller after a panic, so nobody meets it half
/// done. Dropping this drops `step`.
pub(crate) async fn guarded<T>(step: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut step = pin!(step);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}
