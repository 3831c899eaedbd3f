//! The way out: posts to members, in batches, through the site's mail server. Start reading at [`Outgoing::start`].
//!
//! | module | what |
//! |---|---|
//! | `meaning`, `refusals`, `tally` | decide what replies mean, and make the result of a batch; pure |
//! | `copies` | what changes in each copy of a post, and its envelope; pure but for reading the message |
//! | `signer` | addresses with tokens; pure |
//! | `notices` | writes mail of a list's own; pure |
//! | `pace` | when the next transaction may start; pure |
//! | `batch` | which recipients of a batch are offered next |
//! | `hub` | what connections share: the state of the mail server, posts that are ready |
//! | `sender` | batches over a connection, and the order of commits and final dots |
//! | `connections` | connects, waits, and retries |
//! | `directory` | files in place of a mail server |

mod batch;
mod connections;
mod copies;
mod directory;
mod hub;
mod meaning;
mod notices;
mod pace;
mod refusals;
mod sender;
mod settings;
mod signer;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use settings::{OutgoingSettings, Reloadable};
pub(crate) use signer::Signer;

use crate::backends::EngineStore;
use crate::config::Target;
use crate::file_error::FileError;
use crate::limits;
use crate::metrics::Metrics;
use crate::model::Clock;
use connections::Server;
use directory::Directory;
use hub::Hub;
use rustix::process::nice;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;

/// The way out, on a thread of its own. Dropping it stops it.
pub(crate) struct Outgoing {
    reload: watch::Sender<Reloadable>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// The reason why the way out could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error(transparent)]
    Directory(#[from] FileError),
    #[error("cannot start the thread for outgoing mail")]
    Thread(#[source] io::Error),
}

enum Way {
    Directory(Directory),
    Server(Server),
}

/// What the way out works with.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn EngineStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

impl Outgoing {
    /// Creates the directory that takes the place of a mail server, if the settings name one. Blocks.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn prepare(settings: &OutgoingSettings) -> Result<(), OutgoingError> {
        if let Target::Directory(path) = &settings.to {
            Directory::create(path)?;
        }
        Ok(())
    }

    /// Starts to send what waits.
    ///
    /// # Errors
    /// The directory that takes the place of a mail server cannot be created, or the system has no thread.
    pub(crate) fn start(parts: Parts, settings: OutgoingSettings) -> Result<Self, OutgoingError> {
        let (reload, reloadable) = watch::channel(settings.reloadable.clone());
        let way = match &settings.to {
            Target::Directory(path) => Way::Directory(Directory::create(path)?),
            Target::Smtp(address) => {
                let (address, settings) = (address.clone(), settings.client.clone());
                Way::Server(Server { address, settings, reloadable: reloadable.clone() })
            }
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OutgoingError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let run = move || {
            // On Linux this concerns the thread alone. If the processors are busy, mail on its way in comes first: mail
            // servers wait for a reply, and posts can wait. Where it is not allowed, both are equal.
            let _ = nice(limits::OUTGOING_NICE);
            let Parts { store, metrics, clock } = parts;
            let stopping = stopped.clone();
            let hub = Rc::new(Hub::new(store, metrics, clock, (&settings, reloadable.clone())));
            let all = async {
                match way {
                    Way::Directory(directory) => connections::into_directory(&hub, &directory, stopped).await,
                    Way::Server(server) => {
                        connections::to_server(&hub, (server, settings.connections), &stopped).await;
                    }
                }
            };
            let mut asked = stopping.clone();
            let in_time = async {
                tokio::select! {
                    () = all => {}
                    () = hub.report_progress() => {}
                    () = connections::stopped_for(&mut asked, || reloadable.borrow().grace + limits::OUTGOING_STOP) => {
                        tracing::warn!("the store does not take what became of the last batches: they are in doubt");
                    }
                }
            };
            LocalSet::new().block_on(&runtime, in_time);
        };
        let thread = thread::Builder::new().name("outgoing".to_owned()).spawn(run);
        Ok(Self { reload, stop, thread: Some(thread.map_err(OutgoingError::Thread)?) })
    }

    /// Uses other settings from now on.
    pub(crate) fn configure(&self, settings: Reloadable) {
        self.reload.send_replace(settings);
    }

    /// Starts no more transactions from now on.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends the transactions in flight, and records what became of them. It waits for the mail server no longer than the
    /// grace time: what is not answered by then is in doubt.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for outgoing mail panicked");
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.end();
    }
}
