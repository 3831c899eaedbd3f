//! LMTP on sockets: one task for each connection.

mod connection;
mod guard;
mod shared;
mod transaction;

pub(crate) use shared::Shared;

use crate::limits;
use crate::net::{Accepted, Listener, Stage, Stream, reached};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::{Semaphore, mpsc, watch};

/// Accepts on all listeners until the gate drains. While all `places` are taken nothing is accepted, and
/// the kernel keeps the callers waiting: a mail server that is refused stays away for minutes. `alive` is
/// held by each session, so that whoever has its other end knows when all have gone.
pub(crate) async fn serve(
    mut listeners: Vec<Listener>,
    shared: Arc<Shared>,
    places: usize,
    mut stages: watch::Receiver<Stage>,
    alive: mpsc::Sender<()>,
) {
    let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = reached(&mut stages, Stage::Draining) => break,
            accepted = async { (place.await, accept_on_any(&mut listeners).await) } => accepted,
        };
        let (Ok(place), accepted) = accepted else { break };
        let (stream, caller, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                // Out of descriptors, most likely: they come back as sessions end.
                tracing::error!("cannot accept a connection: {why}");
                tokio::time::sleep(limits::ACCEPT_RETRY).await;
                continue;
            }
        };
        let present = match shared.admission.admit(caller) {
            Ok(present) => present,
            Err(turned) => {
                tracing::warn!("turned away {caller}: {}", turned.name());
                shared.metrics().turned_away(turned.name());
                // A fresh socket has room for a line; whoever does not read it is not missed.
                stream.say(turned.greeting(&shared.settings.hostname).as_bytes());
                continue;
            }
        };
        let (shared, stages, alive) = (Arc::clone(&shared), stages.clone(), alive.clone());
        tokio::spawn(async move {
            match stream {
                Stream::Tcp(stream) => connection::run(stream, peer, "LMTP/TCP", &shared, stages).await,
                Stream::Unix(stream) => connection::run(stream, peer, "LMTP/Unix", &shared, stages).await,
            }
            drop((place, present, alive));
        });
    }
}

/// Whoever comes first: one place is kept for all listeners, and not one for each.
async fn accept_on_any(listeners: &mut [Listener]) -> io::Result<Accepted> {
    let accepted = poll_fn(|context| {
        let mut each = listeners.iter().map(|listener| listener.poll_accept(context));
        each.find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    let accepted = accepted.await;
    // Another is asked first the next time.
    listeners.rotate_left(1);
    accepted
}
