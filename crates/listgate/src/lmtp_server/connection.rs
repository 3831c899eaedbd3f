//! One connection: passes octets between a socket and a [`Session`], and the session's questions to the intake.

use super::foreign::advice;
use super::shared::Shared;
use super::transaction::{Arriving, Ended, Record, Transaction};
use crate::backends::Queued;
use crate::guard::guarded;
use crate::intake::{Arrival, Recipient};
use crate::limits;
use crate::model::Envelope;
use crate::net::{ShutdownPhase, Standing, Stream, reached};
use listgate_lmtp::{Event, ForwardPath, PerRecipient, Refusal, Refused, Sender, Session};
use std::io;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::Sleep;

/// The reply after a panic of ours, which says nothing about the message: the mail server may retry.
const BUG: Refusal = Refusal::new(451, 3, 0, "Requested action aborted: internal error, try again later");
/// The reply to MAIL after a handshake in which a peer that needs a certificate has not shown one. This is an
/// operator's mistake, so the mail server keeps the mail.
const NO_CERTIFICATE: Refusal =
    Refusal::new(451, 7, 1, "Your network is not in server.allow, and you showed no certificate");
const SHUTTING_DOWN: Refusal = Refusal::new(451, 3, 2, "Shutting down, try again later");

/// Serves one connection until either side ends it. If the future is dropped, the transaction in flight is not
/// answered, and its sender keeps the message.
pub(super) async fn run(
    stream: Stream,
    peer: String,
    standing: Standing,
    shared: &Shared,
    phases: watch::Receiver<ShutdownPhase>,
) {
    shared.services().metrics.session_begins();
    let mut session = Session::new(shared.settings.clone());
    match standing {
        Standing::NeedsCertificate => session.require_tls(),
        Standing::Allowed if shared.tls.is_some() && matches!(stream, Stream::Tcp(_)) => {
            session.offer_starttls()
        }
        Standing::Allowed => {}
    }
    let mut connection = Connection {
        stream,
        peer,
        standing,
        shared,
        phases,
        session,
        last_received: Instant::now(),
        alarm: Box::pin(tokio::time::sleep(Duration::MAX)),
        phase: ShutdownPhase::Open,
        draining: None,
        transaction: None,
    };
    loop {
        match connection.talk().await {
            // Boxed, so that a connection without TLS does not take up the memory of a handshake.
            Ok(Next::StartTls) => match Box::pin(connection.start_tls()).await {
                Some(encrypted) => connection = encrypted,
                None => break,
            },
            ended => {
                connection.end(ended).await;
                break;
            }
        }
    }
    shared.services().metrics.session_ends();
}

struct Connection<'s> {
    stream: Stream,
    peer: String,
    standing: Standing,
    shared: &'s Shared,
    phases: watch::Receiver<ShutdownPhase>,
    session: Session<Recipient, Queued>,
    /// When the octets that are being handled arrived.
    last_received: Instant,
    /// A timer that fires at the session's deadline or earlier; if it fires early, it is set again. Deadlines
    /// move with every command, and hardly any is reached.
    alarm: Pin<Box<Sleep>>,
    /// The phase of the gate that the session knows of.
    phase: ShutdownPhase,
    /// When the connection learned that the gate is ending.
    draining: Option<Instant>,
    transaction: Option<Transaction>,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    StartTls,
    Close,
}

impl Connection<'_> {
    /// Serves the connection until it ends, or until TLS starts on it.
    async fn talk(&mut self) -> io::Result<Next> {
        let throttle_after = limits::throttle_after(self.shared.settings.limits.recipients);
        let mut buffer = Vec::with_capacity(limits::READ_BUFFER.0);
        loop {
            let mut input = buffer.as_slice();
            while let Some(event) = self.next(&mut input) {
                let next = self.handle(event).await?;
                if next != Next::More {
                    self.write().await?;
                    return Ok(next);
                }
            }
            self.write().await?;
            // Pause between commands, but not within a message, which is what the session is for.
            if self.session.commands() > throttle_after && !self.session.in_data() {
                let ended = reached(&mut self.phases, ShutdownPhase::Ended);
                let _ = tokio::time::timeout(limits::THROTTLE_PAUSE, ended).await;
            } else if buffer.len() == buffer.capacity() {
                // There is more to read, but let the other sessions run first.
                tokio::task::yield_now().await;
            }
            if !self.read(&mut buffer).await? {
                return Ok(Next::Close);
            }
        }
    }

    /// Starts TLS, and returns the encrypted connection. If the handshake fails, the connection is closed without a reply,
    /// and the result is `None`.
    async fn start_tls(mut self) -> Option<Self> {
        let shared = self.shared;
        let tls = shared.tls.as_ref().expect("STARTTLS is offered only with a certificate");
        let handshake = tokio::select! {
            biased;
            done = tokio::time::timeout(shared.settings.limits.command_timeout, self.stream.with_tls(tls)) => {
                done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            () = reached(&mut self.phases, ShutdownPhase::Ended) => return None,
        };
        shared.services().metrics.handshake(handshake.is_ok());
        match handshake {
            Ok((stream, is_certified)) => {
                let is_trusted = is_certified || self.standing == Standing::Allowed;
                self.session.encrypted(if is_trusted { Ok(()) } else { Err(NO_CERTIFICATE) });
                Some(Self { stream, ..self })
            }
            Err(why) => {
                tracing::warn!(peer = self.peer, "the TLS handshake failed: {why}");
                None
            }
        }
    }

    /// Ends the connection, and the transaction that it leaves behind.
    async fn end(&mut self, ended: io::Result<Next>) {
        if let Err(why) = ended {
            tracing::debug!(peer = self.peer, "connection lost: {why}");
        }
        // The connection ended before the message was complete.
        if self.transaction.is_some() {
            self.abandon();
        }
        self.stream.close().await;
    }

    /// Returns the session's next event from the input, after the session is given the gate's phase.
    fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i, Recipient>> {
        self.apply_phase();
        self.session.next(Instant::now(), input)
    }

    async fn handle(&mut self, event: Event<'_, Recipient>) -> io::Result<Next> {
        match event {
            Event::Mail(sender) => self.mail(sender).await,
            // Boxed, so that an idle connection does not take up the memory that these futures need.
            Event::Recipient(path) => Box::pin(self.recipient(path)).await,
            Event::Body(octets) => self.body(octets).await,
            Event::Complete(to) => Box::pin(self.complete(to)).await,
            Event::Unwanted => self.unwanted(),
            Event::Refused { what, why } => self.refused(what, &why),
            Event::Abandoned => self.abandon(),
            Event::Flush => self.write().await?,
            Event::StartTls => return Ok(Next::StartTls),
            Event::Close => return Ok(Next::Close),
            // Events that a later version of the protocol crate may add need no answer.
            _ => {}
        }
        Ok(Next::More)
    }

    /// Ends the open transaction without a message.
    fn abandon(&mut self) {
        let Transaction { record, .. } = self.end_of_transaction();
        record.end(&Ended::Abandoned { recipients: self.session.recipients() }, &self.peer, self.shared);
    }

    /// Returns the open transaction.
    fn transaction(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("the session says this within a transaction alone")
    }

    /// Takes the open transaction, which is over.
    fn end_of_transaction(&mut self) -> Transaction {
        self.transaction.take().expect("the session ends only an open transaction")
    }

    async fn mail(&mut self, sender: Sender) {
        let intake = &self.shared.intake;
        let lhlo = self.session.peer_name();
        let protocol = self.stream.protocol(sender.smtputf8);
        let begin = async {
            let room = intake.admit(&sender).await?;
            Ok((room, intake.begin(&sender.path, &self.peer, lhlo, protocol)))
        };
        let begun = guarded(pin!(begin)).await;
        match begun.unwrap_or(Err(BUG)) {
            Ok((room, arrival)) => {
                assert!(self.transaction.is_none(), "a session has one transaction at a time");
                self.transaction = Some(Transaction::new(sender, arrival, room, intake.clock.now()));
                self.session.accept_mail();
            }
            Err(refusal) => {
                self.mail_refused(&sender, &refusal);
                self.session.refuse(&refusal);
            }
        }
    }

    fn mail_refused(&self, sender: &Sender, refusal: &Refusal) {
        let from = self.shared.services().named(&sender.path);
        tracing::info!(peer = self.peer, %from, "MAIL refused: {refusal}");
        self.shared.services().metrics.refused("mail", refusal);
    }

    async fn recipient(&mut self, path: ForwardPath) {
        let intake = &self.shared.intake;
        let size = self.transaction().declared_size;
        let decided = guarded(pin!(intake.recipient(path.clone(), size, self.last_received))).await;
        match decided.unwrap_or(Err(BUG)) {
            Ok(recipient) => self.session.accept(recipient),
            Err(refusal) => {
                self.recipient_refused(&path, &refusal);
                self.session.refuse(&refusal);
            }
        }
    }

    fn recipient_refused(&mut self, path: &ForwardPath, refusal: &Refusal) {
        let shared = self.shared;
        self.transaction().record.refuses(path, refusal, shared);
        shared.services().metrics.refused("rcpt", refusal);
    }

    /// Records a refusal that the session made by itself.
    fn refused(&mut self, what: Refused, refusal: &Refusal) {
        match what {
            Refused::Mail(sender) => self.mail_refused(&sender, refusal),
            Refused::Recipient(path) => self.recipient_refused(&path, refusal),
            Refused::Protocol(protocol) => {
                let advice = advice(protocol);
                tracing::warn!(
                    peer = self.peer,
                    "turned away: the peer speaks {protocol}, not LMTP. {advice}"
                );
                self.shared.services().metrics.turned_away("protocol");
            }
            Refused::Message => {
                let Transaction { record, .. } = self.end_of_transaction();
                let recipients = self.session.recipients();
                record.end(&Ended::Refused { recipients, why: refusal }, &self.peer, self.shared);
            }
        }
    }

    fn unwanted(&mut self) {
        self.transaction().drop_message(Arriving::Unwanted);
    }

    async fn body(&mut self, octets: &[u8]) {
        let intake = &self.shared.intake;
        let transaction = self.transaction();
        let come = octets.len() as u64;
        transaction.record.arrived(come);
        let Arriving::Taken(arrival) = &mut transaction.message else { return };
        let room = &mut transaction.room;
        let take = async {
            intake.arrived(room, come).await?;
            arrival.incoming.push(octets).await.map_err(|why| intake.services.unavailable(&why))
        };
        let taken = guarded(pin!(take)).await;
        if let Err(refusal) = taken.unwrap_or(Err(BUG)) {
            self.transaction().drop_message(Arriving::GivenUp(refusal));
        }
    }

    async fn complete(&mut self, mut to: PerRecipient<Recipient>) {
        // The room is held until the outcome.
        let Transaction { record, message, room: _room, .. } = self.end_of_transaction();
        let delivered = match message {
            Arriving::Taken(arrival) => self.deliver(&record, arrival, &mut to).await,
            Arriving::GivenUp(refusal) => Err(refusal),
            Arriving::Unwanted => unreachable!("the session refuses what it does not want by itself"),
        };
        let message_id = delivered.unwrap_or_else(|refusal| {
            to.iter_mut().for_each(|recipient| recipient.outcome = Some(Err(refusal.clone())));
            "-".to_owned()
        });
        let ended = Ended::Decided { recipients: &to, message_id: &message_id };
        record.end(&ended, &self.peer, self.shared);
        self.session.finish(&to.map(Recipient::into_outcome));
        if *self.phases.borrow() != ShutdownPhase::Open {
            self.session.drain();
        }
    }

    /// Stores the message for its recipients, or refuses it once the grace time is over. Even then, either the
    /// whole message is stored or none of it.
    async fn deliver(
        &mut self,
        record: &Record,
        arrival: Arrival,
        to: &mut PerRecipient<Recipient>,
    ) -> Result<String, Refusal> {
        let envelope = Envelope {
            mail_from: record.mail_from.clone(),
            peer: self.peer.clone(),
            lhlo: self.session.peer_name().to_owned(),
            transport: self.stream.transport(),
            received_at: record.received_at,
        };
        let deliver = pin!(self.shared.intake.deliver(envelope, arrival, to));
        tokio::select! {
            biased;
            delivered = guarded(deliver) => delivered.unwrap_or(Err(BUG)),
            () = reached(&mut self.phases, ShutdownPhase::Ended) => Err(SHUTTING_DOWN),
        }
    }

    /// Writes the session's output. Fails if the peer does not read it in time. Once the grace time is over,
    /// writes only what the socket takes at once.
    async fn write(&mut self) -> io::Result<()> {
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        self.shared.services().metrics.replies(output);
        // Usually this is all, and needs no timer.
        let rest = &output[self.stream.write_at_once(output)?..];
        if !rest.is_empty() {
            let written = tokio::select! {
                biased;
                written = tokio::time::timeout(self.shared.services().write_timeout, self.stream.write_out(rest)) => written,
                () = reached(&mut self.phases, ShutdownPhase::Ended) => return Err(io::Error::other("the grace time is over")),
            };
            written.map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its replies")
            })??;
        }
        output.clear();
        Ok(())
    }

    /// Tells the session the gate's phase. Returns whether the phase has changed.
    fn apply_phase(&mut self) -> bool {
        let phase = *self.phases.borrow_and_update();
        match phase {
            ShutdownPhase::Open => {}
            ShutdownPhase::Draining => {
                self.draining.get_or_insert_with(Instant::now);
                if self.patience_ends().is_some_and(|end| end <= Instant::now()) {
                    // Between transactions the session ends now, without waiting for the peer.
                    self.session.drain();
                }
            }
            ShutdownPhase::Ended => self.session.stop(),
        }
        std::mem::replace(&mut self.phase, phase) != phase
    }

    /// Returns until when a session may stay between transactions while the gate is ending; `None` while the gate is open. A
    /// mail server that has just connected or sent a command is about to send mail. A 421 would make it keep that mail for
    /// minutes, and perhaps all other mail for this gate. So it may start one more transaction, if it does so soon.
    fn patience_ends(&self) -> Option<Instant> {
        let (silent, began) = (self.last_received + limits::DRAIN_SILENCE, self.draining?);
        Some(silent.min(began + limits::DRAIN_WAIT))
    }

    /// Waits for octets, for the session's deadline, or for the gate's phase to change. Returns `false` if the
    /// peer has closed the connection.
    async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let (small, large) = limits::READ_BUFFER;
        let filled = buffer.len() == buffer.capacity();
        buffer.clear();
        match (filled, self.session.in_data()) {
            (true, true) => buffer.reserve_exact(large.min(buffer.capacity() * 4)),
            (_, false) if buffer.capacity() > 4 * small => *buffer = Vec::with_capacity(small),
            _ => {}
        }
        if self.apply_phase() {
            return Ok(true);
        }
        // Within a transaction, the end of the patience has no effect, and would wake this up again and again.
        let patience = self.patience_ends().filter(|_| self.transaction.is_none());
        let deadline = self.session.deadline().into_iter().chain(patience).min();
        let deadline = deadline.map(tokio::time::Instant::from_std);
        if let Some(at) = deadline
            && (at < self.alarm.deadline() || self.alarm.is_elapsed())
        {
            self.alarm.as_mut().reset(at);
        }
        tokio::select! {
            biased;
            read = self.stream.read_buf(buffer) => {
                self.last_received = Instant::now();
                Ok(read? > 0)
            }
            () = self.alarm.as_mut(), if deadline.is_some() => Ok(true),
            // The next call reads the new phase.
            _ = self.phases.changed() => Ok(true),
        }
    }
}
