//! The server's half of a session (RFC 2033; RFC 5321 section 4.1).

mod event;
mod replies;
mod settings;

use crate::command::{self, Command, Sender};
use crate::data::{DataReader, Piece};
use crate::limits;
use crate::line::LineReader;
use crate::mailbox::ForwardPath;
use crate::per_recipient::PerRecipient;
use crate::reply::Refusal;
pub use event::{Event, Refused};
use replies::Replies;
pub use settings::{BareNewline, Settings};
use std::{fmt, marker::PhantomData, sync::Arc, time::Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// LHLO has not been said.
    Greeting,
    /// Between transactions.
    Idle,
    /// MAIL was accepted; RCPT or DATA may follow.
    Envelope,
    Data,
    AskedMail,
    AskedRecipient,
    AskedOutcomes,
    Closed,
}

/// A server's session: octets in, events out, answers in, octets out. It reads no clock and does no
/// I/O.
///
/// `R` is what the caller holds for an accepted recipient, `P` the proof that a 250 after the data
/// needs. Its text follows `Ok: ` in the reply, so a proof says what became of the mail, such as
/// `queued as 3f2a-1`.
#[derive(Debug)]
pub struct Session<R, P> {
    settings: Arc<Settings>,
    state: State,
    lines: LineReader,
    data: DataReader,
    peer_name: String,
    accepted: Vec<R>,
    /// Numbers the transactions, so that outcomes cannot be those of another.
    transaction: u64,
    /// Octets of the message so far.
    received: u64,
    /// The message is refused before its end: the rest is read and forgotten.
    refused: bool,
    /// How many outcomes [`Event::Complete`] asked for.
    owed: usize,
    /// The last MAIL failed, so what was pipelined behind it fails too, and is not counted.
    mail_failed: bool,
    errors: u32,
    /// Commands since the last whole message.
    commands: u32,
    /// Of these, the ones about no mail since the last that was.
    idle_commands: u32,
    /// When the present wait ends; `None` until the wait has been seen to begin.
    wait_until: Option<Instant>,
    transaction_until: Option<Instant>,
    draining: bool,
    stopped: bool,
    replies: Replies,
    proof: PhantomData<fn(P)>,
}

impl<R, P: fmt::Display> Session<R, P> {
    /// A session with its greeting waiting in [`output`](Self::output).
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            replies: Replies::greeting(&settings),
            settings,
            state: State::Greeting,
            lines: LineReader::new(limits::COMMAND_LINE),
            data: DataReader::new(),
            peer_name: String::new(),
            accepted: Vec::new(),
            transaction: 0,
            received: 0,
            refused: false,
            owed: 0,
            mail_failed: false,
            errors: 0,
            commands: 0,
            idle_commands: 0,
            wait_until: None,
            transaction_until: None,
            draining: false,
            stopped: false,
            proof: PhantomData,
        }
    }

    /// The next event out of `input`, which loses what was read. `None`: `input` is used up; write the
    /// output, then come back with more input, or with none when [`deadline`](Self::deadline) has
    /// passed. No octet of `input` has to be kept: an unfinished line is remembered, up to its bound.
    ///
    /// `now` never runs backwards. A wait for the peer begins with the call that gives `None`, so the
    /// caller's own time is not the peer's; only the whole transaction's time runs on.
    ///
    /// # Panics
    /// When the last event asked something and has not been answered.
    pub fn next<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<Event<'i, R>> {
        assert!(!self.asked(), "an event that asks is answered before the next");
        loop {
            // Before the next wait begins: the time it takes to write is not the peer's.
            if self.replies.take_flush() {
                return Some(Event::Flush);
            }
            if let Some(event) = self.ending(now) {
                return Some(event);
            }
            let event = match self.state {
                State::Closed => return None,
                State::Data => self.next_data(input)?,
                _ => {
                    let line = self.lines.next(input)?;
                    self.wait_until = None;
                    self.command(now, line.as_deref().ok())
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// When to call [`next`](Self::next) although nothing arrived: the session will end with 421 (RFC
    /// 5321 section 4.5.3.2.7). To be asked after `next` gave `None`. `None` while the session waits
    /// for its caller and not for its peer, and when it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = !self.asked() && self.state != State::Closed;
        let earliest = [self.wait_until, self.transaction_until].into_iter().flatten().min();
        earliest.filter(|_| waiting)
    }

    /// What is to be written: whole reply lines. The caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.replies.lines()
    }

    /// The name the peer gave with LHLO, printable and at most [`limits::COMMAND_LINE`] octets; empty
    /// before. Nobody has checked it.
    pub fn peer_name(&self) -> &str {
        &self.peer_name
    }

    /// Whether the session waits for data, and not for a command: between the reply 354 and the final
    /// dot.
    pub fn in_data(&self) -> bool {
        self.state == State::Data
    }

    /// The recipients accepted in the open transaction. After [`Event::Abandoned`] and a refused message, those of
    /// the transaction that ended, until the next MAIL is accepted. None after [`Event::Complete`], which gave them.
    pub fn recipients(&self) -> &[R] {
        &self.accepted
    }

    /// How many commands there were since the last whole message.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Ends the session with 421 as soon as no transaction is open (RFC 5321 section 3.8). Call
    /// [`next`](Self::next) afterwards, with or without input.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the session with 421 whatever is open. Call [`next`](Self::next) afterwards, with or without
    /// input: none of it is looked at.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Answers [`Event::Mail`] with 250: a transaction is open.
    ///
    /// # Panics
    /// When that is not what was asked.
    pub fn accept_mail(&mut self) {
        assert_eq!(self.state, State::AskedMail);
        self.state = State::Envelope;
        self.accepted.clear();
        self.transaction += 1;
        self.replies.add(250, (1, 0), "Sender ok");
    }

    /// Answers [`Event::Recipient`] with 250; `recipient` comes back in [`Event::Complete`].
    ///
    /// # Panics
    /// When that is not what was asked.
    pub fn accept(&mut self, recipient: R) {
        assert_eq!(self.state, State::AskedRecipient);
        self.state = State::Envelope;
        self.idle_commands = 0;
        self.accepted.push(recipient);
        self.replies.add(250, (1, 5), "Recipient ok");
    }

    /// Answers [`Event::Mail`] or [`Event::Recipient`] with a refusal. It does not count as an error
    /// of the peer, nor does what the peer pipelined behind a refused MAIL.
    ///
    /// # Panics
    /// When neither was asked.
    pub fn refuse(&mut self, why: &Refusal) {
        match self.state {
            State::AskedMail => {
                self.reset();
                self.mail_failed = true;
            }
            State::AskedRecipient => self.state = State::Envelope,
            other => panic!("refuse answers MAIL or RCPT, and the session is at {other:?}"),
        }
        self.replies.refuse(why);
    }

    /// Answers [`Event::Complete`]: one reply for each recipient, in order. The only writer of a 250
    /// after the data, and it takes a proof for each.
    ///
    /// # Panics
    /// When that is not what was asked, or `outcomes` are those of another transaction.
    pub fn finish(&mut self, outcomes: &PerRecipient<Result<P, Refusal>>) {
        assert_eq!(self.state, State::AskedOutcomes);
        assert_eq!(self.transaction, outcomes.transaction(), "outcomes of another transaction");
        assert_eq!(self.owed, outcomes.iter().len(), "a transaction's length does not change");
        self.replies.outcomes(outcomes);
        self.reset();
    }

    /// Answers [`Event::Complete`] with the same refusal for every recipient, one reply each.
    ///
    /// # Panics
    /// When that is not what was asked.
    pub fn fail(&mut self, why: &Refusal) {
        assert_eq!(self.state, State::AskedOutcomes);
        self.replies.refuse_each(self.owed, why);
        self.reset();
    }

    fn asked(&self) -> bool {
        matches!(self.state, State::AskedMail | State::AskedRecipient | State::AskedOutcomes)
    }

    /// Ends the session for time or shutdown; begins the wait where none has begun.
    fn ending<'i>(&mut self, now: Instant) -> Option<Event<'i, R>> {
        if self.state == State::Closed {
            return None;
        }
        let between_transactions = matches!(self.state, State::Greeting | State::Idle);
        if self.stopped || (self.draining && between_transactions) {
            return Some(self.close(&Refusal::new(421, 3, 2, "Shutting down, try again later")));
        }
        let limits = &self.settings.limits;
        let timeout = if self.in_data() { limits.data_timeout } else { limits.command_timeout };
        // A timeout that no clock can reach is none.
        self.wait_until = self.wait_until.or_else(|| now.checked_add(timeout));
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Some(self.close(&Refusal::new(421, 4, 2, "Timeout, closing")));
        }
        None
    }

    fn close<'i>(&mut self, why: &Refusal) -> Event<'i, R> {
        self.replies.refuse(why);
        self.closed()
    }

    fn closed<'i>(&mut self) -> Event<'i, R> {
        self.state = State::Closed;
        // The caller writes the output before it closes; a flush of its own would say the same twice.
        self.replies.take_flush();
        Event::Close
    }

    /// Forgets the transaction; the session is ready for the next.
    fn reset(&mut self) {
        self.state = State::Idle;
        self.refused = false;
        self.mail_failed = false;
        self.received = 0;
        self.transaction_until = None;
        self.wait_until = None;
    }

    /// `None` for `line`: it was too long.
    fn command<'i>(&mut self, now: Instant, line: Option<&[u8]>) -> Option<Event<'i, R>> {
        let limits = &self.settings.limits;
        self.commands += 1;
        let parsed = match line {
            Some(line) => command::parse(line),
            None => Err(Refusal::new(500, 5, 2, "Command line too long")),
        };
        let too_many = self.commands > limits.commands || self.idle_commands >= limits.idle_commands;
        // Whoever goes by itself need not be told to.
        if too_many && parsed != Ok(Command::Quit) {
            let why = Refusal::new(421, 7, 0, "Too many commands without a message, closing");
            return Some(self.close(&why));
        }
        match parsed {
            Ok(Command::Mail(sender)) => self.mail(now, sender),
            Ok(Command::Rcpt(path)) => self.rcpt(path),
            Ok(Command::Rset) => self.rset(),
            Ok(Command::Lhlo(name)) => self.lhlo(name),
            Ok(Command::Quit) => {
                self.replies.add(221, (0, 0), "Bye");
                Some(self.closed())
            }
            Ok(Command::Data) => self.begin_data(),
            Ok(Command::Noop) => self.informed(250, (0, 0), "Ok"),
            Ok(Command::Vrfy) => self.informed(252, (0, 0), "Not verified; RCPT tells"),
            Ok(Command::Help) => {
                self.informed(214, (0, 0), "LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 2033)")
            }
            Err(refusal) => {
                // A line that was too long to keep may have been a MAIL.
                let was_mail = line.is_none_or(command::is_mail);
                self.mail_failed |= was_mail && self.state != State::Envelope;
                self.error(&refusal)
            }
        }
    }

    fn informed<'i>(&mut self, code: u16, enhanced: (u16, u16), text: &str) -> Option<Event<'i, R>> {
        self.idle_commands += 1;
        self.replies.add_now(code, enhanced, text);
        None
    }

    /// Refuses a command; too many that were the peer's own mistake end the session.
    fn error<'i>(&mut self, why: &Refusal) -> Option<Event<'i, R>> {
        self.decline(why);
        if matches!(why.code(), 500 | 501 | 503 | 555) {
            self.errors += 1;
            if self.errors >= self.settings.limits.errors {
                return Some(self.close(&Refusal::new(421, 7, 0, "Too many errors, closing")));
            }
        }
        None
    }

    /// Refuses a command that is no mistake: its sender pipelined it, and could not know better.
    fn decline(&mut self, why: &Refusal) {
        self.replies.refuse_now(why);
    }

    /// Refuses RCPT or DATA outside a transaction. Behind a MAIL that failed it is no mistake.
    fn without_mail<'i>(&mut self, text: &'static str) -> Option<Event<'i, R>> {
        let refusal = Refusal::new(503, 5, 1, text);
        if !self.mail_failed {
            return self.error(&refusal);
        }
        self.decline(&refusal);
        None
    }

    /// A second LHLO is also a RSET (RFC 5321 section 4.1.4).
    fn lhlo<'i>(&mut self, name: &str) -> Option<Event<'i, R>> {
        let open = self.state == State::Envelope;
        self.idle_commands += 1;
        name.clone_into(&mut self.peer_name);
        self.reset();
        self.replies.capabilities(&self.settings);
        open.then_some(Event::Abandoned)
    }

    fn rset<'i>(&mut self) -> Option<Event<'i, R>> {
        let open = self.state == State::Envelope;
        if open {
            self.reset();
        }
        self.mail_failed = false;
        self.replies.add(250, (0, 0), "Ok");
        open.then_some(Event::Abandoned)
    }

    fn mail<'i>(&mut self, now: Instant, sender: Sender) -> Option<Event<'i, R>> {
        let limits = &self.settings.limits;
        let refusal = match self.state {
            State::Greeting => {
                self.mail_failed = true;
                Refusal::new(503, 5, 1, "Say LHLO first")
            }
            State::Envelope => Refusal::new(503, 5, 1, "A transaction is open: RSET ends it"),
            _ if sender.size > Some(limits.message_size) => {
                self.mail_failed = true;
                return Some(self.refuses(Refused::Mail(sender), too_large()));
            }
            _ => {
                self.mail_failed = false;
                self.idle_commands = 0;
                self.transaction_until = now.checked_add(limits.transaction_timeout);
                self.state = State::AskedMail;
                return Some(Event::Mail(sender));
            }
        };
        self.error(&refusal)
    }

    fn rcpt<'i>(&mut self, path: ForwardPath) -> Option<Event<'i, R>> {
        if self.state != State::Envelope {
            return self.without_mail("Say MAIL first");
        }
        if self.accepted.len() >= self.settings.limits.recipients {
            let why = Refusal::new(452, 5, 3, "Too many recipients; send the rest in another transaction");
            return Some(self.refuses(Refused::Recipient(path), why));
        }
        self.state = State::AskedRecipient;
        Some(Event::Recipient(path))
    }

    fn refuses<'i>(&mut self, what: Refused, why: Refusal) -> Event<'i, R> {
        self.replies.refuse(&why);
        Event::Refused { what, why }
    }

    fn begin_data<'i>(&mut self) -> Option<Event<'i, R>> {
        match self.state {
            State::Envelope if !self.accepted.is_empty() => {
                self.state = State::Data;
                self.idle_commands = 0;
                self.data = DataReader::new();
                self.replies.go_ahead();
                None
            }
            // A client that pipelines cannot know that all its recipients were refused.
            State::Envelope => {
                self.decline(&Refusal::new(503, 5, 1, "No valid recipients"));
                None
            }
            _ => self.without_mail("Say MAIL and RCPT first"),
        }
    }

    /// The outer `None`: the input is used up. The inner one: look again.
    fn next_data<'i>(&mut self, input: &mut &'i [u8]) -> Option<Option<Event<'i, R>>> {
        let piece = self.data.next(input)?;
        // The next wait begins when the caller comes back for more: its own time is not the peer's.
        self.wait_until = None;
        Some(match piece {
            Piece::Text(text) => self.text(text),
            Piece::End => {
                self.commands = 0;
                self.end_of_data()
            }
        })
    }

    fn text<'i>(&mut self, text: &'i [u8]) -> Option<Event<'i, R>> {
        self.received += text.len() as u64;
        if self.refused {
            return None;
        }
        self.refused = self.fault().is_some();
        Some(if self.refused { Event::Unwanted } else { Event::Body(text) })
    }

    /// Why the message as far as it is known cannot be taken. Asked again at its end, so that the
    /// reply to a message with both faults does not depend on the pieces it came in.
    fn fault(&self) -> Option<Refusal> {
        if self.received > self.settings.limits.message_size {
            return Some(too_large());
        }
        let rejected = self.data.bare_newline() && self.settings.bare_newline == BareNewline::Reject;
        rejected.then(|| Refusal::new(554, 6, 0, "Bare CR or LF in the message"))
    }

    fn end_of_data<'i>(&mut self) -> Option<Event<'i, R>> {
        self.state = State::AskedOutcomes;
        self.transaction_until = None;
        self.wait_until = None;
        self.owed = self.accepted.len();
        match self.fault() {
            Some(why) => {
                self.fail(&why);
                Some(Event::Refused { what: Refused::Message, why })
            }
            None => {
                let accepted = std::mem::take(&mut self.accepted);
                Some(Event::Complete(PerRecipient::new(self.transaction, accepted)))
            }
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(552, 3, 4, "Message too large")
}
