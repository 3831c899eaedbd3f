//! The socketmap listener (socketmap_table(5)): Postfix asks the gate itself which addresses exist, so that a
//! list is valid at the edge as soon as it is created.

mod maps;
pub(crate) mod netstring;
pub(crate) mod requests;

pub(crate) use maps::{below_the_queue, destination, here, nexthop};

use crate::limits;
use crate::net::{Accepted, Stream};
use crate::services::Services;
use requests::Requests;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Serves a connection in a task of its own, if its caller may connect. `nexthop` is the answer of the map
/// `transport` for each address of a list.
pub(crate) fn serve(
    Accepted { stream, caller, peer, place }: Accepted,
    services: &Arc<Services>,
    nexthop: &Arc<str>,
) {
    if !services.admission.knows(caller) {
        tracing::warn!("socketmap: turned away {caller}: stranger");
        services.metrics.turned_away("stranger");
        return;
    }
    let socketmap = Socketmap { services: Arc::clone(services), nexthop: Arc::clone(nexthop), peer };
    tokio::spawn(async move {
        if let Err(why) = socketmap.converse(stream).await {
            tracing::debug!(peer = socketmap.peer, "socketmap: connection lost: {why}");
        }
        drop(place);
    });
}

/// One connection.
struct Socketmap {
    services: Arc<Services>,
    nexthop: Arc<str>,
    peer: String,
}

impl Socketmap {
    /// Answers one request after the other, each before it reads the next.
    async fn converse(&self, stream: Stream) -> io::Result<()> {
        let mut requests = Requests::new(stream);
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        while let Some(request) =
            timeout(limits::SOCKETMAP_SILENCE, requests.next()).await.map_err(late)??
        {
            let answer = netstring::write(&self.answer(&request).await);
            let written = requests.stream().write_all(answer.as_bytes());
            timeout(self.services.write_timeout, written).await.map_err(late)??;
        }
        Ok(())
    }

    async fn answer(&self, request: &[u8]) -> String {
        let (map, key, answer) = match maps::read(request) {
            Ok((map, key)) => {
                let answer = maps::look_up(map, key, &self.services, &self.nexthop).await;
                (map.name(), String::from_utf8_lossy(key), answer)
            }
            Err(answer) => ("none", String::from_utf8_lossy(request), answer),
        };
        tracing::debug!(peer = self.peer, map, key = %self.services.named(&key), "socketmap: {answer}");
        self.services.metrics.looked_up_for_a_map(map, answer.name());
        answer.to_string()
    }
}
