//! What waits to be written, and the one thread that writes it.

use super::Condemned;
use crate::body::Body;
use crate::limits;
use crate::queue::{Delivery, Outcomes, Unavailable};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A delivery, and where its outcomes go.
pub(super) struct Put {
    pub(super) delivery: Delivery,
    pub(super) answer: oneshot::Sender<Result<Outcomes, Arc<Unavailable>>>,
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

/// The way to the thread that writes.
pub(super) struct Puts {
    sender: Option<mpsc::Sender<Put>>,
    thread: Option<JoinHandle<()>>,
    condemned: Condemned,
}

impl Puts {
    /// Starts the thread, which runs `write` on what comes.
    pub(super) fn start(
        condemned: Condemned,
        write: impl FnOnce(mpsc::Receiver<Put>) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || write(waiting))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), condemned })
    }

    /// Hands a delivery over, and gives what became of it. Dropped at its await before the writer took
    /// it up, the delivery is not stored; after that it is.
    pub(super) async fn put(&self, delivery: Delivery) -> Result<Outcomes, Arc<Unavailable>> {
        if self.condemned.is_set() {
            return Err(Arc::new(Unavailable::Closed));
        }
        let (answer, answered) = oneshot::channel();
        let sender = self.sender.as_ref().expect("the sender lives until the end");
        if sender.send(Put { delivery, answer }).is_err() {
            return Err(Arc::new(Unavailable::Closed));
        }
        answered.await.unwrap_or_else(|_| Err(Arc::new(Unavailable::Closed)))
    }

    /// Waits until what was handed over is written, and the thread has ended.
    pub(super) fn end(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer panicked; every mail it had not stored was put off");
        }
    }
}

impl Drop for Puts {
    fn drop(&mut self) {
        self.end();
    }
}
