//! The admin listener: metrics, health and readiness over HTTP, for monitoring the gate. It reveals nothing about
//! any message.

use crate::error_chain::Chain;
use crate::limits;
use crate::model::StoreError;
use crate::net::{Accepted, ShutdownPhase, Stream};
use crate::services::Services;
use listgate_lmtp::Refusal;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Answers a request in a task of its own. The task runs on the gate's own thread, so an answer shows that the
/// thread is not stuck.
pub(crate) fn serve(accepted: Accepted, services: &Arc<Services>, phases: &watch::Receiver<ShutdownPhase>) {
    let (services, phases) = (Arc::clone(services), phases.clone());
    tokio::spawn(async move {
        // A client that is slow, or has disconnected, gets no answer.
        let _ = tokio::time::timeout(limits::ADMIN_TIME, answer(accepted.stream, &services, &phases)).await;
        drop(accepted.place);
    });
}

/// The status line, content type and body of an answer.
type Answer = (&'static str, &'static str, String);

const PLAIN: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn answer(
    mut stream: Stream,
    services: &Services,
    phases: &watch::Receiver<ShutdownPhase>,
) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    let request = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some(request) = read(&head) {
            break request;
        }
    };
    let (with_body, (status, kind, body)) = match request {
        Ok(Request { path, with_body }) => (with_body, respond(&path, services, phases).await),
        Err(refusal) => (true, refusal),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nAllow: GET, HEAD\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    if with_body {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

/// The path that a request asks for, and whether it wants the body.
struct Request {
    /// The path without a query.
    path: String,
    /// `false` for HEAD.
    with_body: bool,
}

/// Reads a request's head. Returns what it asks for, or the answer to a bad request; `None` while it is
/// incomplete.
fn read(head: &[u8]) -> Option<Result<Request, Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < limits::ADMIN_REQUEST => None,
        Ok(httparse::Status::Complete(_)) => Some(match request.method {
            Some(method @ ("GET" | "HEAD")) => {
                let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
                Ok(Request { path: path.to_owned(), with_body: method == "GET" })
            }
            _ => Err(("405 Method Not Allowed", PLAIN, "only GET and HEAD are answered\n".to_owned())),
        }),
        _ => Some(Err(("400 Bad Request", PLAIN, "this is not an HTTP request\n".to_owned()))),
    }
}

async fn respond(path: &str, services: &Services, phases: &watch::Receiver<ShutdownPhase>) -> Answer {
    let phase = *phases.borrow();
    match path {
        "/metrics" => ("200 OK", METRICS, metrics(services).await),
        "/health" => ("200 OK", PLAIN, "alive\n".to_owned()),
        "/ready" if phase != ShutdownPhase::Open => {
            ("503 Service Unavailable", PLAIN, "the gate is shutting down\n".to_owned())
        }
        "/ready" => match readiness(services).await {
            Ok(()) => ("200 OK", PLAIN, "ready\n".to_owned()),
            Err(why) => ("503 Service Unavailable", PLAIN, format!("{}\n", Chain(&why))),
        },
        _ => ("404 Not Found", PLAIN, "there are /metrics, /health and /ready\n".to_owned()),
    }
}

/// The reason why no mail would be accepted now.
#[derive(Debug, thiserror::Error)]
enum NotReady {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(Refusal),
}

/// Checks whether mail would be accepted now.
async fn readiness(services: &Services) -> Result<(), NotReady> {
    services.backend.serves("").await?;
    let space = services.backend.space().await?;
    services.capacity.reserve(None, space).map(drop).map_err(NotReady::Refused)
}

/// Returns the current metrics in the OpenMetrics text format.
async fn metrics(services: &Services) -> String {
    let queues = services.backend.backlog().await.unwrap_or_else(|why| {
        tracing::warn!("{}; the metrics have no queues", Chain(&why));
        Vec::new()
    });
    match services.backend.outgoing_now().await {
        Ok(Some(now)) => services.metrics.outgoing(&now),
        Ok(None) => {}
        Err(why) => tracing::warn!("{}; the metrics have old numbers of outgoing posts", Chain(&why)),
    }
    let space = services.backend.space().await.ok();
    services.metrics.render(&queues, space, services.capacity.in_flight())
}
