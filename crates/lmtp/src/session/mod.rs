//! The server's side of a session (RFC 2033; RFC 5321 section 4.1).

mod counts;
mod event;
mod input;
mod message;
mod replies;
mod settings;
mod state;
mod tls;

use crate::command::{self, Command, Sender};
use crate::foreign::ForeignProtocol;
use crate::mailbox::ForwardPath;
use crate::per_recipient::PerRecipient;
use crate::reply::Refusal;
use counts::Counts;
pub use event::{Event, Refused};
use input::{Heard, Input};
use message::{Message, Part, too_large};
use replies::Replies;
pub use settings::{BareNewline, Settings};
use state::{State, Transaction};
use std::{fmt, marker::PhantomData, sync::Arc, time::Instant};
use tls::{Admission, Tls, starttls_refusal};

/// The result of looking at the input.
enum Step<'i, R> {
    /// The input is used up.
    NeedInput,
    /// Something was read that does not concern the caller: continue.
    Again,
    /// There is an event for the caller.
    Emit(Event<'i, R>),
}

/// A server's session: octets and answers in, events and replies out. It reads no clock and does no I/O.
///
/// `R` is what the caller keeps for an accepted recipient, and `P` is the proof required for a 250 after the data.
/// Its text follows `Ok: ` in the reply, so a proof states what became of the mail, such as `queued as 3f2a-1`.
#[derive(Debug)]
pub struct Session<R, P> {
    settings: Arc<Settings>,
    state: State<R>,
    input: Input,
    replies: Replies,
    peer_name: String,
    /// The number of the transaction, so that outcomes of another one are detected.
    transaction: u64,
    /// The recipients of the last transaction, if it ended before [`Event::Complete`]; kept until the next
    /// MAIL is accepted.
    last_recipients: Vec<R>,
    counts: Counts,
    /// When the current wait ends; `None` until a wait has started.
    wait_until: Option<Instant>,
    draining: bool,
    stopped: bool,
    tls: Tls,
    admission: Admission,
    proof: PhantomData<fn(P)>,
}

impl<R, P: fmt::Display> Session<R, P> {
    /// Returns a session whose greeting is ready in [`output`](Self::output).
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            replies: Replies::greeting(&settings),
            settings,
            state: State::Greeting { mail_failed: false },
            input: Input::new(),
            peer_name: String::new(),
            transaction: 0,
            last_recipients: Vec::new(),
            counts: Counts::default(),
            wait_until: None,
            draining: false,
            stopped: false,
            tls: Tls::NotOffered,
            admission: Admission::Open,
            proof: PhantomData,
        }
    }

    /// Returns the next event from `input`, and removes what was read from it. `None` means that `input` is used up:
    /// write the output, then call again with more input, or with none when [`deadline`](Self::deadline) has passed.
    /// The caller need not keep any octet of `input`: the session stores an incomplete line, up to the limit.
    ///
    /// `now` must never run backwards. A wait for the peer starts with the call that returns `None`, so it
    /// does not include time spent by the caller; only the time limit of the whole transaction does.
    ///
    /// # Panics
    /// If the last event needs an answer and has not had one.
    pub fn next<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<Event<'i, R>> {
        assert!(!self.state.is_asking(), "an event that asks is answered before the next");
        loop {
            // Flush before the next wait starts, which must not include the time it takes to write.
            if self.replies.take_flush() {
                return Some(Event::Flush);
            }
            if let Some(event) = self.end_if_due(now) {
                return Some(event);
            }
            let step = match &self.state {
                State::Closed => return None,
                State::Refused => Step::Emit(self.closed()),
                State::Data(..) => self.next_data(input),
                _ => self.next_command(now, input),
            };
            match step {
                Step::NeedInput => return None,
                Step::Again => {}
                Step::Emit(event) => return Some(event),
            }
        }
    }

    /// Returns when to call [`next`](Self::next) even if no input has arrived: the session then ends with 421
    /// (RFC 5321 section 4.5.3.2.7), or answers a line that ends in a bare LF. Call this after `next` has returned `None`. It returns `None` while the
    /// session waits for its caller instead of its peer, and when it is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.state.is_asking() || self.state.is_over() {
            return None;
        }
        [self.ends_at(), self.input.quiet_until()].into_iter().flatten().min()
    }

    /// Returns when the peer's time is up.
    fn ends_at(&self) -> Option<Instant> {
        let transaction = self.state.transaction().and_then(|open| open.until);
        [self.wait_until, transaction].into_iter().flatten().min()
    }

    /// Returns the buffer of whole reply lines to be written. The caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.replies.lines()
    }

    /// Returns the name that the peer gave with LHLO, printable and at most [`COMMAND_LINE`](crate::limits::COMMAND_LINE)
    /// octets long; empty before LHLO. The name is not verified, and may have UTF-8.
    pub fn peer_name(&self) -> &str {
        &self.peer_name
    }

    /// Returns whether the session waits for data instead of a command: between the reply 354 and the final dot.
    pub fn in_data(&self) -> bool {
        matches!(self.state, State::Data(..))
    }

    /// Returns the recipients accepted in the open transaction. After [`Event::Abandoned`] or a refused
    /// message, these are the recipients of the transaction that ended, until the next MAIL is accepted.
    /// After [`Event::Complete`], which contains them, there are none.
    pub fn recipients(&self) -> &[R] {
        self.state.transaction().map_or(&self.last_recipients, |open| &open.accepted)
    }

    /// Returns the number of commands since the last whole message.
    pub fn commands(&self) -> u32 {
        self.counts.commands()
    }

    /// Ends the session with 421 as soon as no transaction is open (RFC 5321 section 3.8). Call
    /// [`next`](Self::next) afterwards, with or without input.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the session with 421 even if a transaction is open. Call [`next`](Self::next) afterwards, with or
    /// without input: it reads none.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Announces and accepts STARTTLS (RFC 3207). Call this before the first [`next`](Self::next), if the caller has
    /// a certificate.
    pub fn offer_starttls(&mut self) {
        self.tls = Tls::Offered;
    }

    /// Does what [`offer_starttls`](Self::offer_starttls) does, and answers MAIL and VRFY with 451 until the caller
    /// has called [`encrypted`](Self::encrypted). RFC 3207 section 4 recommends 530, which would make a mail server
    /// return the mail; it should keep it until its configuration is fixed.
    pub fn require_tls(&mut self) {
        self.offer_starttls();
        self.admission = Admission::NeedsTls;
    }

    /// Answers [`Event::StartTls`] after the handshake: from now on, input and output are what TLS protects. The
    /// session forgets all that the peer has said, except the counts of its commands and mistakes, and waits for
    /// another LHLO, without a greeting (RFC 3207 section 4.2). `trusted` is `Err` if the peer may not send mail, for
    /// example because it has no acceptable certificate; MAIL and VRFY then get this refusal.
    ///
    /// # Panics
    /// If no such event awaits an answer, or if the output has not been written before the handshake.
    pub fn encrypted(&mut self, trusted: Result<(), Refusal>) {
        assert!(matches!(self.state, State::AskedTls), "encrypted answers STARTTLS");
        assert!(self.replies.lines().is_empty(), "the reply to STARTTLS precedes the handshake");
        self.state = State::Greeting { mail_failed: false };
        self.tls = Tls::InUse;
        self.admission = trusted.map_or_else(Admission::Refused, |()| Admission::Open);
        self.peer_name.clear();
        self.last_recipients.clear();
    }

    /// Answers [`Event::Mail`] with 250, which opens a transaction.
    ///
    /// # Panics
    /// If no such event awaits an answer.
    pub fn accept_mail(&mut self) {
        let State::AskedMail { until } = self.state else { panic!("accept_mail answers MAIL") };
        self.state = State::Envelope(Transaction { until, accepted: Vec::new() });
        self.last_recipients.clear();
        self.transaction += 1;
        self.replies.add(250, (1, 0), "Sender ok");
    }

    /// Answers [`Event::Recipient`] with 250; `recipient` comes back in [`Event::Complete`].
    ///
    /// # Panics
    /// If no such event awaits an answer.
    pub fn accept(&mut self, recipient: R) {
        let State::AskedRecipient(open) = &mut self.state else { panic!("accept answers RCPT") };
        open.accepted.push(recipient);
        self.state = State::Envelope(open.take());
        self.counts.about_mail();
        self.replies.add(250, (1, 5), "Recipient ok");
    }

    /// Answers [`Event::Mail`] or [`Event::Recipient`] with a refusal. This does not count as an error of the
    /// peer, nor do commands that it pipelined after a refused MAIL.
    ///
    /// # Panics
    /// If no such event awaits an answer.
    pub fn refuse(&mut self, why: &Refusal) {
        self.state = match &mut self.state {
            State::AskedMail { .. } => State::Idle { mail_failed: true },
            State::AskedRecipient(open) => State::Envelope(open.take()),
            _ => panic!("refuse answers MAIL or RCPT"),
        };
        self.replies.refuse(why);
    }

    /// Answers [`Event::Complete`] with one reply for each recipient, in order. Only this method writes a 250
    /// after the data, and it needs a proof for each.
    ///
    /// # Panics
    /// If no such event awaits an answer, or `outcomes` belong to another transaction.
    pub fn finish(&mut self, outcomes: &PerRecipient<Result<P, Refusal>>) {
        let owed = self.owed();
        assert_eq!(self.transaction, outcomes.transaction(), "outcomes of another transaction");
        assert_eq!(owed, outcomes.iter().len(), "a transaction's length does not change");
        self.replies.outcomes(outcomes);
        self.state = State::Idle { mail_failed: false };
    }

    /// Answers [`Event::Complete`] with the same refusal for every recipient, one reply each.
    ///
    /// # Panics
    /// If no such event awaits an answer.
    pub fn refuse_message(&mut self, why: &Refusal) {
        self.replies.refuse_each(self.owed(), why);
        self.state = State::Idle { mail_failed: false };
    }

    /// Returns how many outcomes the caller must supply.
    fn owed(&self) -> usize {
        let State::AskedOutcomes { owed } = self.state else { panic!("outcomes answer a whole message") };
        owed
    }

    /// Ends the session if its time is up or it is to shut down; otherwise starts a wait if none is running.
    fn end_if_due(&mut self, now: Instant) -> Option<Event<'static, R>> {
        if self.state.is_over() {
            return None;
        }
        let between_transactions = matches!(self.state, State::Greeting { .. } | State::Idle { .. });
        if self.stopped || (self.draining && between_transactions) {
            return Some(self.close(&Refusal::new(421, 3, 2, "Shutting down, try again later")));
        }
        let limits = &self.settings.limits;
        let timeout = if self.in_data() { limits.data_timeout } else { limits.command_timeout };
        // A timeout that the clock cannot represent does not apply.
        self.wait_until = self.wait_until.or_else(|| now.checked_add(timeout));
        if self.ends_at().is_some_and(|end| now >= end) {
            return Some(self.close(&Refusal::new(421, 4, 2, "Timeout, closing")));
        }
        None
    }

    /// Ends the session with the reply `why`.
    fn close(&mut self, why: &Refusal) -> Event<'static, R> {
        self.replies.refuse(why);
        self.closed()
    }

    fn closed(&mut self) -> Event<'static, R> {
        self.leave_for(State::Closed);
        // The caller writes the output before it closes, so a separate flush is redundant.
        self.replies.take_flush();
        Event::Close
    }

    /// Changes the state to `next`. Returns whether that ended an open transaction, whose recipients are kept.
    fn leave_for(&mut self, next: State<R>) -> bool {
        let Some(open) = self.state.leave_for(next) else { return false };
        self.last_recipients = open.accepted;
        true
    }

    fn next_command(&mut self, now: Instant, input: &mut &[u8]) -> Step<'static, R> {
        let greeted = !matches!(self.state, State::Greeting { .. });
        let Some(heard) = self.input.next(now, greeted, input) else { return Step::NeedInput };
        self.wait_until = None;
        let step = match &heard {
            Heard::Line(line) => self.command(now, line, command::parse(line)),
            Heard::TooLong(ends) => {
                self.command(now, ends, Err(Refusal::new(500, 5, 2, "Command line too long")))
            }
            Heard::Foreign(protocol) => self.refuse_protocol(*protocol),
        };
        if matches!(self.state, State::AskedTls) {
            // Anyone on the way may have added it (RFC 3207 section 4.2).
            *input = &[];
        }
        step
    }

    /// Runs the command `parsed` from `line`.
    fn command(
        &mut self,
        now: Instant,
        line: &[u8],
        parsed: Result<Command<'_>, Refusal>,
    ) -> Step<'static, R> {
        // No other command is valid with a version of HTTP behind it.
        if matches!(parsed, Err(_) | Ok(Command::Noop | Command::Vrfy | Command::Help))
            && let Some(protocol) = ForeignProtocol::of_line(line)
        {
            return self.refuse_protocol(protocol);
        }
        let too_many = self.counts.command(&self.settings.limits);
        // A peer that sends QUIT leaves anyway.
        if too_many && parsed != Ok(Command::Quit) {
            let why = Refusal::new(421, 7, 0, "Too many commands without a message, closing");
            return Step::Emit(self.close(&why));
        }
        match parsed {
            Ok(Command::Mail(sender)) => self.mail(now, sender),
            Ok(Command::Rcpt(path)) => self.rcpt(path),
            Ok(Command::Rset) => self.rset(),
            Ok(Command::Lhlo(name)) => self.lhlo(name),
            Ok(Command::Quit) => {
                self.replies.add(221, (0, 0), "Bye");
                Step::Emit(self.closed())
            }
            Ok(Command::Data) => self.begin_data(),
            Ok(Command::StartTls { alone }) => self.starttls(alone),
            Ok(Command::Noop) => self.inform(250, (0, 0), "Ok"),
            Ok(Command::Vrfy) => match self.admission.refusal() {
                None => self.inform(252, (0, 0), "Not verified; RCPT tells"),
                Some(why) => self.refuse_and_count(&why),
            },
            Ok(Command::Help) => {
                self.inform(214, (0, 0), "LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 2033)")
            }
            Err(refusal) => {
                if command::is_mail(line)
                    && let State::Greeting { mail_failed } | State::Idle { mail_failed } = &mut self.state
                {
                    *mail_failed = true;
                }
                self.refuse_and_count(&refusal)
            }
        }
    }

    /// Answers a command that is not about mail.
    fn inform(&mut self, code: u16, enhanced: (u16, u16), text: &str) -> Step<'static, R> {
        self.counts.idle_command();
        self.replies.add_now(code, enhanced, text);
        Step::Again
    }

    /// Refuses a command. The peer's own mistakes count, and too many of them end the session.
    fn refuse_and_count(&mut self, why: &Refusal) -> Step<'static, R> {
        self.replies.refuse_now(why);
        if self.counts.refused(why, &self.settings.limits) {
            return Step::Emit(self.close(&Refusal::new(421, 7, 0, "Too many errors, closing")));
        }
        Step::Again
    }

    /// Refuses a peer that speaks another protocol. A web page must not be able to send mail through a browser, which
    /// would go on with the commands in its request after an error.
    fn refuse_protocol(&mut self, protocol: ForeignProtocol) -> Step<'static, R> {
        self.leave_for(State::Refused);
        let why = Refusal::new(421, 7, 0, "").with_text(format!("This is LMTP, not {protocol}: closing"));
        self.refuse_by_itself(Refused::Protocol(protocol), why)
    }

    /// Refuses RCPT or DATA outside a transaction. After a failed MAIL this does not count as an error: the
    /// client pipelined the command before it could know.
    fn refuse_without_mail(&mut self, text: &'static str) -> Step<'static, R> {
        let why = Refusal::new(503, 5, 1, text);
        if let State::Greeting { mail_failed: true } | State::Idle { mail_failed: true } = self.state {
            self.replies.refuse_now(&why);
            return Step::Again;
        }
        self.refuse_and_count(&why)
    }

    /// Refuses something because of the settings, and reports it to the caller.
    fn refuse_by_itself(&mut self, what: Refused, why: Refusal) -> Step<'static, R> {
        self.replies.refuse(&why);
        Step::Emit(Event::Refused { what, why })
    }

    /// Answers LHLO. A second LHLO also acts as RSET (RFC 5321 section 4.1.4).
    fn lhlo(&mut self, name: &str) -> Step<'static, R> {
        self.counts.idle_command();
        name.clone_into(&mut self.peer_name);
        self.replies.capabilities(&self.settings, self.tls == Tls::Offered);
        self.abandon()
    }

    fn starttls(&mut self, alone: bool) -> Step<'static, R> {
        let in_transaction = self.state.transaction().is_some();
        if let Some(why) = starttls_refusal(self.tls, alone, in_transaction) {
            return self.refuse_and_count(&why);
        }
        self.replies.add(220, (0, 0), "Ready to start TLS");
        self.state = State::AskedTls;
        Step::Emit(Event::StartTls)
    }

    fn rset(&mut self) -> Step<'static, R> {
        self.replies.add(250, (0, 0), "Ok");
        if let State::Greeting { mail_failed } = &mut self.state {
            *mail_failed = false;
            return Step::Again;
        }
        self.abandon()
    }

    /// Ends the transaction, if one is open.
    fn abandon(&mut self) -> Step<'static, R> {
        let was_open = self.leave_for(State::Idle { mail_failed: false });
        if was_open { Step::Emit(Event::Abandoned) } else { Step::Again }
    }

    fn mail(&mut self, now: Instant, sender: Sender) -> Step<'static, R> {
        if let (State::Idle { mail_failed }, Some(why)) = (&mut self.state, self.admission.refusal()) {
            *mail_failed = true;
            return self.refuse_by_itself(Refused::Mail(sender), why);
        }
        let limits = &self.settings.limits;
        match &mut self.state {
            State::Idle { mail_failed } if sender.size > Some(limits.message_size) => {
                *mail_failed = true;
                self.refuse_by_itself(Refused::Mail(sender), too_large())
            }
            State::Idle { .. } => {
                self.state = State::AskedMail { until: now.checked_add(limits.transaction_timeout) };
                self.counts.about_mail();
                Step::Emit(Event::Mail(sender))
            }
            State::Greeting { mail_failed } => {
                *mail_failed = true;
                self.refuse_and_count(&Refusal::new(503, 5, 1, "Say LHLO first"))
            }
            State::Envelope(_) => {
                self.refuse_and_count(&Refusal::new(503, 5, 1, "A transaction is open: RSET ends it"))
            }
            _ => unreachable!("no command is read in other states"),
        }
    }

    fn rcpt(&mut self, path: ForwardPath) -> Step<'static, R> {
        let State::Envelope(open) = &mut self.state else {
            return self.refuse_without_mail("Say MAIL first");
        };
        if open.accepted.len() >= self.settings.limits.recipients {
            let why = Refusal::new(452, 5, 3, "Too many recipients; send the rest in another transaction");
            return self.refuse_by_itself(Refused::Recipient(path), why);
        }
        self.state = State::AskedRecipient(open.take());
        Step::Emit(Event::Recipient(path))
    }

    fn begin_data(&mut self) -> Step<'static, R> {
        let State::Envelope(open) = &mut self.state else {
            return self.refuse_without_mail("Say MAIL and RCPT first");
        };
        if open.accepted.is_empty() {
            // This is not a mistake: a client that pipelines cannot know that all its recipients were refused.
            self.replies.refuse_now(&Refusal::new(503, 5, 1, "No valid recipients"));
            return Step::Again;
        }
        self.state = State::Data(open.take(), Message::new());
        self.counts.about_mail();
        self.replies.go_ahead();
        Step::Again
    }

    fn next_data<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i, R> {
        let State::Data(open, message) = &mut self.state else { unreachable!("only data is read as data") };
        let Some(part) = message.next(input, &self.settings) else { return Step::NeedInput };
        // The next wait starts when the caller comes back for more, so it does not include time spent by the caller.
        self.wait_until = None;
        match part {
            Part::Text(text) => Step::Emit(Event::Body(text)),
            Part::FirstUnwanted => Step::Emit(Event::Unwanted),
            Part::Unwanted => Step::Again,
            Part::End(fault) => {
                let Transaction { accepted, .. } = open.take();
                self.counts.whole_message();
                Step::Emit(self.end_of_data(accepted, fault))
            }
        }
    }

    fn end_of_data(&mut self, accepted: Vec<R>, fault: Option<Refusal>) -> Event<'static, R> {
        if let Some(why) = fault {
            self.replies.refuse_each(accepted.len(), &why);
            self.state = State::Idle { mail_failed: false };
            self.last_recipients = accepted;
            return Event::Refused { what: Refused::Message, why };
        }
        self.state = State::AskedOutcomes { owed: accepted.len() };
        Event::Complete(PerRecipient::new(self.transaction, accepted))
    }
}
