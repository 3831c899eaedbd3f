//! LMTP on sockets: one task for each connection.

mod connection;
mod foreign;
mod shared;
mod transaction;

pub(crate) use shared::Shared;

use crate::net::{Accepted, ShutdownPhase};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Serves a connection in a task of its own, if its caller is admitted. The task holds `alive` until it ends, so
/// that the other end of that channel knows when all sessions have ended.
pub(crate) fn serve(
    Accepted { stream, caller, peer, place }: Accepted,
    shared: &Arc<Shared>,
    phases: &watch::Receiver<ShutdownPhase>,
    alive: &mpsc::Sender<()>,
) {
    let (present, standing) = match shared.services().admission.admit(caller) {
        Ok(admitted) => admitted,
        Err(turned) => {
            tracing::warn!("turned away {caller}: {}", turned.name());
            shared.services().metrics.turned_away(turned.name());
            // A new socket has room for one line.
            stream.send_line(turned.greeting(&shared.settings.hostname).as_bytes());
            return;
        }
    };
    let (shared, phases, alive) = (Arc::clone(shared), phases.clone(), alive.clone());
    tokio::spawn(async move {
        connection::run(stream, peer, standing, &shared, phases).await;
        drop((place, present, alive));
    });
}
