//! The engine: decides what becomes of posts, of mail to the owners of lists, of commands, and of bounces.
//!
//! It works all queues on a thread of its own, so that a message that takes long to decide does not
//! delay the sessions. `decider.rs` is called for each entry, and returns a step: the decision and all its effects. The
//! decisions themselves are in the crate `listgate-engine`; this module looks up what they depend on.
//!
//! A list is looked up once and then remembered. Each step expects that nothing has changed since. If something has, the
//! list is forgotten, and the entry is decided again.

mod authors;
mod bounces;
mod command_why;
mod commands;
mod context;
mod decider;
mod decision;
mod held;
mod lists;
mod message;
mod moderators;
mod not_decided;
mod owners;
mod posts;
mod requests;
mod signs;
#[cfg(test)]
mod tests;
mod why;

pub(crate) use context::EngineSettings;
pub(crate) use held::{accept, discard, reject};
pub(crate) use not_decided::NotDecided;
pub(crate) use requests::{accept_request, invite, reject_request, remove_request};

use crate::backends::EngineStore;
use crate::error_chain::Chain;
use crate::limits;
use crate::metrics::Metrics;
use crate::model::{Clock, Name};
use crate::queue;
use crate::texts::Texts;
use crate::work::{Plan, Stop, WorkError, Worker};
use context::Context;
use decider::Decider;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;

/// The queues that the engine works.
pub(crate) const QUEUES: [Name; 3] = [Name::In, Name::Bounces, Name::Command];

/// A running engine.
pub(crate) struct Engine {
    stop: watch::Sender<Stop>,
    settings: watch::Sender<EngineSettings>,
    /// Its other end is dropped when the thread has nothing left to do.
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Starts an engine on a thread of its own.
    ///
    /// # Errors
    /// The system refused a thread, or what its runtime needs.
    pub(crate) fn start(
        store: Arc<dyn EngineStore>,
        (settings, texts): (EngineSettings, Texts),
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let (settings, current) = watch::channel(settings);
        let (stop, requested) = watch::channel(Stop::default());
        let (alive, ended) = mpsc::channel();
        let context = Arc::new(Context::new(store, (current, texts), metrics, clock));
        let run = move || {
            runtime.block_on(async {
                let [posts, bounces, commands] = QUEUES.map(|queue| work(queue, &context, requested.clone()));
                tokio::join!(posts, bounces, commands);
            });
            drop((context, alive));
        };
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(run)?;
        Ok(Self { stop, settings, ended, thread })
    }

    /// Uses other settings for what is decided from now on.
    pub(crate) fn configure(&self, settings: EngineSettings) {
        self.settings.send_replace(settings);
    }

    /// Stops the engine, and waits until it has finished what runs, but for no longer than a few seconds.
    pub(crate) fn stop(self) {
        for stop in [Stop::Finish, Stop::AtOnce] {
            self.stop.send_replace(stop);
            if self.ended.recv_timeout(limits::ENGINE_STOP) == Err(mpsc::RecvTimeoutError::Disconnected) {
                if self.thread.join().is_err() {
                    tracing::error!("the engine's thread panicked");
                }
                return;
            }
        }
        tracing::warn!("the engine does not end: what it has leased waits until the lease lapses");
    }
}

/// Works a queue until the engine is asked to stop, or the store has failed. Whatever else ends a worker, the next one
/// begins after a pause.
async fn work(queue: Name, context: &Arc<Context>, mut requested: watch::Receiver<Stop>) {
    loop {
        let store = Arc::clone(&context.store);
        let worker = Worker::new(store, Decider(Arc::clone(context)), plan(queue), requested.clone());
        match tokio::spawn(worker.run()).await {
            Ok(Ok(())) => return,
            Ok(Err(why @ (WorkError::Stopped { .. } | WorkError::Queue(queue::Error::Failed(_))))) => {
                return tracing::warn!("the engine has ended with the queue `{queue}`: {}", Chain(&why));
            }
            Ok(Err(why)) => tracing::error!("the engine goes on with `{queue}` after: {}", Chain(&why)),
            Err(why) => tracing::error!("the engine goes on with `{queue}` after: {why}"),
        }
        let is_asked = requested.wait_for(|stop| *stop > Stop::Never);
        if timeout(limits::STORE_PAUSE, is_asked).await.is_ok() {
            return;
        }
    }
}

fn plan(queue: Name) -> Plan {
    Plan {
        queue,
        ordered: false,
        jobs: limits::ENGINE_JOBS,
        max_attempts: limits::ENGINE_ATTEMPTS,
        lease: limits::ENGINE_LEASE,
        drain: false,
        progress: None,
    }
}
