//! The accept loop, which all protocols share.

use super::admission::Caller;
use super::listener::Listener;
use super::phase::{ShutdownPhase, reached};
use super::stream::Stream;
use crate::limits;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) caller: Caller,
    /// The caller's address as the log shows it.
    pub(crate) peer: String,
    /// One of the places of the accept loop, which stays taken until this is dropped.
    pub(crate) place: OwnedSemaphorePermit,
}

/// Accepts connections on all listeners until the gate has reached the phase `until`, and hands each to `serve`.
/// At most `places` of them are open at a time. While all places are taken, no connection is accepted, and
/// callers wait in the kernel's queue: a mail server that is refused does not retry for minutes.
pub(crate) async fn accept(
    mut listeners: Vec<Listener>,
    places: usize,
    mut phases: watch::Receiver<ShutdownPhase>,
    until: ShutdownPhase,
    mut serve: impl FnMut(Accepted),
) {
    if listeners.is_empty() {
        return;
    }
    let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let (place, accepted) = tokio::select! {
            () = reached(&mut phases, until) => return,
            accepted = async { (place.await, on_any(&mut listeners).await) } => accepted,
        };
        let place = place.expect("the semaphore is never closed");
        match accepted {
            Ok((stream, caller, peer)) => serve(Accepted { stream, caller, peer, place }),
            Err(why) => {
                // Most likely there are no descriptors left. Sessions free them as they end.
                tracing::error!("cannot accept a connection: {why}");
                tokio::time::sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
}

/// Returns the next connection of any listener; all listeners share the places.
async fn on_any(listeners: &mut [Listener]) -> io::Result<(Stream, Caller, String)> {
    let accepted = poll_fn(|context| {
        let mut each = listeners.iter().map(|listener| listener.poll_accept(context));
        each.find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    let accepted = accepted.await;
    // Poll another listener first the next time.
    listeners.rotate_left(1);
    accepted
}
