//! The end of a gate, in stages.

use tokio::sync::watch;

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
