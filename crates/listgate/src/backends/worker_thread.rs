//! A backend's own thread, and the channel to it.

use crate::backends::fail_stop::FailStop;
use crate::model::StoreError;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// A channel to a thread that works on what it receives. Dropping it waits until all of that is done.
pub(super) struct WorkerThread<T> {
    sender: Option<mpsc::Sender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> WorkerThread<T> {
    /// Starts the thread, which runs `work` on what it receives. If it panics, nothing more can be stored, and the
    /// backend has failed.
    pub(super) fn start(
        name: &'static str,
        fail_stop: FailStop,
        work: impl FnOnce(mpsc::Receiver<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, waiting) = mpsc::channel();
        let run = move || {
            let guard = CondemnedIfPanicking { thread: name, fail_stop };
            work(waiting);
            drop(guard);
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Sends `it` to the thread, or returns it if the thread has ended.
    pub(super) fn send(&self, it: T) -> Result<(), T> {
        let sender = self.sender.as_ref().expect("the sender lives until the end");
        sender.send(it).map_err(|mpsc::SendError(it)| it)
    }
}

struct CondemnedIfPanicking {
    thread: &'static str,
    fail_stop: FailStop,
}

impl Drop for CondemnedIfPanicking {
    fn drop(&mut self) {
        if thread::panicking() {
            self.fail_stop.set(&StoreError::panicked(self.thread));
        }
    }
}

impl<T> WorkerThread<T> {
    /// Waits until everything sent is done and the thread has ended.
    pub(super) fn end(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the store panicked; all mail that it had not stored was deferred");
        }
    }
}

impl<T> Drop for WorkerThread<T> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stops_the_intake_of_mail() {
        let fail_stop = FailStop::default();
        let work = |waiting: mpsc::Receiver<u32>| assert_eq!(waiting.recv(), Ok(1), "injected by a test");
        let well = WorkerThread::start("well", fail_stop.clone(), work).unwrap();
        well.send(1).unwrap();
        drop(well);
        assert!(!fail_stop.is_set());
        let failing = WorkerThread::start("failing", fail_stop.clone(), work).unwrap();
        failing.send(2).unwrap();
        drop(failing);
        assert!(fail_stop.is_set());
    }
}
