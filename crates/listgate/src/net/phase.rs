//! The phases of a gate, from open to ended.

use tokio::sync::watch;

/// The phase that a gate is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum ShutdownPhase {
    /// Mail is accepted.
    Open,
    /// No new connections are accepted; transactions in flight finish, and those that are about to begin.
    Draining,
    /// The grace time is over.
    Ended,
}

/// Waits until the gate has reached `phase`, or is gone.
pub(crate) async fn reached(phases: &mut watch::Receiver<ShutdownPhase>, phase: ShutdownPhase) {
    // An error means that the gate is gone, which is past every phase.
    let _ = phases.wait_for(|now| *now >= phase).await;
}
