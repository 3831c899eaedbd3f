//! LMTP on sockets: listeners, and one task for each connection.

mod admission;
mod connection;
mod guard;
mod listener;

pub(crate) use admission::Admission;
pub(crate) use listener::Listener;

use crate::intake::Intake;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) admission: Arc<Admission>,
    pub(crate) settings: Arc<listgate_lmtp::Settings>,
    /// The longest wait for a peer that does not read.
    pub(crate) write_timeout: Duration,
}

/// How a gate ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Stage {
    /// Mail is taken.
    Open,
    /// Nothing is accepted any more; transactions in flight finish.
    Draining,
    /// The grace time is over.
    Ended,
}

/// Waits until the gate has come to `stage`, or is gone.
pub(crate) async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    // An error means that the gate is gone, which is past every stage.
    let _ = stages.wait_for(|now| *now >= stage).await;
}
