//! The load generator: many sessions with an LMTP server, on one thread.
//!
//! A reply and the next command are one read and one write, without a timer or a task in between, so that the
//! server is what is measured, even if both share two cores.

pub(crate) mod mail;
mod pace;
mod report;
mod session;

use crate::limits;
use crate::net::ListenAddress;
use listgate_lmtp::{ClientEvent, Closed, Declared, Reply, Transaction};
use mail::Mail;
pub(crate) use pace::Until;
use pace::{Due, Pace};
use report::MessageOutcome;
pub(crate) use report::Report;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use session::Session;
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The settings of a run.
pub(crate) struct Plan {
    pub(crate) server: ListenAddress,
    pub(crate) sessions: usize,
    pub(crate) until: Until,
    pub(crate) mail: Mail,
    /// Messages per second; `None` sends each as soon as a session is free.
    pub(crate) rate: Option<f64>,
    /// Whether commands are sent together, if the server announces PIPELINING (RFC 2920).
    pub(crate) pipelining: bool,
    /// Whether a connection is used for more than one message.
    pub(crate) reuse: bool,
}

/// The reason a run cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{0} is not an address of this machine; --allow-remote sends all this mail there")]
    Remote(ListenAddress),
    #[error("cannot connect to {0} (is a server listening there?)")]
    Connect(ListenAddress, #[source] io::Error),
    #[error("{0} ended a session before it took any mail")]
    Unwilling(ListenAddress, #[source] Option<Ending>),
    #[error("{0}: {1}")]
    NoLmtp(ListenAddress, Closed),
    #[error("{0} has not answered for {time} s", time = limits::BENCH_SILENCE.as_secs())]
    Silent(ListenAddress),
    #[error("cannot wait for replies")]
    Wait(#[from] Errno),
}

/// The way a session ended prematurely, if the server did not just close it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    #[error(transparent)]
    Lost(#[from] io::Error),
    #[error("{0}")]
    Refused(Reply),
}

/// The interval between two reports of the progress.
const TICK: Duration = Duration::from_millis(100);

/// Returns whether a server is on this machine: at a Unix socket, or at an address that this machine could listen
/// on.
pub(crate) fn is_local(server: &ListenAddress) -> bool {
    match server {
        ListenAddress::Tcp(address) => UdpSocket::bind((address.ip(), 0)).is_ok(),
        ListenAddress::Unix(_) => true,
    }
}

/// Sends all messages. Calls `progress` at intervals with the number of messages started and the time since the
/// first. The report is accurate for the part of the run that was completed.
pub(crate) fn run(plan: &Plan, progress: impl FnMut(u64, Duration)) -> (Report, Result<(), BenchError>) {
    let report = Report::new(plan.mail.letters.iter().map(|letter| letter.size));
    let epoll = match epoll::create(epoll::CreateFlags::CLOEXEC) {
        Ok(epoll) => epoll,
        Err(why) => return (report, Err(why.into())),
    };
    let slots = (0..plan.sessions).map(|_| Slot::default()).collect();
    let now = Instant::now();
    let mut run = Run {
        plan,
        epoll,
        slots,
        idle: VecDeque::new(),
        pace: Pace::new(plan.until, plan.rate, now),
        started: None,
        last_received: now,
        report,
        buffer: vec![0; 16 << 10],
    };
    let done = run.go(progress);
    run.report.elapsed =
        run.started.map_or(Duration::ZERO, |started| run.last_received.duration_since(started));
    (run.report, done)
}

/// A place for one session at a time.
#[derive(Default)]
struct Slot {
    session: Option<Session>,
    message: Option<Message>,
    /// Whether its last session ended without taking any mail.
    took_no_mail: bool,
}

/// A message that was started and is not finished.
struct Message {
    number: u64,
    letter: usize,
    since: Instant,
    /// Whether MAIL was sent.
    sent: bool,
    refused: bool,
}

struct Run<'p> {
    plan: &'p Plan,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    /// Slots that are free to start a message.
    idle: VecDeque<usize>,
    pace: Pace,
    started: Option<Instant>,
    /// When the server last sent something.
    last_received: Instant,
    report: Report,
    buffer: Vec<u8>,
}

impl Run<'_> {
    fn go(&mut self, mut progress: impl FnMut(u64, Duration)) -> Result<(), BenchError> {
        for index in 0..self.slots.len() {
            if self.plan.reuse { self.open(index)? } else { self.idle.push_back(index) }
        }
        let mut events = Vec::with_capacity(self.slots.len());
        let mut last_progress = Instant::now();
        loop {
            let next = self.begin_due()?;
            if next == Due::Over && self.slots.iter().all(|slot| slot.message.is_none()) {
                self.quit();
                return Ok(());
            }
            self.wait(&mut events, &next)?;
            for event in events.drain(..) {
                let epoll::Event { data, .. } = event;
                self.serve(data.u64() as usize)?;
                self.begin_due()?;
            }
            let now = Instant::now();
            if now - last_progress >= TICK {
                last_progress = now;
                progress(self.pace.begun(), self.started.map_or(Duration::ZERO, |started| now - started));
                let waits = self.started.is_none() || self.slots.iter().any(|slot| slot.message.is_some());
                if waits && now - self.last_received >= limits::BENCH_SILENCE {
                    return Err(BenchError::Silent(self.plan.server.clone()));
                }
            }
        }
    }

    /// Starts the messages that are due while sessions are free, and returns what comes next. The clock starts when
    /// all sessions are open, or with the first connection if each takes one message.
    fn begin_due(&mut self) -> Result<Due, BenchError> {
        let now = Instant::now();
        if self.started.is_none() {
            if self.idle.len() < self.slots.len() {
                return Ok(Due::At(now + TICK));
            }
            self.started = Some(now);
            self.pace = Pace::new(self.plan.until, self.plan.rate, now);
        }
        while let Some(&index) = self.idle.front() {
            match self.pace.next(now) {
                Due::Now { number, since } => {
                    self.idle.pop_front();
                    self.begin(index, number, since)?;
                }
                other => return Ok(other),
            }
        }
        // A session has to become free first. Then the caller checks again whether the run is over.
        Ok(Due::At(now + TICK))
    }

    fn begin(&mut self, index: usize, number: u64, since: Instant) -> Result<(), BenchError> {
        let letter = self.plan.mail.letter_of(number);
        let message = Message { number, letter, since, sent: false, refused: false };
        self.slots[index].message = Some(message);
        if self.slots[index].session.is_none() {
            return self.open(index);
        }
        self.say_mail(index);
        self.flush(index)
    }

    fn open(&mut self, index: usize) -> Result<(), BenchError> {
        let server = &self.plan.server;
        let session = Session::open(server, self.plan.pipelining, &self.epoll, index)
            .map_err(|why| BenchError::Connect(server.clone(), why))?;
        self.slots[index].session = Some(session);
        Ok(())
    }

    /// Sends the message of a slot whose session is ready.
    fn say_mail(&mut self, index: usize) {
        let Slot { session: Some(session), message: Some(message), .. } = &mut self.slots[index] else {
            return;
        };
        message.sent = true;
        let mail = &self.plan.mail;
        let size = mail.letters[message.letter].size as u64;
        let declared = Declared { size: Some(size), ..Declared::default() };
        session.client.send(&Transaction::new(&mail.from, &mail.to.of(message.number), declared));
    }

    fn flush(&mut self, index: usize) -> Result<(), BenchError> {
        let Some(session) = &mut self.slots[index].session else { return Ok(()) };
        match session.flush(&self.plan.mail) {
            Ok(()) => Ok(()),
            Err(why) => self.lost(index, Some(why.into())),
        }
    }

    /// Waits until a session is readable or writable, but not beyond the time of `next`.
    fn wait(&mut self, events: &mut Vec<epoll::Event>, next: &Due) -> Result<(), BenchError> {
        let mut timeout = TICK;
        if let Due::At(at) = next {
            timeout = timeout.min(at.saturating_duration_since(Instant::now()));
        }
        let limit = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // epoll_wait counts milliseconds, which is too coarse for a rate. A poll of the epoll descriptor is more
        // precise.
        let limit = if self.plan.rate.is_some() && timeout < TICK {
            let mut epoll = [PollFd::new(&self.epoll, PollFlags::IN)];
            interrupted(poll(&mut epoll, Some(&limit)))?;
            zero
        } else {
            limit
        };
        interrupted(epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&limit)))?;
        Ok(())
    }

    /// Reads the input of a session, responds to it, and writes.
    fn serve(&mut self, index: usize) -> Result<(), BenchError> {
        loop {
            let Some(session) = &mut self.slots[index].session else { return Ok(()) };
            let read = match session.read(&mut self.buffer) {
                Ok(Some(0)) => return self.lost(index, None),
                Ok(Some(len)) => len,
                Ok(None) => return self.flush(index),
                Err(why) => return self.lost(index, Some(why.into())),
            };
            self.last_received = Instant::now();
            let buffer = std::mem::take(&mut self.buffer);
            let answered = self.answer(index, &buffer[..read]);
            self.buffer = buffer;
            answered?;
            // A read that did not fill the buffer left nothing behind. Newer input triggers a new event.
            if read < self.buffer.len() {
                return self.flush(index);
            }
        }
    }

    fn answer(&mut self, index: usize, mut octets: &[u8]) -> Result<(), BenchError> {
        loop {
            let Slot { session: Some(session), message, .. } = &mut self.slots[index] else { return Ok(()) };
            let Some(event) = session.client.next(&mut octets) else { return Ok(()) };
            match event {
                ClientEvent::Ready => self.ready(index),
                ClientEvent::SendBody { .. } => {
                    let message = message.as_ref().expect("what is awaited is a message's body");
                    session.send_body(self.plan.mail.head_of(message.number), message.letter);
                }
                ClientEvent::Outcome { reply, .. } => {
                    self.report.reply(reply.code);
                    let message = message.as_mut().expect("an outcome is a message's");
                    message.refused |= !reply.is_positive();
                }
                ClientEvent::Closed { why: Closed::Quit, .. } => self.closed(index),
                ClientEvent::Closed { why: Closed::Refused { reply, .. }, .. } => {
                    self.report.reply(reply.code);
                    if let Some(message) = message {
                        message.refused = true;
                    }
                    return self.lost(index, Some(Ending::Refused(reply)));
                }
                ClientEvent::StartTls | ClientEvent::Refused { .. } => {
                    unreachable!("neither TLS nor a login was asked for")
                }
                ClientEvent::Closed { why, .. } => {
                    return Err(BenchError::NoLmtp(self.plan.server.clone(), why));
                }
            }
        }
    }

    /// Handles a session that is ready for its first transaction, or has completed one.
    fn ready(&mut self, index: usize) {
        match &self.slots[index].message {
            Some(message) if !message.sent => self.say_mail(index),
            Some(_) => {
                self.over(index);
                match &mut self.slots[index].session {
                    Some(session) if !self.plan.reuse => session.client.quit(),
                    _ => self.idle.push_back(index),
                }
            }
            None => self.idle.push_back(index),
        }
    }

    /// Finishes a slot's message, which has all its replies.
    fn over(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(message) = slot.message.take() else { return };
        slot.took_no_mail = false;
        if let Some(session) = &mut slot.session {
            session.messages += 1;
        }
        let outcome = if message.refused {
            MessageOutcome::Refused
        } else {
            MessageOutcome::Accepted(self.last_received - message.since)
        };
        self.report.message(message.letter, outcome);
    }

    /// Handles a session that has ended after QUIT.
    fn closed(&mut self, index: usize) {
        self.slots[index].session = None;
        self.idle.push_back(index);
    }

    /// Handles a session that has ended prematurely. A server that takes no mail at all is tried only once more: a
    /// server that is dying may accept a connection after it has ended the others, and then refuse the next.
    fn lost(&mut self, index: usize, why: Option<Ending>) -> Result<(), BenchError> {
        let slot = &mut self.slots[index];
        let Some(session) = slot.session.take() else { return Ok(()) };
        match slot.message.take() {
            Some(message) => {
                let outcome =
                    if message.refused { MessageOutcome::Refused } else { MessageOutcome::Unanswered };
                self.report.message(message.letter, outcome);
            }
            // Some servers close the connection without a reply to QUIT.
            None if !self.plan.reuse => {}
            None if session.messages == 0 && slot.took_no_mail => {
                return Err(BenchError::Unwilling(self.plan.server.clone(), why));
            }
            None => slot.took_no_mail = session.messages == 0,
        }
        if self.plan.reuse {
            return self.open(index);
        }
        self.idle.push_back(index);
        Ok(())
    }

    /// Sends QUIT in the idle sessions, and does not wait for the replies.
    fn quit(&mut self) {
        for &index in &self.idle {
            if let Some(session) = &mut self.slots[index].session {
                session.client.quit();
                // The mail has been answered, and the connection ends whether or not this fails.
                let _ = session.flush(&self.plan.mail);
            }
        }
    }
}

/// Ignores that a signal cut a wait short.
fn interrupted<T>(waited: Result<T, Errno>) -> Result<(), Errno> {
    match waited {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(why) => Err(why),
    }
}
