//! The phases of a gate, from open to ended.

use tokio::sync::watch;

/// The stage that a gate is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum ShutdownPhase {
    /// Mail is accepted.
    Open,
    /// No new mail is accepted; transactions in flight finish.
    Draining,
    /// The grace time is over.
    Ended,
}

/// Waits until the gate has reached `stage`, or is gone.
pub(crate) async fn reached(phases: &mut watch::Receiver<ShutdownPhase>, stage: ShutdownPhase) {
    // An error means that the gate is gone, which is past every stage.
    let _ = phases.wait_for(|now| *now >= stage).await;
}
