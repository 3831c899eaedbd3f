//! The client's side of a session, used by `listgate send`, the tests and the load generator.

use crate::data::DataWriter;
use crate::limits;
use crate::line::LineReader;
use crate::mailbox::{ForwardPath, ReversePath};
use crate::reply::{Reply, ReplyReader, readable};
use memchr::memmem;
use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    io::Write,
};

/// What a client reports to its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server is ready for a transaction: call [`Client::send`] or [`Client::quit`].
    Ready,
    /// The server waits for the message: call [`Client::body`] and then [`Client::end_of_body`].
    SendBody,
    /// The outcome for one recipient, identified by its place in the call of [`Client::send`]. Each recipient
    /// gets exactly one, unless the session is [`Closed`](ClientEvent::Closed) first (RFC 2033 section 4.2).
    Outcome {
        /// The place of the recipient, counted from 0.
        recipient: usize,
        /// The reply that decided the outcome: to MAIL, to its RCPT, to DATA, or after the data. Or 553 5.6.7 from
        /// the client itself, if an address needs SMTPUTF8 and the server does not announce it.
        reply: Reply,
    },
    /// The session is over. What became of recipients without an outcome is unknown, and the message may be
    /// sent to them again.
    Closed(Closed),
}

/// The reason why a client's session is over.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// The server answered [`Client::quit`].
    Quit,
    /// The server refused the session, or ended it (421).
    Refused(Reply),
    /// The server sent something other than a reply, or a reply that does not fit any command. The text shows
    /// what it sent.
    Confused(String),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quit => f.write_str("the session has ended"),
            Self::Refused(reply) => write!(f, "the server ended the session: {reply}"),
            Self::Confused(said) => write!(f, "the server does not speak LMTP: {said}"),
        }
    }
}

/// What a client knows of a message before it sends it, for the parameters of MAIL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Declared {
    /// The size in octets, if known, for servers that announce SIZE (RFC 1870).
    pub size: Option<u64>,
    /// The header has UTF-8, for servers that announce SMTPUTF8 (RFC 6531). UTF-8 in addresses need not be declared.
    pub utf8_header: bool,
}

impl Declared {
    /// Returns the facts of a whole message: its size, and whether its header has UTF-8. A header with other octets
    /// that are not ASCII is not UTF-8, and SMTPUTF8 would not make it valid.
    ///
    /// ```
    /// use listgate_lmtp::Declared;
    /// let declared = Declared::of("Subject: Grüße\r\n\r\nHello.\r\n".as_bytes());
    /// assert_eq!(declared, Declared { size: Some(28), utf8_header: true });
    /// assert!(!Declared::of("Subject: hello\r\n\r\nGrüße\r\n".as_bytes()).utf8_header);
    /// ```
    pub fn of(message: &[u8]) -> Self {
        let begins_with_body = message.starts_with(b"\r\n");
        let end = if begins_with_body { Some(0) } else { memmem::find(message, b"\r\n\r\n") };
        let header = &message[..end.unwrap_or(message.len())];
        let utf8_header = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        Self { size: Some(message.len() as u64), utf8_header }
    }
}

/// What the next reply is an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Lhlo,
    Mail,
    Rcpt(usize),
    Data,
    Message(usize),
    Rset,
    Quit,
}

/// A client's session: octets in, events out. It pipelines if the server announces PIPELINING.
#[derive(Debug)]
pub struct Client {
    name: String,
    lines: LineReader,
    reply: ReplyReader,
    may_pipeline: bool,
    pipelining: bool,
    size: bool,
    smtputf8: bool,
    /// Commands written, in the order in which their replies will arrive.
    awaited: VecDeque<Step>,
    /// Commands not yet written, each with its end in `planned`.
    unsent: VecDeque<(Step, usize)>,
    /// The command lines of a transaction, in one buffer because there may be a thousand of them.
    planned: Vec<u8>,
    /// How much of `planned` has been written.
    written: usize,
    /// Recipients that no reply to MAIL or RCPT has refused; once DATA is answered, the accepted ones.
    undecided: BTreeSet<usize>,
    accepted: Vec<usize>,
    data: Option<DataWriter>,
    events: VecDeque<ClientEvent>,
    closed: bool,
    out: Vec<u8>,
}

impl Client {
    /// Returns a client that waits for the greeting and will call itself `name`, a host name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: LineReader::new(limits::REPLY_LINE),
            reply: ReplyReader::default(),
            may_pipeline: true,
            pipelining: false,
            size: false,
            smtputf8: false,
            awaited: VecDeque::from([Step::Greeting]),
            unsent: VecDeque::new(),
            planned: Vec::new(),
            written: 0,
            undecided: BTreeSet::new(),
            accepted: Vec::new(),
            data: None,
            events: VecDeque::new(),
            closed: false,
            out: Vec::new(),
        }
    }

    /// Returns a client that waits for the reply to each command, whatever the server announces.
    pub fn without_pipelining(name: &str) -> Self {
        Self { may_pipeline: false, ..Self::new(name) }
    }

    /// Returns the next event from `input`, and removes what was read from it. `None` means that `input` is
    /// used up: write the output, then call again with more. A client has no clock: the caller decides how
    /// long to wait for a reply (RFC 5321 section 4.5.3.2).
    pub fn next(&mut self, input: &mut &[u8]) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.closed {
                return None;
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

    /// Returns the buffer of octets to be written. The caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Starts a transaction with a message of which `declared` is known. An outcome follows for each of `to`, and
    /// [`ClientEvent::SendBody`] if the server accepts any of them.
    ///
    /// If an address has UTF-8, or the header has, MAIL says SMTPUTF8. If the server does not announce it, a
    /// recipient with UTF-8 is not sent and has the outcome 553 5.6.7; if the sender has UTF-8, this is the outcome of
    /// every recipient, and nothing is sent (RFC 6531 section 3.2). A UTF-8 header alone is sent without it.
    ///
    /// # Panics
    /// If the session is not [`ClientEvent::Ready`], or `to` is empty.
    pub fn send(&mut self, from: &ReversePath, to: &[ForwardPath], declared: Declared) {
        assert!(self.is_ready(), "a transaction begins when the server is ready");
        assert!(!to.is_empty(), "a transaction has recipients");
        self.accepted.clear();
        let sendable = |path: &ForwardPath| self.smtputf8 || (from.is_ascii() && path.is_ascii());
        self.undecided = (0..to.len()).filter(|&place| sendable(&to[place])).collect();
        self.refuse_unsendable(from, to);
        if self.undecided.is_empty() {
            self.events.push_back(ClientEvent::Ready);
            return;
        }
        self.plan_transaction(from, to, declared);
        self.write_planned();
    }

    /// Decides the outcomes of the recipients that cannot be sent without SMTPUTF8: all of `to` that are not undecided.
    fn refuse_unsendable(&mut self, from: &ReversePath, to: &[ForwardPath]) {
        let whose = if from.is_ascii() { "the recipient's" } else { "the sender's" };
        let text = format!("5.6.7 Not sent: {whose} address needs SMTPUTF8, which the server does not offer");
        let reply = Reply { code: 553, lines: vec![text] };
        let unsendable: Vec<_> = (0..to.len()).filter(|place| !self.undecided.contains(place)).collect();
        self.decide(unsendable, &reply);
    }

    /// Plans the commands of a transaction with the undecided of `to`.
    fn plan_transaction(&mut self, from: &ReversePath, to: &[ForwardPath], declared: Declared) {
        let size = declared.size.filter(|_| self.size);
        let size = size.map_or(String::new(), |octets| format!(" SIZE={octets}"));
        let has_utf8 = declared.utf8_header || !from.is_ascii() || !to.iter().all(ForwardPath::is_ascii);
        let utf8 = if self.smtputf8 && has_utf8 { " SMTPUTF8" } else { "" };
        match from {
            ReversePath::Null => self.plan(Step::Mail, format_args!("MAIL FROM:<>{size}{utf8}")),
            ReversePath::Mailbox(from) => {
                self.plan(Step::Mail, format_args!("MAIL FROM:<{from}>{size}{utf8}"));
            }
        }
        for (place, recipient) in to.iter().enumerate() {
            if self.undecided.contains(&place) {
                self.plan(Step::Rcpt(place), format_args!("RCPT TO:<{recipient}>"));
            }
        }
        self.plan(Step::Data, format_args!("DATA"));
    }

    /// Writes a part of the message, cut anywhere, with dots stuffed (RFC 5321 section 4.5.2).
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn body(&mut self, text: &[u8]) {
        let data = self.data.as_mut().expect("the body is written when the server waits for it");
        data.write(text, &mut self.out);
    }

    /// Ends the message. A message that does not end with CR LF gets one.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn end_of_body(&mut self) {
        let data = self.data.take().expect("the body ends when the server waits for it");
        data.end(&mut self.out);
        self.await_outcomes();
    }

    /// Replaces [`body`](Self::body) and [`end_of_body`](Self::end_of_body) for a caller that writes the
    /// message itself, [encoded](crate::encode_message), after it has written the output. A message that is
    /// sent many times is then encoded only once, and not copied.
    ///
    /// # Panics
    /// If the server does not wait for the message ([`ClientEvent::SendBody`]).
    pub fn body_by_caller(&mut self) {
        self.data.take().expect("the body is written when the server waits for it");
        self.await_outcomes();
    }

    fn await_outcomes(&mut self) {
        self.awaited.extend(self.accepted.iter().map(|&place| Step::Message(place)));
    }

    /// Ends the session with QUIT; [`Closed::Quit`] follows.
    ///
    /// # Panics
    /// If the session is not [`ClientEvent::Ready`].
    pub fn quit(&mut self) {
        assert!(self.is_ready(), "a session ends between transactions");
        self.plan(Step::Quit, format_args!("QUIT"));
        self.write_planned();
    }

    fn is_ready(&self) -> bool {
        self.awaited.is_empty() && self.unsent.is_empty() && self.data.is_none() && !self.closed
    }

    fn plan(&mut self, step: Step, command: fmt::Arguments<'_>) {
        if self.unsent.is_empty() {
            self.planned.clear();
            self.written = 0;
        }
        write!(self.planned, "{command}\r\n").expect("writing to a Vec does not fail");
        self.unsent.push_back((step, self.planned.len()));
    }

    /// Writes what may be written now: all commands, or one at a time.
    fn write_planned(&mut self) {
        while self.pipelining || self.awaited.is_empty() {
            let Some((step, end)) = self.unsent.pop_front() else { return };
            self.out.extend_from_slice(&self.planned[self.written..end]);
            self.written = end;
            self.awaited.push_back(step);
        }
    }

    fn replied(&mut self, reply: Reply) {
        if reply.code == 421 {
            return self.close(Closed::Refused(reply));
        }
        let Some(step) = self.awaited.pop_front() else {
            return self.confused(format!("{reply} (to no command)"));
        };
        // A positive reply to DATA is 354, and only DATA gets one. To accept any other would lose a message.
        let fits = match reply.code {
            ..300 => step != Step::Data,
            300..400 => step == Step::Data && reply.code == 354,
            400.. => true,
        };
        if !fits {
            return self.confused(format!("{reply} (to {step:?})"));
        }
        self.answered(step, reply);
        self.write_planned();
        if self.is_ready() {
            self.events.push_back(ClientEvent::Ready);
        }
    }

    fn answered(&mut self, step: Step, reply: Reply) {
        match step {
            Step::Greeting | Step::Lhlo if !reply.is_positive() => self.close(Closed::Refused(reply)),
            Step::Greeting => {
                let name = std::mem::take(&mut self.name);
                self.plan(Step::Lhlo, format_args!("LHLO {name}"));
            }
            Step::Lhlo => self.greeted(&reply),
            Step::Mail if !reply.is_positive() => {
                self.unsent.clear();
                let undecided = std::mem::take(&mut self.undecided);
                self.decide(undecided, &reply);
            }
            Step::Rcpt(place) if reply.is_positive() && self.undecided.contains(&place) => {
                self.accepted.push(place);
            }
            Step::Rcpt(place) => self.refused(place, reply),
            Step::Data => self.data_answered(reply),
            Step::Message(place) => self.decide([place], &reply),
            Step::Quit => self.close(Closed::Quit),
            Step::Mail | Step::Rset => {}
        }
    }

    fn greeted(&mut self, reply: &Reply) {
        let announced = |keyword: &str| {
            reply
                .lines
                .iter()
                .skip(1)
                .any(|line| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(keyword)))
        };
        self.pipelining = self.may_pipeline && announced("PIPELINING");
        self.size = announced("SIZE");
        self.smtputf8 = announced("SMTPUTF8");
    }

    /// Records that a recipient was refused, unless the refusal of MAIL has already decided its outcome.
    fn refused(&mut self, place: usize, reply: Reply) {
        if self.undecided.remove(&place) {
            self.events.push_back(ClientEvent::Outcome { recipient: place, reply });
        }
        // Every recipient was refused. Without pipelining, DATA is not sent yet and is dropped.
        if self.undecided.is_empty() && self.unsent.front().is_some_and(|(step, _)| *step == Step::Data) {
            self.unsent.clear();
            self.plan(Step::Rset, format_args!("RSET"));
        }
    }

    fn data_answered(&mut self, reply: Reply) {
        if reply.code != 354 {
            let accepted = std::mem::take(&mut self.accepted);
            self.decide(accepted, &reply);
            self.plan(Step::Rset, format_args!("RSET"));
        } else if self.accepted.is_empty() {
            self.confused(format!("{reply} (with no recipient accepted)"));
        } else {
            self.data = Some(DataWriter::new());
            self.events.push_back(ClientEvent::SendBody);
        }
    }

    fn decide(&mut self, places: impl IntoIterator<Item = usize>, reply: &Reply) {
        let outcome = |recipient| ClientEvent::Outcome { recipient, reply: reply.clone() };
        self.events.extend(places.into_iter().map(outcome));
    }

    fn confused(&mut self, said: String) {
        self.close(Closed::Confused(said));
    }

    fn close(&mut self, why: Closed) {
        self.closed = true;
        self.unsent.clear();
        self.events.push_back(ClientEvent::Closed(why));
    }
}
