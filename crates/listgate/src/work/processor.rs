//! The interface between the worker and the code that processes entries.

use super::body::Body;
use crate::model::{Lease, Step};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::oneshot;

/// A processor, which decides what becomes of entries. The worker calls it for several entries at a time.
pub(crate) trait Processor: Send + Sync + 'static {
    /// Processes the entry of a lease. `stopped` resolves when the worker can no longer use a decision: if none
    /// has been made by then, return [`Outcome::Released`] soon.
    fn process(
        &self,
        lease: &Lease,
        body: Body,
        stopped: oneshot::Receiver<()>,
    ) -> impl Future<Output = Outcome> + Send;

    /// Notes that something has changed that the last decision about this entry relied on. The entry is processed
    /// again, at once or later.
    fn outdated(&self, _lease: &Lease) {}
}

/// A function that reports a decision, given how long the entry was processed.
pub(crate) struct Report(pub(crate) Box<dyn FnOnce(Duration) + Send>);

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report(…)")
    }
}

/// The outcome of processing an entry.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A decision was made. The step settles the lease of the entry. If something that the step expects has
    /// changed, the entry is processed again.
    Decided(Step),
    /// As [`Outcome::Decided`]. If the step is applied, the report replaces the worker's own line in the log.
    Reported(Step, Report),
    /// Processing failed: the entry is retried after a pause, or shunted after too many attempts.
    Failed { why: String },
    /// Processing was not started, or was stopped: the entry waits as if it had not been leased.
    Released,
    /// No entry at all can be processed: this one is released, and the worker ends with this error.
    Broken(Box<dyn Error + Send + Sync>),
}
