//! What waits to be written.

use crate::backends::delivery::{Delivery, NotStored};
use crate::backends::queued::Queued;
use crate::limits;
use crate::message::Body;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// A delivery, and where its outcomes go.
pub(super) struct Put {
    pub(super) delivery: Delivery,
    pub(super) answer: oneshot::Sender<Result<Vec<Queued>, NotStored>>,
}

impl Put {
    /// Whether nobody waits for it any more.
    pub(super) fn has_gone(&self) -> bool {
        self.answer.is_closed()
    }

    /// Octets of its body that are held in memory.
    fn in_memory(&self) -> usize {
        match &self.delivery.message.body {
            Body::Memory(octets) => octets.len(),
            Body::Spooled(_) => 0,
        }
    }
}

/// What waits, without whoever has gone: one commit's worth.
pub(super) fn gather(first: Put, waiting: &mpsc::Receiver<Put>) -> Vec<Put> {
    let mut batch = Vec::new();
    let mut octets = 0;
    let mut next = Some(first);
    while let Some(put) = next {
        if !put.has_gone() {
            octets += put.in_memory();
            batch.push(put);
        }
        let full = octets >= limits::BATCH_BODIES || batch.len() >= limits::BATCH_DELIVERIES;
        next = if full { None } else { waiting.try_recv().ok() };
    }
    batch
}
