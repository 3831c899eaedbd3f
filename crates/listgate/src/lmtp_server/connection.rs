//! One connection: octets between a socket and a [`Session`], its questions to the intake.

use super::guard::guarded;
use super::{Shared, Stage, reached};
use crate::body::Incoming;
use crate::capacity::Reserved;
use crate::limits;
use crate::queue::{Again, Envelope, Queued};
use listgate_lmtp::{Event, ForwardPath, PerRecipient, Refusal, ReversePath, Sender, Session};
use std::io;
use std::time::{Instant, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// A panic of ours says nothing about the message, so the mail server may try again.
const BUG: Refusal = Refusal::new(451, 3, 0, "Requested action aborted: internal error, try again later");
const SHUTTING_DOWN: Refusal = Refusal::new(451, 3, 2, "Shutting down, try again later");

/// Serves one connection until either side has had enough. Dropped at an await, the transaction in
/// flight was not answered, and its sender keeps it.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: String,
    transport: &'static str,
    shared: &Shared,
    stages: watch::Receiver<Stage>,
) {
    let session = Session::new(shared.settings.clone());
    let mut connection =
        Connection { stream, peer, transport, shared, stages, session, draining: false, transaction: None };
    match connection.talk().await {
        Ok(()) => {}
        Err(why) => tracing::debug!(peer = connection.peer, "connection lost: {why}"),
    }
    if let Some(transaction) = connection.transaction.take() {
        transaction.log(&connection.peer, "-", "-", &[]);
    }
}

struct Connection<'s, S> {
    stream: S,
    peer: String,
    transport: &'static str,
    shared: &'s Shared,
    stages: watch::Receiver<Stage>,
    session: Session<ForwardPath, Queued>,
    /// Whether the session knows that the gate drains.
    draining: bool,
    transaction: Option<Transaction>,
}

/// From an accepted MAIL to its outcome.
struct Transaction {
    started: Instant,
    received_at: SystemTime,
    mail_from: ReversePath,
    declared_size: Option<u64>,
    /// The message so far; `None` once it is known why there will be no more of it.
    incoming: Result<Incoming, Refusal>,
    size: u64,
    /// Held until the outcome.
    room: Reserved,
    /// Recipients as the log names them.
    accepted: Vec<String>,
    refused: Vec<String>,
    more_refused: usize,
}

/// Whether the session goes on.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn talk(&mut self) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(limits::READ_BUFFER.0);
        loop {
            let mut input = buffer.as_slice();
            while let Some(event) = self.session.next(Instant::now(), &mut input) {
                if self.handle(event).await? == Next::Close {
                    return self.write().await;
                }
            }
            self.write().await?;
            if !self.read(&mut buffer).await? {
                return Ok(());
            }
        }
    }

    async fn handle(&mut self, event: Event<'_, ForwardPath>) -> io::Result<Next> {
        match event {
            Event::Mail(sender) => self.mail(sender).await,
            Event::Recipient(path) => self.recipient(path).await,
            Event::Body(octets) => self.body(octets).await,
            Event::Complete(to) => self.complete(to).await,
            Event::Abandoned => {
                if let Some(transaction) = self.transaction.take() {
                    transaction.log(&self.peer, "-", "-", &[]);
                }
            }
            Event::Flush => self.write().await?,
            Event::Close => return Ok(Next::Close),
        }
        Ok(Next::More)
    }

    async fn mail(&mut self, sender: Sender) {
        let intake = &self.shared.intake;
        let lhlo = self.session.peer_name();
        let begin = async {
            let room = intake.admit(&sender)?;
            Ok((room, intake.begin(&sender.path, &self.peer, lhlo)))
        };
        match guarded(begin).await {
            Ok(Ok((room, incoming))) => {
                self.transaction = Some(Transaction::new(sender, incoming, room));
                self.session.accept_mail();
            }
            Ok(Err(refusal)) => {
                tracing::info!(peer = self.peer, from = %sender.path, "MAIL refused: {refusal}");
                self.session.refuse(&refusal);
            }
            Err(_) => self.session.refuse(&BUG),
        }
    }

    async fn recipient(&mut self, path: ForwardPath) {
        let intake = &self.shared.intake;
        let size = self.transaction.as_ref().and_then(|transaction| transaction.declared_size);
        match guarded(async { intake.recipient(&path, size) }).await.unwrap_or(Err(BUG)) {
            Ok(()) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.accepted.push(path.to_string());
                }
                self.session.accept(path);
            }
            Err(refusal) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.refused(&path, &refusal);
                }
                self.session.refuse(&refusal);
            }
        }
    }

    async fn body(&mut self, octets: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.size += octets.len() as u64;
        transaction.room.arrived(octets.len() as u64);
        let Ok(incoming) = &mut transaction.incoming else { return };
        let refusal = match guarded(incoming.push(octets)).await {
            Ok(Ok(())) => return,
            Ok(Err(why)) => self.shared.intake.unavailable(&why),
            Err(_) => BUG,
        };
        // What is left of the message is read and forgotten; what came of it is dropped now.
        transaction.incoming = Err(refusal);
    }

    async fn complete(&mut self, to: PerRecipient<ForwardPath>) {
        let mut transaction = self.transaction.take().expect("a message completes in a transaction");
        let recipients = std::mem::take(&mut transaction.accepted);
        let incoming = std::mem::replace(&mut transaction.incoming, Err(BUG));
        let delivered = match incoming {
            Err(refusal) => Err(refusal),
            Ok(incoming) => {
                let envelope = Envelope {
                    mail_from: transaction.mail_from.clone(),
                    peer: self.peer.clone(),
                    lhlo: self.session.peer_name().to_owned(),
                    transport: self.transport,
                    received_at: transaction.received_at,
                };
                let deliver = guarded(self.shared.intake.deliver(envelope, incoming, to));
                tokio::select! {
                    biased;
                    delivered = deliver => delivered.unwrap_or(Err(BUG)),
                    () = reached(&mut self.stages, Stage::Ended) => Err(SHUTTING_DOWN),
                }
            }
        };
        match delivered {
            Ok(delivered) => {
                let outcomes = delivered.outcomes.iter().zip(&recipients).zip(&delivered.endpoints);
                let words: Vec<String> = outcomes
                    .map(|((outcome, recipient), endpoint)| match (outcome, endpoint) {
                        (Ok(queued), endpoint) => {
                            let endpoint = endpoint.as_deref().unwrap_or("-");
                            format!("{recipient} {endpoint} {queued}{}", remark(queued))
                        }
                        (Err(refusal), _) => format!("{recipient} {refusal}"),
                    })
                    .collect();
                let id = delivered.id().unwrap_or_else(|| "-".to_owned());
                transaction.log(&self.peer, &id, &delivered.message_id, &words);
                self.session.finish(&delivered.outcomes);
            }
            Err(refusal) => {
                let words: Vec<String> = recipients.iter().map(|to| format!("{to} {refusal}")).collect();
                transaction.log(&self.peer, "-", "-", &words);
                self.session.fail(&refusal);
            }
        }
    }

    /// Writes what the session has to say, to a peer that reads.
    async fn write(&mut self) -> io::Result<()> {
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        let written = tokio::select! {
            biased;
            written = tokio::time::timeout(self.shared.write_timeout, self.stream.write_all(output)) => written,
            () = reached(&mut self.stages, Stage::Ended) => return Err(io::Error::other("the grace time is over")),
        };
        written
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its replies"))??;
        output.clear();
        Ok(())
    }

    /// Waits for octets, or for the session's deadline, or for the gate to end. `false`: the peer has
    /// closed, or the grace time is over.
    async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let (small, large) = limits::READ_BUFFER;
        let filled = buffer.len() == buffer.capacity();
        buffer.clear();
        match (filled, self.session.in_data()) {
            (true, true) => buffer.reserve_exact(large.min(buffer.capacity() * 4)),
            (_, false) if buffer.capacity() > 4 * small => *buffer = Vec::with_capacity(small),
            _ => {}
        }
        let stage = *self.stages.borrow_and_update();
        match stage {
            Stage::Draining if !self.draining => {
                // Between transactions it ends now: nothing that the peer sends is waited for.
                self.draining = true;
                self.session.drain();
                return Ok(true);
            }
            Stage::Open | Stage::Draining => {}
            Stage::Ended => return Ok(false),
        }
        let deadline = self.session.deadline().map(tokio::time::Instant::from_std);
        tokio::select! {
            biased;
            read = self.stream.read_buf(buffer) => Ok(read? > 0),
            () = async { match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            } } => Ok(true),
            // The next call looks at what it has become.
            _ = self.stages.changed() => Ok(true),
        }
    }
}

/// What the log adds about an entry that came before.
fn remark(queued: &Queued) -> &'static str {
    match queued.again() {
        Again::No => "",
        Again::Marked => " (came before: queued again, and marked)",
        Again::Suppressed => " (came before: not queued twice)",
    }
}

impl Transaction {
    fn new(sender: Sender, incoming: Incoming, room: Reserved) -> Self {
        Self {
            started: Instant::now(),
            received_at: SystemTime::now(),
            mail_from: sender.path,
            declared_size: sender.size,
            incoming: Ok(incoming),
            size: 0,
            room,
            accepted: Vec::new(),
            refused: Vec::new(),
            more_refused: 0,
        }
    }

    fn refused(&mut self, path: &ForwardPath, refusal: &Refusal) {
        if self.refused.len() < limits::LOGGED_REFUSALS {
            self.refused.push(format!("{path} {refusal}"));
        } else {
            self.more_refused += 1;
        }
    }

    /// The one line about a transaction; those who were accepted and have no outcome stand alone.
    fn log(mut self, peer: &str, id: &str, message_id: &str, outcomes: &[String]) {
        if self.more_refused > 0 {
            self.refused.push(format!("and {} more refused", self.more_refused));
        }
        let to: Vec<&str> =
            self.accepted.iter().chain(outcomes).chain(&self.refused).map(String::as_str).collect();
        tracing::info!(
            id,
            message_id,
            from = %self.mail_from,
            to = to.join(", "),
            size = self.size,
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            peer,
            "{}",
            if outcomes.is_empty() { "abandoned" } else { "transaction" },
        );
    }
}
