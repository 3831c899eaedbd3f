//! The stages of a gate, from open to ended.

use tokio::sync::watch;

/// The stage that a gate is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Stage {
    /// Mail is accepted.
    Open,
    /// No new mail is accepted; transactions in flight finish.
    Draining,
    /// The grace time is over.
    Ended,
}

/// Waits until the gate has reached `stage`, or is gone.
pub(crate) async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    // An error means that the gate is gone, which is past every stage.
    let _ = stages.wait_for(|now| *now >= stage).await;
}
