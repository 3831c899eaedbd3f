//! A server and a client in memory, and the transport between them.

use listgate_lmtp::{
    Client, ClientEvent, Closed, Declared, Event, ForwardPath, PerRecipient, Phase, Protocol, Recipient,
    Refusal, Refused, Reply, ReversePath, Session, Settings, Transaction,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("lists.example.com");
    settings.software = "Listgate".to_owned();
    settings.limits.message_size = 1000;
    settings
}

/// What a session reported to its caller, in a form that can be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Mail(String),
    Recipient(String),
    /// Adjacent pieces, merged into one.
    Body(Vec<u8>),
    Complete(Vec<String>),
    Unwanted,
    /// What was refused, and the reply.
    Refused(Refused, String),
    Abandoned,
    /// The handshake, which succeeds.
    StartTls,
    Flush,
    Close,
}

/// A session with a caller that decides by the start of each address:
///
/// - sender `no…`: refused; `broken…`: the whole transaction fails after the data;
/// - recipient `no…`: refused; `full…`: accepted, and refused after the data.
pub(crate) struct Server {
    pub(crate) session: Session<String, String>,
    pub(crate) now: Instant,
    pub(crate) seen: Vec<Seen>,
    /// What the session has written since the last call of `take_written`.
    written: Vec<u8>,
    broken: bool,
    queued: u32,
    accepted: usize,
    /// For each message that ended, the number of its recipients and the number of replies.
    pub(crate) replies_to_data: Vec<(usize, usize)>,
    /// Whether the peer may send mail after the handshake.
    pub(crate) trusted: Result<(), Refusal>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self {
            session: Session::new(Arc::new(settings)),
            now: Instant::now(),
            seen: Vec::new(),
            written: Vec::new(),
            broken: false,
            queued: 0,
            accepted: 0,
            replies_to_data: Vec::new(),
            trusted: Ok(()),
        }
    }

    /// Returns a server after LHLO, without the replies so far.
    pub(crate) fn greeted() -> Self {
        Self::greeted_with(|_| {})
    }

    pub(crate) fn greeted_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut server = Self::with(change);
        server.say(b"LHLO client.example\r\n");
        server.seen.clear();
        server
    }

    /// Sends one packet to the server and returns its replies.
    pub(crate) fn say(&mut self, octets: &[u8]) -> String {
        self.receive(octets);
        self.take_written()
    }

    /// Sends octets in pieces of `size` and returns the replies.
    pub(crate) fn say_in_pieces(&mut self, octets: &[u8], size: usize) -> String {
        for piece in octets.chunks(size) {
            self.receive(piece);
        }
        self.take_written()
    }

    /// Lets time pass without input, and returns what the server writes.
    pub(crate) fn wait(&mut self, time: Duration) -> String {
        self.now += time;
        self.say(b"")
    }

    pub(crate) fn take_written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.written)).expect("replies are ASCII")
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.seen.last() == Some(&Seen::Close)
    }

    /// Returns the messages that were accepted, or at least read to their end.
    pub(crate) fn bodies(&self) -> Vec<&[u8]> {
        let mut bodies = Vec::new();
        for seen in &self.seen {
            if let Seen::Body(body) = seen {
                bodies.push(body.as_slice());
            }
        }
        bodies
    }

    /// Reads one packet as a caller does, and answers the events that need it.
    pub(crate) fn receive(&mut self, mut input: &[u8]) {
        while let Some(event) = self.session.next(self.now, &mut input) {
            match event {
                Event::Mail(sender) => {
                    let path = sender.path.to_string();
                    self.accepted = 0;
                    self.broken = path.starts_with("broken");
                    if path.starts_with("no") {
                        self.session.refuse(&Refusal::new(550, 7, 1, "Not from you"));
                    } else {
                        self.session.accept_mail();
                    }
                    self.seen.push(Seen::Mail(path));
                }
                Event::Recipient(path) => self.recipient(&path),
                Event::Body(text) => self.body(text),
                Event::Complete(recipients) => self.complete(recipients),
                Event::Unwanted => {
                    self.seen.push(Seen::Unwanted);
                    self.write();
                }
                Event::Refused { what, why } => {
                    if what == Refused::Message {
                        self.count_replies();
                    }
                    self.seen.push(Seen::Refused(what, why.to_string()));
                    self.write();
                }
                Event::Abandoned => {
                    self.seen.push(Seen::Abandoned);
                    self.write();
                }
                Event::StartTls => {
                    self.seen.push(Seen::StartTls);
                    self.write();
                    self.session.encrypted(self.trusted.clone());
                }
                Event::Flush => {
                    self.seen.push(Seen::Flush);
                    self.write();
                }
                Event::Close => {
                    self.seen.push(Seen::Close);
                    self.write();
                }
                other => panic!("an event without a test: {other:?}"),
            }
        }
        self.write();
    }

    fn recipient(&mut self, path: &ForwardPath) {
        let path = path.to_string();
        if path.starts_with("no") {
            self.session.refuse(&Refusal::new(550, 1, 1, "No such list"));
        } else {
            self.session.accept(path.clone());
            self.accepted += 1;
        }
        self.seen.push(Seen::Recipient(path));
    }

    fn body(&mut self, text: &[u8]) {
        assert!(!text.is_empty(), "a body event has octets");
        if let Some(Seen::Body(body)) = self.seen.last_mut() {
            body.extend_from_slice(text);
        } else {
            self.seen.push(Seen::Body(text.to_vec()));
        }
    }

    fn complete(&mut self, recipients: PerRecipient<String>) {
        self.write();
        self.seen.push(Seen::Complete(recipients.iter().cloned().collect()));
        if self.broken {
            self.session.refuse_message(&Refusal::new(451, 3, 0, "Out of order, try again later"));
        } else {
            let outcomes = recipients.map(|recipient| {
                self.queued += 1;
                if recipient.starts_with("full") {
                    Err(Refusal::new(452, 2, 2, "List full"))
                } else {
                    Ok(format!("queued as id-{}", self.queued))
                }
            });
            self.session.finish(&outcomes);
        }
        self.count_replies();
    }

    fn count_replies(&mut self) {
        let lines = self.session.output().iter().filter(|&&octet| octet == b'\n').count();
        self.replies_to_data.push((self.accepted, lines));
    }

    fn write(&mut self) {
        self.written.append(self.session.output());
    }
}

/// Plays a dialogue: text after `C: ` is sent, and exactly the text after `S: ` must come back. `S: (closes)`
/// is the end of the session.
pub(crate) fn play(server: &mut Server, script: &str) {
    let mut expected = Vec::new();
    let mut heard = server.take_written();
    let mut said = "(nothing yet)";
    let check = |said: &str, heard: &str, expected: &[&str]| {
        assert_eq!(heard.lines().collect::<Vec<_>>(), expected, "the replies to {said:?}");
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(':').map(|(who, text)| (who, text.trim_start())) {
            Some(("S", "(closes)")) => assert!(server.is_closed(), "the session is closed after {said:?}"),
            Some(("S", reply)) => expected.push(reply),
            Some(("C", command)) => {
                check(said, &heard, &expected);
                expected.clear();
                said = command;
                heard = server.say(format!("{command}\r\n").as_bytes());
            }
            _ => panic!("a line of a dialogue begins with C: or S:, and this is {line:?}"),
        }
    }
    check(said, &heard, &expected);
}

/// A client with what it reports and sends, against a server whose replies `answer` returns. Its argument is
/// a command line, or `.` for the end of the data, or empty for the greeting.
pub(crate) struct Peer<F> {
    pub(crate) client: Client,
    answer: F,
    in_data: bool,
    pub(crate) commands: Vec<String>,
    pub(crate) events: Vec<ClientEvent>,
}

impl<F: FnMut(&str) -> String> Peer<F> {
    /// Runs the dialogue up to the point where the client waits for its caller.
    pub(crate) fn new(answer: F) -> Self {
        Self::with(Client::new(Protocol::Lmtp, "client.example"), answer)
    }

    /// Does the same with another client.
    pub(crate) fn with(client: Client, mut answer: F) -> Self {
        let greeting = answer("");
        let mut peer = Self { client, answer, in_data: false, commands: Vec::new(), events: Vec::new() };
        peer.exchange(greeting);
        peer
    }

    /// Runs a whole transaction, with `text` as the message if the client is asked for it.
    pub(crate) fn send(&mut self, to: &[&str], text: &[u8]) {
        let from = sender("sender@example.org");
        self.client.send(&Transaction::new(&from, &recipients(to), Declared::of(text)));
        self.exchange(String::new());
        if wants_body(&self.events) {
            self.client.body(text);
            self.client.end_of_body();
            self.exchange(String::new());
        }
    }

    /// Passes octets back and forth until both sides are silent.
    pub(crate) fn exchange(&mut self, mut replies: String) {
        loop {
            let mut input = replies.as_bytes();
            while let Some(event) = self.client.next(&mut input) {
                self.events.push(event);
            }
            let out = std::mem::take(self.client.output());
            if out.is_empty() {
                return;
            }
            let out = String::from_utf8(out).expect("what the tests send is text");
            replies = out.split_terminator("\r\n").map(|line| self.receive_line(line)).collect();
        }
    }

    fn receive_line(&mut self, line: &str) -> String {
        if self.in_data && line != "." {
            return String::new();
        }
        self.commands.push(line.to_owned());
        let replies = (self.answer)(line);
        self.in_data = replies.starts_with("354");
        replies
    }

    /// Returns the code of each recipient's outcome, `None` for no outcome. Checks that no recipient has two.
    pub(crate) fn codes(&self, recipients: usize) -> Vec<Option<u16>> {
        codes(&self.events, recipients)
    }
}

/// Returns the code of each recipient's outcome, and checks that none has two.
pub(crate) fn codes(events: &[ClientEvent], recipients: usize) -> Vec<Option<u16>> {
    let mut codes = vec![None; recipients];
    for event in events {
        if let ClientEvent::Outcome { recipient, reply, .. } = event {
            let before = codes[*recipient].replace(reply.code);
            assert_eq!(before, None, "recipient {recipient} has two outcomes");
        }
    }
    codes
}

pub(crate) fn reply(code: u16, line: &str) -> Reply {
    Reply { code, lines: vec![line.to_owned()] }
}

pub(crate) fn sender(address: &str) -> ReversePath {
    ReversePath::Mailbox(address.parse().expect("a test writes good addresses"))
}

pub(crate) fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let path = |address: &&str| ForwardPath::Mailbox(address.parse().expect("a test writes good addresses"));
    addresses.iter().map(path).map(Recipient::from).collect()
}

/// Returns whether the client waits for the message.
pub(crate) fn wants_body(events: &[ClientEvent]) -> bool {
    matches!(events.last(), Some(ClientEvent::SendBody { .. }))
}

/// Returns the end of a session in which nothing is in doubt.
pub(crate) fn closed(why: Closed) -> ClientEvent {
    ClientEvent::Closed { why, in_doubt: None }
}

/// Returns the reason for the end of a session that the server refused or ended.
pub(crate) fn refused(phase: impl Into<Option<Phase>>, code: u16, line: &str) -> Closed {
    Closed::Refused { phase: phase.into(), reply: reply(code, line) }
}

/// A client and a server that exchange octets in pieces of the given sizes, used in turn.
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) piece_sizes: Vec<usize>,
    /// Whether PIPELINING is hidden from the client.
    pub(crate) hide_pipelining: bool,
    pub(crate) events: Vec<ClientEvent>,
}

impl Pair {
    pub(crate) fn new(server: Server, piece_sizes: &[usize]) -> Self {
        Self {
            client: Client::new(Protocol::Lmtp, "client.example"),
            server,
            piece_sizes: piece_sizes.to_vec(),
            hide_pipelining: false,
            events: Vec::new(),
        }
    }

    /// Sends one message from the client to the server.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], text: &[u8]) {
        self.exchange();
        self.client.send(&Transaction::new(&sender(from), &recipients(to), Declared::default()));
        self.exchange();
        if wants_body(&self.events) {
            for piece in pieces(text, &self.piece_sizes) {
                self.client.body(piece);
            }
            self.client.end_of_body();
            self.exchange();
        }
    }

    /// Passes octets back and forth until both sides are silent.
    pub(crate) fn exchange(&mut self) {
        loop {
            self.server.receive(b"");
            let mut to_client = self.server.take_written();
            if self.hide_pipelining {
                to_client = to_client.replace("250-PIPELINING\r\n", "");
            }
            for mut piece in pieces(to_client.as_bytes(), &self.piece_sizes) {
                while let Some(event) = self.client.next(&mut piece) {
                    self.events.push(event);
                }
            }
            let to_server = std::mem::take(self.client.output());
            if to_server.is_empty() {
                return;
            }
            for piece in pieces(&to_server, &self.piece_sizes) {
                self.server.receive(piece);
            }
        }
    }
}

/// Cuts `octets` into pieces of the given sizes, used in turn.
pub(crate) fn pieces<'a>(octets: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = octets;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
