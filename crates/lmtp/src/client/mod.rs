//! The client's side of a session in LMTP or SMTP, used by `listgate send`, the tests and the load generator.

mod event;
mod login;
mod protocol;
mod server;
mod step;
mod transaction;

pub use event::{ClientEvent, Closed, Phase, TransactionId};
pub use login::{Credentials, InvalidCredentials, NoMechanism};
pub use protocol::Protocol;
pub use server::Server;
pub use transaction::{Declared, Dsn, EnvelopeId, InvalidEnvelopeId, Recipient, Transaction};

use crate::data::DataWriter;
use crate::limits;
use crate::line::LineReader;
use crate::reply::{Reply, ReplyReader, readable};
use login::Login;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Debug};
use std::io::Write;
use std::sync::Arc;
use step::{Step, Whose};

/// A transaction up to its final dot.
#[derive(Debug)]
struct Open {
    id: TransactionId,
    /// Recipients that no reply to MAIL or RCPT has refused; once DATA is answered, the accepted ones.
    undecided: BTreeSet<usize>,
    accepted: Vec<usize>,
    /// Writes the message, once the server waits for it.
    data: Option<DataWriter>,
}

/// A transaction whose final dot has been handed out.
#[derive(Debug)]
struct Ended {
    id: TransactionId,
    /// The recipients without an outcome, in order.
    unanswered: VecDeque<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Talking,
    /// The server has agreed to TLS, and the caller may know it.
    Handshake {
        announced: bool,
    },
    Closed,
}

/// A client's session: octets in, events out. It pipelines if the server announces PIPELINING.
pub struct Client {
    protocol: Protocol,
    name: String,
    lines: LineReader,
    reply: ReplyReader,
    may_pipeline: bool,
    server: Server,
    state: State,
    /// Commands written, in the order in which their replies will arrive.
    awaited: VecDeque<Step>,
    /// Commands not yet written, each with its end in `planned`.
    unsent: VecDeque<(Step, usize)>,
    /// The command lines of a transaction, in one buffer because there may be a thousand of them.
    planned: Vec<u8>,
    /// How much of `planned` has been written.
    written: usize,
    open: Option<Open>,
    /// The transaction before the open one. Its replies come before 354, so there is never a second one.
    ended: Option<Ended>,
    login: VecDeque<String>,
    transactions: u64,
    events: VecDeque<ClientEvent>,
    out: Vec<u8>,
}

impl Debug for Client {
    /// Leaves out the buffers, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("protocol", &self.protocol)
            .field("server", &self.server)
            .field("state", &self.state)
            .field("awaited", &self.awaited)
            .field("open", &self.open)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Returns a client that waits for the greeting and will call itself `name`, a host name.
    pub fn new(protocol: Protocol, name: &str) -> Self {
        Self {
            protocol,
            name: name.to_owned(),
            lines: LineReader::new(limits::REPLY_LINE),
            reply: ReplyReader::default(),
            may_pipeline: true,
            server: Server::default(),
            state: State::Talking,
            awaited: VecDeque::from([Step::Greeting]),
            unsent: VecDeque::new(),
            planned: Vec::new(),
            written: 0,
            open: None,
            ended: None,
            login: VecDeque::new(),
            transactions: 0,
            events: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// Returns a client that waits for the reply to each command, whatever the server announces.
    pub fn without_pipelining(protocol: Protocol, name: &str) -> Self {
        Self { may_pipeline: false, ..Self::new(protocol, name) }
    }

    /// Returns what the server has announced so far.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns the transaction whose final dot has been handed out, and to which a reply is missing. If the
    /// connection is lost now, the server may have taken its message for the recipients without an outcome, or not. It
    /// has not taken the message of any other transaction without an outcome.
    pub fn in_doubt(&self) -> Option<TransactionId> {
        self.ended.as_ref().map(|ended| ended.id)
    }

    /// Returns the next event from `input`, and removes what was read from it. `None` means that `input` is
    /// used up: write the output, then call again with more. A client has no clock: the caller decides how
    /// long to wait for a reply (RFC 5321 section 4.5.3.2).
    pub fn next(&mut self, input: &mut &[u8]) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.state {
                State::Closed => return None,
                State::Handshake { .. } if !input.is_empty() => {
                    *input = &[];
                    self.close(Closed::Plaintext);
                    continue;
                }
                State::Handshake { announced: true } => return None,
                State::Handshake { announced: false } => {
                    self.state = State::Handshake { announced: true };
                    return Some(ClientEvent::StartTls);
                }
                State::Talking => {}
            }
            let line = self.lines.next(input)?;
            match line.map_err(|_| "a reply line of more than 1,024 octets".to_owned()) {
                Ok(line) => match self.reply.line(&line) {
                    Ok(Some(reply)) => self.replied(reply),
                    Ok(None) => {}
                    Err(_) => self.confused(readable(&line)),
                },
                Err(said) => self.confused(said),
            }
        }
    }

    /// Returns the buffer of octets to be written. The caller empties it. It may have a password.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Returns whether [`send`](Self::send) may be called: nothing is outstanding, or the server pipelines and the
    /// message of the transaction before has been written, with its dot (RFC 2920 section 3.1).
    pub fn may_send(&self) -> bool {
        let pipelined = || self.pipelines() && self.awaited.iter().all(|step| step.may_be_followed());
        self.state == State::Talking && self.open.is_none() && self.unsent.is_empty() && {
            self.awaited.is_empty() || pipelined()
        }
    }

    /// Starts a transaction, and returns its number. An outcome follows for each recipient, after those of the
    /// transaction before, and [`ClientEvent::SendBody`] if the server accepts any recipient.
    ///
    /// MAIL and RCPT have the parameters that the server announces. If an address has UTF-8, or the header has, MAIL
    /// says SMTPUTF8. If the server does not announce it, a recipient with UTF-8 is not sent and has the outcome 553
    /// 5.6.7; if the sender has UTF-8, this is the outcome of every recipient, and nothing is sent (RFC 6531 section
    /// 3.2). A UTF-8 header alone is sent without it.
    ///
    /// # Panics
    /// If it may not be called now ([`may_send`](Self::may_send)), or if `transaction` has no recipients.
    pub fn send(&mut self, transaction: &Transaction<'_>) -> TransactionId {
        assert!(self.may_send(), "a transaction begins when the one before has ended");
        assert!(!transaction.to.is_empty(), "a transaction has recipients");
        let id = TransactionId(self.transactions);
        self.transactions += 1;
        let mut undecided = BTreeSet::new();
        for (place, recipient) in transaction.to.iter().enumerate() {
            let unsendable = match (transaction.from.is_ascii(), recipient.path.is_ascii()) {
                _ if self.server.smtputf8 => None,
                (true, true) => None,
                (false, _) => Some(Whose::Senders),
                (true, false) => Some(Whose::Recipients),
            };
            match unsendable {
                Some(whose) => self.awaited.push_back(Step::NotSent(id, place, whose)),
                None => _ = undecided.insert(place),
            }
        }
        if !undecided.is_empty() {
            self.plan_transaction(transaction, &undecided);
            self.open = Some(Open { id, undecided, accepted: Vec::new(), data: None });
        }
        self.proceed();
        id
    }

    /// Plans the commands of a transaction with the recipients at `places`.
    fn plan_transaction(&mut self, transaction: &Transaction<'_>, places: &BTreeSet<usize>) {
        let mail = transaction::mail(transaction, &self.server);
        self.plan(Step::Mail, format_args!("{mail}"));
        let utf8 = self.server.smtputf8 && transaction::needs_utf8(transaction);
        let mut parameters = String::new();
        for &place in places {
            let recipient = &transaction.to[place];
            parameters.clear();
            if self.server.dsn {
                transaction::rcpt_parameters(transaction, recipient, utf8, &mut parameters);
            }
            self.plan(Step::Rcpt(place), format_args!("RCPT TO:<{}>{parameters}", recipient.path));
        }
        self.plan(Step::Data, format_args!("DATA"));
    }

    /// Writes a part of the message, cut anywhere, with dots stuffed (RFC 5321 section 4.5.2). After the end of the
    /// session nothing is written.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn body(&mut self, text: &[u8]) {
        let data = self.open.as_mut().and_then(|open| open.data.as_mut());
        let data = data.expect("the body is written when the server waits for it");
        if self.state != State::Closed {
            data.write(text, &mut self.out);
        }
    }

    /// Ends the message with the final dot. A message that does not end with CR LF gets one. From now on the
    /// transaction is [in doubt](Self::in_doubt). If the server pipelines, the next one [may be
    /// sent](Self::may_send) at once.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn end_of_body(&mut self) {
        if let Some(data) = self.end_of_open() {
            data.end(&mut self.out);
        }
    }

    /// Replaces [`body`](Self::body) and [`end_of_body`](Self::end_of_body) for a caller that writes the
    /// message itself, [encoded](crate::encode_message), after it has written the output. A message that is
    /// sent many times is then encoded only once, and not copied.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn body_by_caller(&mut self) {
        self.end_of_open();
    }

    /// Makes the open transaction one that has ended. Returns the writer of its end, unless the session is over.
    fn end_of_open(&mut self) -> Option<DataWriter> {
        let open = self.open.take_if(|open| open.data.is_some());
        let open = open.expect("the body ends when the server waits for it");
        if self.state == State::Closed {
            return None;
        }
        match self.protocol {
            Protocol::Lmtp => self.awaited.extend(open.accepted.iter().map(|&place| Step::Message(place))),
            Protocol::Smtp => self.awaited.push_back(Step::Dot),
        }
        self.ended = Some(Ended { id: open.id, unanswered: open.accepted.into() });
        open.data
    }

    /// Asks for TLS with STARTTLS (RFC 3207). [`ClientEvent::StartTls`] follows, or [`ClientEvent::Refused`].
    ///
    /// # Panics
    /// If the session is not [`ClientEvent::Ready`].
    pub fn start_tls(&mut self) {
        assert!(self.is_idle(), "TLS starts between transactions");
        self.plan(Step::StartTls, format_args!("STARTTLS"));
        self.proceed();
    }

    /// Says that the handshake is done. The client forgets what the server has announced before, and greets it again
    /// (RFC 3207 section 4.2); [`ClientEvent::Ready`] follows.
    ///
    /// # Panics
    /// If the server does not wait for the handshake ([`ClientEvent::StartTls`]).
    pub fn tls_started(&mut self) {
        let due = State::Handshake { announced: true };
        assert_eq!(self.state, due, "the handshake is done when the server waits for it");
        self.state = State::Talking;
        self.server = Server::default();
        self.plan_hello();
        self.proceed();
    }

    /// Logs in with AUTH PLAIN, or with LOGIN if the server does not offer PLAIN (RFC 4954). [`ClientEvent::Ready`]
    /// follows, or [`ClientEvent::Refused`]. Both mechanisms show the password to anyone who reads along: use TLS.
    ///
    /// # Errors
    /// The server offers neither. Nothing was sent.
    ///
    /// # Panics
    /// If the session is not [`ClientEvent::Ready`].
    pub fn authenticate(&mut self, credentials: &Credentials) -> Result<(), NoMechanism> {
        assert!(self.is_idle(), "a client logs in between transactions");
        let login = Login::new(&self.server, credentials)?;
        self.login = login.responses;
        self.plan(Step::Auth, format_args!("AUTH {}", login.mechanism));
        self.proceed();
        Ok(())
    }

    /// Ends the session with QUIT; [`Closed::Quit`] follows.
    ///
    /// # Panics
    /// If the session is not [`ClientEvent::Ready`].
    pub fn quit(&mut self) {
        assert!(self.is_idle(), "a session ends between transactions");
        self.plan(Step::Quit, format_args!("QUIT"));
        self.proceed();
    }

    fn pipelines(&self) -> bool {
        self.may_pipeline && self.server.pipelining
    }

    /// Returns whether nothing is outstanding: no reply is missing, and no transaction is open.
    pub fn is_idle(&self) -> bool {
        let outstanding = !self.awaited.is_empty() || !self.unsent.is_empty() || self.open.is_some();
        self.state == State::Talking && !outstanding
    }

    fn plan(&mut self, step: Step, command: fmt::Arguments<'_>) {
        if self.unsent.is_empty() {
            self.planned.clear();
            self.written = 0;
        }
        write!(self.planned, "{command}\r\n").expect("writing to a Vec does not fail");
        self.unsent.push_back((step, self.planned.len()));
    }

    fn plan_hello(&mut self) {
        match self.protocol {
            Protocol::Lmtp => self.plan_greeting(Step::Lhlo, "LHLO"),
            Protocol::Smtp => self.plan_greeting(Step::Ehlo, "EHLO"),
        }
    }

    fn plan_greeting(&mut self, step: Step, verb: &str) {
        let name = std::mem::take(&mut self.name);
        self.plan(step, format_args!("{verb} {name}"));
        self.name = name;
    }

    /// Does what needs no reply: reports recipients that are not sent, writes what may be written now (all commands,
    /// or one at a time), and reports a session that is ready.
    fn proceed(&mut self) {
        while let Some(&Step::NotSent(transaction, recipient, whose)) = self.awaited.front() {
            self.awaited.pop_front();
            let (phase, reply) = (Phase::NotSent, Arc::new(not_sent(whose)));
            self.events.push_back(ClientEvent::Outcome { transaction, recipient, phase, reply });
        }
        while self.pipelines() || self.awaited.is_empty() {
            let Some((step, end)) = self.unsent.pop_front() else { break };
            self.out.extend_from_slice(&self.planned[self.written..end]);
            self.written = end;
            self.awaited.push_back(step);
        }
        if self.is_idle() {
            self.events.push_back(ClientEvent::Ready);
        }
    }

    fn replied(&mut self, reply: Reply) {
        if reply.code == 421 {
            return self.ended_by_server(reply);
        }
        let Some(step) = self.awaited.pop_front() else {
            return self.confused(format!("{reply} (to no command)"));
        };
        if !step.fits(reply.code) {
            return self.confused(format!("{reply} (to {step:?})"));
        }
        if matches!(step, Step::StartTls | Step::Auth) && !reply.is_positive() {
            self.forget_login();
            return self.events.push_back(ClientEvent::Refused { phase: step.phase(), reply });
        }
        self.answered(step, reply);
        self.proceed();
    }

    /// Ends the session after a 421. It is the outcome of a message in SMTP, because it answers the dot.
    fn ended_by_server(&mut self, reply: Reply) {
        let step = self.awaited.front().copied();
        if step == Some(Step::Dot) {
            self.message_answered(&reply);
        }
        self.refused_session(step.map(Step::phase), reply);
    }

    fn answered(&mut self, step: Step, reply: Reply) {
        match step {
            Step::Ehlo if reply.code >= 500 => self.plan_greeting(Step::Helo, "HELO"),
            Step::Greeting | Step::Lhlo | Step::Ehlo | Step::Helo if !reply.is_positive() => {
                self.refused_session(Some(step.phase()), reply);
            }
            Step::Greeting => {
                self.server.greeting = reply.lines.join(" ");
                self.plan_hello();
            }
            Step::Lhlo | Step::Ehlo => self.server.learn(&reply),
            Step::StartTls => self.state = State::Handshake { announced: false },
            Step::Auth if reply.code == 334 => match self.login.pop_front() {
                Some(response) => self.plan(Step::Auth, format_args!("{response}")),
                None => self.confused(format!("{reply} (to {step:?})")),
            },
            Step::Auth => self.forget_login(),
            Step::Mail if !reply.is_positive() => self.mail_refused(&reply),
            Step::Rcpt(place) => self.rcpt_answered(place, reply),
            Step::Data => self.data_answered(&reply),
            Step::Message(_) | Step::Dot => self.message_answered(&reply),
            Step::Quit => self.close(Closed::Quit),
            Step::Mail | Step::Helo | Step::DotForNobody | Step::Rset | Step::NotSent(..) => {}
        }
    }

    /// Drops what is left of a password.
    fn forget_login(&mut self) {
        self.login.clear();
        self.planned.clear();
        self.written = 0;
    }

    /// Gives all recipients the reply to MAIL. Without pipelining, RCPT and DATA are not sent yet and are dropped.
    fn mail_refused(&mut self, reply: &Reply) {
        let Some(open) = &mut self.open else { return };
        let (id, undecided) = (open.id, std::mem::take(&mut open.undecided));
        self.decide(id, undecided, Phase::Mail, reply);
        if !self.unsent.is_empty() {
            self.unsent.clear();
            self.open = None;
        }
    }

    /// Records whether a recipient is accepted, unless the refusal of MAIL has already decided its outcome.
    fn rcpt_answered(&mut self, place: usize, reply: Reply) {
        let Some(open) = &mut self.open else { return };
        if !open.undecided.contains(&place) {
            return;
        }
        if reply.is_positive() {
            open.accepted.push(place);
            return;
        }
        open.undecided.remove(&place);
        let (transaction, phase, reply) = (open.id, Phase::Rcpt, Arc::new(reply));
        let is_data_next = self.unsent.front().is_some_and(|(step, _)| *step == Step::Data);
        let all_refused = open.undecided.is_empty();
        self.events.push_back(ClientEvent::Outcome { transaction, recipient: place, phase, reply });
        // Without pipelining, DATA is not sent yet and is dropped.
        if all_refused && is_data_next {
            self.unsent.clear();
            self.open = None;
            self.plan(Step::Rset, format_args!("RSET"));
        }
    }

    fn data_answered(&mut self, reply: &Reply) {
        let Some(open) = &mut self.open else { return };
        if reply.code != 354 {
            let (id, accepted) = (open.id, std::mem::take(&mut open.accepted));
            self.open = None;
            self.decide(id, accepted, Phase::Data, reply);
            self.plan(Step::Rset, format_args!("RSET"));
        } else if !open.accepted.is_empty() {
            open.data = Some(DataWriter::new());
            let transaction = open.id;
            self.events.push_back(ClientEvent::SendBody { transaction });
        } else if self.protocol == Protocol::Smtp {
            // A pipelined DATA was accepted although no recipient was (RFC 2920 section 3.1).
            self.open = None;
            self.out.extend_from_slice(b".\r\n");
            self.awaited.push_back(Step::DotForNobody);
        } else {
            // RFC 2033 section 4.2 forbids it, and the dot would have no reply.
            self.confused(format!("{reply} (with no recipient accepted)"));
        }
    }

    /// Gives the reply after the dot to the next recipient (LMTP), or to all of them (SMTP).
    fn message_answered(&mut self, reply: &Reply) {
        let Some(ended) = &mut self.ended else { return };
        let (id, answered) = match self.protocol {
            Protocol::Lmtp => (ended.id, ended.unanswered.pop_front().into_iter().collect()),
            Protocol::Smtp => (ended.id, std::mem::take(&mut ended.unanswered)),
        };
        if ended.unanswered.is_empty() {
            self.ended = None;
        }
        self.decide(id, answered, Phase::Message, reply);
    }

    fn decide(
        &mut self,
        transaction: TransactionId,
        places: impl IntoIterator<Item = usize>,
        phase: Phase,
        reply: &Reply,
    ) {
        let reply = Arc::new(reply.clone());
        let outcome =
            |recipient| ClientEvent::Outcome { transaction, recipient, phase, reply: Arc::clone(&reply) };
        self.events.extend(places.into_iter().map(outcome));
    }

    fn confused(&mut self, said: String) {
        self.close(Closed::Confused { protocol: self.protocol, said });
    }

    fn refused_session(&mut self, phase: Option<Phase>, reply: Reply) {
        self.close(Closed::Refused { phase, reply });
    }

    fn close(&mut self, why: Closed) {
        self.state = State::Closed;
        self.unsent.clear();
        self.events.push_back(ClientEvent::Closed { why, in_doubt: self.in_doubt() });
    }
}

/// Returns the outcome of a recipient that is not sent.
fn not_sent(whose: Whose) -> Reply {
    let whose = match whose {
        Whose::Senders => "the sender's",
        Whose::Recipients => "the recipient's",
    };
    let text = format!("5.6.7 Not sent: {whose} address needs SMTPUTF8, which the server does not offer");
    Reply { code: 553, lines: vec![text] }
}
