//! What processes an entry, as the worker knows it.

use super::body::Body;
use crate::model::{Lease, Step};
use std::error::Error;
use std::future::Future;
use tokio::sync::oneshot;

/// Decides what becomes of entries. The worker calls it for several entries at a time.
pub(super) trait Processor: Send + Sync + 'static {
    /// Processes the entry of a lease. `stopped` resolves when the worker cannot use a decision any more: what is
    /// not decided then is best [`Outcome::Released`], soon.
    fn process(
        &self,
        lease: &Lease,
        body: Body,
        stopped: oneshot::Receiver<()>,
    ) -> impl Future<Output = Outcome> + Send;
}

/// What came of processing an entry.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This is to happen. The step settles the lease of the entry. Where something that it expects has changed, the
    /// entry is processed once more.
    Decided(Step),
    /// It failed: it is tried again after a pause, or shunted after too many attempts.
    Failed { why: String },
    /// It was not begun, or was ended: the entry waits as if it had not been leased.
    Released,
    /// No entry could be processed, whichever it is: this one is released, and the worker ends for this reason.
    Broken(Box<dyn Error + Send + Sync>),
}
