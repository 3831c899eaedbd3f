//! The last part of storing deliveries in Mailman's queues, done for all waiting deliveries at once: each file gets
//! the name that runners take, each directory is synced once, and only then are the results reported.
//!
//! The files themselves were already synced, in parallel.

use super::pck::{Queues, Renamed, Synced};
use crate::backends::fail_stop::FailStop;
use crate::backends::held::HeldFiles;
use crate::backends::queued::Queued;
use crate::backends::recent_puts::RecentPuts;
use crate::error_chain::Chain;
use crate::limits;
use crate::metrics::Metrics;
use crate::model::{DeliveryKey, Duplicate, Id, StoreError};
use std::iter;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

type Stores = Result<Vec<Queued>, StoreError>;

/// The channel for the result of a delivery, and the delivery's place among those being written.
pub(super) struct Answer {
    sender: oneshot::Sender<Stores>,
    _place: OwnedSemaphorePermit,
}

impl Answer {
    pub(super) fn new(sender: oneshot::Sender<Stores>, place: OwnedSemaphorePermit) -> Self {
        Self { sender, _place: place }
    }

    pub(super) fn send(self, outcomes: Stores) {
        // If the receiver has been dropped, the mail is still queued.
        let _ = self.sender.send(outcomes);
    }
}

/// A delivery whose files are synced.
pub(super) struct Ready {
    pub(super) key: DeliveryKey,
    pub(super) files: Synced,
    pub(super) answer: Answer,
}

/// The only thread that makes files visible to runners.
pub(super) struct Publisher {
    queues: Arc<Queues>,
    held: Arc<HeldFiles>,
    fail_stop: FailStop,
    metrics: Arc<Metrics>,
    /// The file names of each recent delivery.
    recent: RecentPuts<String>,
}

impl Publisher {
    pub(super) fn new(
        queues: Arc<Queues>,
        held: Arc<HeldFiles>,
        fail_stop: FailStop,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { queues, held, fail_stop, metrics, recent: RecentPuts::default() }
    }

    /// Publishes deliveries until the backend is dropped.
    pub(super) fn run(mut self, waiting: &mpsc::Receiver<Ready>) {
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

    /// Returns whether the files that were just synced are still at the paths where other programs look for them.
    fn files_are_ours(&self) -> bool {
        match self.held.check() {
            Ok(()) => true,
            Err(why) if why.is_final() => {
                self.fail_stop.set(&why);
                false
            }
            Err(why) => {
                tracing::error!("{}; the mail server will try again", Chain(&why));
                false
            }
        }
    }

    fn publish(&mut self, batch: Vec<Ready>) {
        let since = Instant::now();
        let (mut renamed, mut waiting) = (Vec::new(), Vec::new());
        for Ready { key, files, answer } in batch {
            if answer.sender.is_closed() {
                continue;
            }
            match self.renamed(key, files) {
                Published::Now(files) => {
                    renamed.push(files);
                    waiting.push((key, answer));
                }
                Published::Before(ids) => answer.send(Ok(promise(ids))),
                Published::Not(why) => answer.send(Err(why)),
            }
        }
        if waiting.is_empty() {
            return;
        }
        let stored = self.queues.sync(renamed);
        self.metrics.committed(stored.len(), since);
        let are_ours = self.files_are_ours();
        for (stored, (key, answer)) in stored.into_iter().zip(waiting) {
            if let Err(why) = &stored
                && why.is_final()
            {
                self.fail_stop.set(why);
            }
            // What is in the queues stays there, but none of it is confirmed.
            let stored = if are_ours { stored } else { stored.and(Err(StoreError::closed())) };
            answer.send(stored.map(|stored| {
                let ids: Vec<String> = stored.iter().map(|stored| stored.id().to_owned()).collect();
                self.recent.note(key, ids.iter().cloned());
                promise(ids)
            }));
        }
    }

    fn renamed(&self, key: DeliveryKey, files: Synced) -> Published {
        if let Some(ids) = self.recent.get(key) {
            return Published::Before(ids);
        }
        // After a failed sync, the next one would falsely report success.
        if self.fail_stop.is_set() {
            return Published::Not(StoreError::closed());
        }
        self.queues.rename(files).map_or_else(Published::Not, Published::Now)
    }
}

/// The outcome for a delivery that was to be published.
enum Published {
    Now(Renamed),
    /// It is a repetition; these are the names of the files from the first time.
    Before(Vec<String>),
    Not(StoreError),
}

/// Returns one proof for each endpoint.
fn promise(ids: Vec<String>) -> Vec<Queued> {
    ids.into_iter().map(|id| Queued::new(Id::File(id), Duplicate::No)).collect()
}
