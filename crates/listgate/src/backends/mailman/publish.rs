//! The last steps of a delivery into Mailman's queues, taken for all deliveries that wait: each file gets
//! the name that runners take, each directory is synced once, and only then does anybody hear of it.
//!
//! The files themselves were synced before, side by side.

use super::pck::{Queues, Stored, Synced};
use crate::backends::condemned::Condemned;
use crate::backends::delivery::{Delivery, Outcomes};
use crate::backends::held::HeldFiles;
use crate::backends::queued::Queued;
use crate::limits;
use crate::metrics::Metrics;
use crate::model::{Again, Id, StoreError};
use std::iter;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

type Stores = Result<Outcomes, StoreError>;

/// Where the outcomes of a delivery go, and its place among those that are written.
pub(super) struct Answer {
    sender: oneshot::Sender<Stores>,
    _place: OwnedSemaphorePermit,
}

impl Answer {
    pub(super) fn new(sender: oneshot::Sender<Stores>, place: OwnedSemaphorePermit) -> Self {
        Self { sender, _place: place }
    }

    pub(super) fn send(self, outcomes: Stores) {
        // Whoever has gone in the meantime has its mail queued all the same.
        let _ = self.sender.send(outcomes);
    }
}

/// A delivery whose files are synced.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) files: Synced,
    pub(super) answer: Answer,
}

/// The one thread that makes files visible to runners.
pub(super) struct Publisher {
    queues: Arc<Queues>,
    held: Arc<HeldFiles>,
    condemned: Condemned,
    metrics: Arc<Metrics>,
}

impl Publisher {
    pub(super) fn new(
        queues: Arc<Queues>,
        held: Arc<HeldFiles>,
        condemned: Condemned,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { queues, held, condemned, metrics }
    }

    /// Until the home is dropped.
    pub(super) fn run(self, waiting: &mpsc::Receiver<Ready>) {
        loop {
            match waiting.recv_timeout(limits::IDLE) {
                Ok(first) => {
                    let batch = iter::once(first).chain(waiting.try_iter()).take(limits::BATCH_DELIVERIES);
                    self.publish(batch.collect());
                }
                Err(RecvTimeoutError::Timeout) => drop(self.files_are_ours()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Whether what was just synced is where everybody looks for it.
    fn files_are_ours(&self) -> bool {
        match self.held.check() {
            Ok(()) => true,
            Err(why) if why.is_final() => {
                self.condemned.set(&why);
                false
            }
            Err(why) => {
                tracing::error!("{why}; the mail server will try again");
                false
            }
        }
    }

    fn publish(&self, batch: Vec<Ready>) {
        let since = Instant::now();
        let (mut renamed, mut waiting) = (Vec::new(), Vec::new());
        for Ready { delivery, files, answer } in batch {
            // After a failed sync the next would be told that all is well.
            let renaming = if self.condemned.is_set() {
                Err(StoreError::closed())
            } else if answer.sender.is_closed() {
                continue;
            } else {
                self.queues.rename(files)
            };
            match renaming {
                Err(why) => answer.send(Err(why)),
                Ok(files) => {
                    renamed.push(files);
                    waiting.push((delivery, answer));
                }
            }
        }
        if waiting.is_empty() {
            return;
        }
        let stored = self.queues.sync(renamed);
        self.metrics.committed(stored.len(), since);
        let are_ours = self.files_are_ours();
        for (stored, (delivery, answer)) in stored.into_iter().zip(waiting) {
            if let Err(why) = &stored
                && why.is_final()
                && !self.condemned.is_set()
            {
                self.condemned.set(why);
            }
            // What is in the queues stays there, and nothing of it is promised.
            let stored = if are_ours { stored } else { stored.and(Err(StoreError::closed())) };
            answer.send(stored.map(|stored| outcomes(delivery, stored)));
        }
    }
}

/// One proof for each endpoint.
fn outcomes(delivery: Delivery, stored: Vec<Stored>) -> Outcomes {
    let mut stored = stored.into_iter();
    delivery.to.map(|addressed| {
        addressed.map(|_| {
            let file = stored.next().expect("a file for each addressed recipient");
            Queued::new(Id::File(file.id().to_owned()), Again::No)
        })
    })
}
