//! A thread of a home's own, and the way to it.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

/// The way to a thread that works on what it is handed. Dropped, it waits until all of that is done.
pub(super) struct HandOff<T> {
    sender: Option<mpsc::Sender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> HandOff<T> {
    /// Starts the thread, which runs `work` on what comes.
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(mpsc::Receiver<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(waiting))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Hands `it` over, or gives it back when the thread has ended.
    pub(super) fn send(&self, it: T) -> Result<(), T> {
        let sender = self.sender.as_ref().expect("the sender lives until the end");
        sender.send(it).map_err(|mpsc::SendError(it)| it)
    }
}

impl<T> HandOff<T> {
    /// Waits until what was handed over is done, and the thread has ended.
    pub(super) fn end(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the store panicked; every mail it had not stored was put off");
        }
    }
}

impl<T> Drop for HandOff<T> {
    fn drop(&mut self) {
        self.end();
    }
}
