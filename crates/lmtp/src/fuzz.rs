//! Properties that hold for any input, one function for each fuzz target (`fuzz/`). The fuzzer tries to break
//! them; the tests replay the inputs in its corpus.
//!
//! Where octets arrive in pieces, the first octet of the input (in [`session`] the second) is the size of a piece.

use crate::client::{
    Client, ClientEvent, Closed, Credentials, Declared, Dsn, Phase, Protocol, Recipient, Transaction,
    TransactionId,
};
use crate::command::{self, Command};
use crate::data::{DataReader, DataWriter, Piece};
use crate::limits::{self, Limits};
use crate::line::LineReader;
use crate::mailbox::{
    ForwardPath, Mailbox, ReversePath, is_domain, is_domain_name, is_dot_string, needs_no_quotes,
    take_forward_path, take_reverse_path,
};
use crate::per_recipient::PerRecipient;
use crate::reply::{Refusal, Reply, ReplyReader};
use crate::session::{BareNewline, Event, Refused, Session, Settings};
use memchr::memmem;
use std::sync::Arc;
use std::time::Instant;

/// Checks that a command line has the same meaning after it is written out again, and that an invalid one is
/// refused with one reply line.
pub fn command(line: &[u8]) {
    let parsed = command::parse(line);
    let blanks = [line, b" \t"].concat();
    assert_eq!(parsed, command::parse(&blanks), "blanks at the end say nothing");
    let verb = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let lower = [&line[..verb].to_ascii_lowercase(), &line[verb..]].concat();
    assert_eq!(parsed, command::parse(&lower), "nor does the case of a verb");
    match &parsed {
        Ok(command) => {
            let again = written(command);
            assert_eq!(command::parse(again.as_bytes()), parsed, "{again:?}");
            assert_eq!(command::is_mail(line), matches!(command, Command::Mail(_)));
        }
        Err(refusal) => {
            assert!(matches!(refusal.code(), 500 | 501 | 502 | 555));
            let mut wire = Vec::new();
            refusal.encode(&mut wire);
            let [reply] = &replies(&wire)[..] else { panic!("a refusal is one reply") };
            assert_eq!(reply.to_string(), refusal.to_string());
        }
    }
}

fn written(command: &Command<'_>) -> String {
    match command {
        Command::Lhlo(name) => format!("LHLO {name}"),
        Command::Mail(sender) => {
            let path = match &sender.path {
                ReversePath::Null => String::new(),
                ReversePath::Mailbox(mailbox) => mailbox.to_string(),
            };
            let size = sender.size.map_or(String::new(), |size| format!(" SIZE={size}"));
            let utf8 = if sender.smtputf8 { " SMTPUTF8" } else { "" };
            format!("MAIL FROM:<{path}>{size}{utf8}")
        }
        Command::Rcpt(path) => format!("RCPT TO:<{path}>"),
        Command::Data => "DATA".to_owned(),
        Command::Rset => "RSET".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Vrfy => "VRFY x".to_owned(),
        Command::Help => "HELP".to_owned(),
        Command::Quit => "QUIT".to_owned(),
        Command::StartTls { alone } => if *alone { "STARTTLS" } else { "STARTTLS x" }.to_owned(),
    }
}

/// Parses what a server wrote: whole reply lines, each within the length limit of RFC 5321 section 4.5.3.1.5.
fn replies(mut wire: &[u8]) -> Vec<Reply> {
    let (mut lines, mut reader, mut replies) = (LineReader::new(510), ReplyReader::default(), Vec::new());
    assert!(wire.is_empty() || wire.ends_with(b"\r\n"), "a line is written whole");
    while let Some(line) = lines.next(&mut wire) {
        let line = line.expect("a line of at most 512 octets");
        assert!(line.iter().all(|octet| matches!(octet, b' '..=b'~')), "{}", line.escape_ascii());
        replies.extend(reader.line(&line).expect("a reply line"));
    }
    replies
}

/// Checks the end and the content of the data against [`reference`], whatever pieces the data is read or written in.
pub fn data(input: &[u8]) {
    let Some((&size, wire)) = input.split_first() else { return };
    let size = usize::from(size).max(1);
    let wire = [wire, b"\r\n.\r\nRSET\r\n"].concat();
    let (message, bare_newline, rest) = reference(&wire);
    assert_eq!(read(&wire, size), Some((message.clone(), bare_newline, rest)));
    let mut writer = DataWriter::new();
    let mut again = Vec::new();
    message.chunks(size).for_each(|piece| writer.write(piece, &mut again));
    writer.end(&mut again);
    assert_eq!(read(&again, size), Some((message, bare_newline, Vec::new())));
}

/// Reads `wire` in pieces of `size` octets. Returns the message, whether it had bare newlines, and what
/// followed the final dot; or `None` if there was no final dot.
pub(crate) fn read(wire: &[u8], size: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
    let mut reader = DataReader::new();
    let mut message = Vec::new();
    let mut arrived = 0;
    for mut chunk in wire.chunks(size) {
        arrived += chunk.len();
        while let Some(piece) = reader.next(&mut chunk) {
            match piece {
                Piece::Text(text) => message.extend_from_slice(text),
                Piece::End => {
                    let rest = wire[arrived - chunk.len()..].to_vec();
                    return Some((message, reader.bare_newline(), rest));
                }
            }
        }
    }
    None
}

/// Does the same with all octets at once, following the wording of RFC 5321 sections 4.1.1.4 and 4.5.2.
fn reference(wire: &[u8]) -> (Vec<u8>, bool, Vec<u8>) {
    // A dot at the very beginning follows the CR LF of the DATA command.
    let wire = [b"\r\n", wire].concat();
    let end = memmem::find(&wire, b"\r\n.\r\n").expect("the data ends");
    let (text, rest) = (&wire[..end + 2], &wire[end + 5..]);
    let is_stuffing = |at: usize| text[at] == b'.' && text[..at].ends_with(b"\r\n");
    let message = (2..text.len()).filter(|at| !is_stuffing(*at)).map(|at| text[at]).collect();
    let count = |octets| memmem::find_iter(text, octets).count();
    let both = count(b"\r\n".as_slice());
    (message, count(b"\r") != both || count(b"\n") != both, rest.to_vec())
}

/// Checks that an address keeps the text it was parsed from, and that its parts make up that text.
pub fn mailbox(input: &[u8]) {
    for path in [input.to_vec(), [b"<", input, b">"].concat()] {
        if let Ok(path) = take_forward_path(&mut path.as_slice()) {
            let again = format!("<{path}> ORCPT=x");
            let mut rest = again.as_bytes();
            assert_eq!((take_forward_path(&mut rest), rest), (Ok(path), b" ORCPT=x".as_slice()));
        }
        if let Ok(ReversePath::Mailbox(mailbox)) = take_reverse_path(&mut path.as_slice()) {
            assert_eq!(mailbox.as_str().parse(), Ok(mailbox));
        }
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if needs_no_quotes(text) && text.len() <= limits::LOCAL_PART {
        assert!(format!("{text}@a").parse::<Mailbox>().is_ok(), "{text:?} is a local part");
    }
    assert!(needs_no_quotes(text) || !is_dot_string(text), "{text:?} needs no quotes");
    assert_eq!(is_domain(text), format!("a@{text}").parse::<Mailbox>().is_ok(), "{text:?}");
    assert!(is_domain(text) || !is_domain_name(text), "{text:?} is a domain");
    let Ok(mailbox) = text.parse::<Mailbox>() else { return };
    let (local, domain) = (mailbox.local(), mailbox.domain());
    assert_eq!(mailbox.as_str(), text);
    assert_eq!(format!("{}@{}", local.as_str(), domain.as_str()), text);
    assert_ne!(needs_no_quotes(local.as_str()), local.is_quoted());
    assert_ne!(is_domain_name(domain.as_str()), domain.is_literal());
    let quoted = local.unquoted().replace('\\', "\\\\").replace('"', "\\\"");
    let Ok(again) = format!("\"{quoted}\"@{}", domain.as_str()).parse::<Mailbox>() else {
        assert!(quoted.len() + 2 > limits::LOCAL_PART, "only its quotes can make it too long");
        return;
    };
    assert_eq!(again.local().unquoted(), local.unquoted());
}

/// Checks that a session's replies and events do not depend on the pieces its input arrives in. The first
/// octet chooses the settings.
pub fn session(input: &[u8]) {
    let [choice, size, wire @ ..] = input else { return };
    let mut whole = Caller::new(*choice);
    whole.receive(wire);
    whole.fall_silent();
    let mut cut = Caller::new(*choice);
    for piece in wire.chunks(usize::from(*size).max(1)) {
        cut.receive(piece);
        if cut.seen.contains(&Seen::StartTls) {
            // The handshake reads what follows, and fails.
            break;
        }
    }
    cut.fall_silent();
    assert_eq!(whole.written.escape_ascii().to_string(), cut.written.escape_ascii().to_string());
    assert_eq!(whole.without_refused_bodies(), cut.without_refused_bodies());
    replies(&whole.written);
}

#[derive(Debug, PartialEq)]
enum Seen {
    Mail(ReversePath),
    Recipient(ForwardPath),
    /// Adjacent pieces, merged into one.
    Body(Vec<u8>),
    Complete,
    Unwanted,
    Refused(Refused, Refusal),
    Abandoned,
    StartTls,
    Flush,
    Close,
}

/// Drives a session and decides by the start of each address: `no` is refused, `full` is refused after the
/// data, and after a sender `broken` every recipient is. Checks that a transaction ends once, with one reply
/// for each recipient.
struct Caller {
    session: Session<bool, &'static str>,
    now: Instant,
    seen: Vec<Seen>,
    written: Vec<u8>,
    open: bool,
    broken: bool,
    accepted: usize,
    /// The message will end with a refusal.
    unwanted: bool,
}

impl Caller {
    fn new(choice: u8) -> Self {
        let narrow = Limits {
            message_size: 60,
            recipients: 3,
            errors: 10,
            idle_commands: 10,
            commands: 30,
            ..Limits::default()
        };
        let settings = Settings {
            software: "b".to_owned(),
            bare_newline: if choice & 1 == 0 { BareNewline::Keep } else { BareNewline::Reject },
            limits: if choice & 2 == 0 { narrow } else { Limits::default() },
            ..Settings::new("a")
        };
        let mut session = Session::new(Arc::new(settings));
        match choice & 12 {
            4 => session.offer_starttls(),
            12 => session.require_tls(),
            _ => {}
        }
        Self {
            session,
            now: Instant::now(),
            seen: Vec::new(),
            written: Vec::new(),
            open: false,
            broken: false,
            accepted: 0,
            unwanted: false,
        }
    }

    /// Lets the time pass that ends a line with a bare LF.
    fn fall_silent(&mut self) {
        self.receive(b"");
        self.now += limits::UNENDED_LINE;
        self.receive(b"");
    }

    fn receive(&mut self, mut input: &[u8]) {
        while let Some(event) = self.session.next(self.now, &mut input) {
            assert_ne!(self.seen.last(), Some(&Seen::Close), "nothing follows the end");
            let seen = match event {
                Event::Mail(sender) => self.mail(sender.path),
                Event::Recipient(path) => self.recipient(path),
                Event::Body(text) => {
                    assert!(self.open && !self.unwanted && !text.is_empty());
                    match self.seen.pop() {
                        Some(Seen::Body(body)) => Seen::Body([&body, text].concat()),
                        other => {
                            self.seen.extend(other);
                            Seen::Body(text.to_vec())
                        }
                    }
                }
                Event::Complete(recipients) => self.complete(recipients),
                Event::Unwanted => {
                    assert!(self.open && !std::mem::replace(&mut self.unwanted, true));
                    Seen::Unwanted
                }
                Event::Refused { what, why } => self.refused(what, why),
                Event::Abandoned => {
                    assert!(std::mem::take(&mut self.open), "only what is open is abandoned");
                    assert!(!self.unwanted, "what is unwanted is refused at its end");
                    Seen::Abandoned
                }
                Event::StartTls => {
                    assert!(!self.open && input.is_empty(), "nothing is kept");
                    self.written.append(self.session.output());
                    self.session.encrypted(Ok(()));
                    Seen::StartTls
                }
                Event::Flush => Seen::Flush,
                Event::Close => Seen::Close,
            };
            self.seen.push(seen);
            self.written.append(self.session.output());
        }
        self.written.append(self.session.output());
    }

    fn mail(&mut self, path: ReversePath) -> Seen {
        assert!(!self.open, "one transaction at a time");
        let name = path.to_string();
        self.broken = name.starts_with("broken");
        self.accepted = 0;
        self.open = !name.starts_with("no");
        if self.open {
            self.session.accept_mail();
        } else {
            self.session.refuse(&Refusal::new(550, 7, 1, "Not from you"));
        }
        Seen::Mail(path)
    }

    fn recipient(&mut self, path: ForwardPath) -> Seen {
        assert!(self.open);
        let name = path.to_string();
        if name.starts_with("no") {
            self.session.refuse(&Refusal::new(550, 1, 1, "No such list"));
        } else {
            self.session.accept(name.starts_with("full"));
            self.accepted += 1;
        }
        Seen::Recipient(path)
    }

    fn refused(&mut self, what: Refused, why: Refusal) -> Seen {
        let told = match &what {
            Refused::Mail(_) => !self.open,
            Refused::Recipient(_) => self.open,
            Refused::Protocol(_) => true,
            Refused::Message => std::mem::take(&mut self.open) && std::mem::take(&mut self.unwanted),
        };
        assert!(told, "{what:?} is refused where it can be");
        let expected = if what == Refused::Message { self.accepted } else { 1 };
        let output = replies(self.session.output());
        assert!(output.len() >= expected);
        let own = output[output.len() - expected..].iter();
        own.for_each(|reply| assert_eq!(reply.to_string(), why.to_string()));
        Seen::Refused(what, why)
    }

    fn complete(&mut self, recipients: PerRecipient<bool>) -> Seen {
        assert!(std::mem::take(&mut self.open) && !self.unwanted);
        assert_eq!(recipients.iter().len(), self.accepted);
        self.written.append(self.session.output());
        if self.broken {
            self.session.refuse_message(&Refusal::new(451, 3, 0, "Later"));
        } else {
            let full = Refusal::new(452, 2, 2, "List full");
            let outcomes = recipients.map(|is_full| if is_full { Err(full.clone()) } else { Ok("1") });
            self.session.finish(&outcomes);
        }
        assert_eq!(replies(self.session.output()).len(), self.accepted);
        Seen::Complete
    }

    /// Returns the events without the bodies of refused messages: how much of one arrives before the refusal
    /// depends on the pieces, and is discarded anyway.
    fn without_refused_bodies(&self) -> Vec<&Seen> {
        let refused = |at: usize| matches!(self.seen.get(at..at + 2), Some([Seen::Body(_), Seen::Unwanted]));
        (0..self.seen.len()).filter(|at| !refused(*at)).map(|at| &self.seen[at]).collect()
    }
}

/// Checks that a client's events and output do not depend on the pieces in which a server's replies arrive,
/// that each recipient's outcome is reported once, and that the replies can be written out and read again. The size of
/// a piece is at most 127; beyond that, the protocol is SMTP.
pub fn client(input: &[u8]) {
    let Some((&choice, wire)) = input.split_first() else { return };
    let protocol = if choice < 128 { Protocol::Lmtp } else { Protocol::Smtp };
    let whole = Conversation::of(protocol, [wire].into_iter());
    let cut = Conversation::of(protocol, wire.chunks(usize::from(choice % 128).max(1)));
    assert_eq!(whole.events, cut.events);
    assert_eq!(whole.said.escape_ascii().to_string(), cut.said.escape_ascii().to_string());
    check_events(&whole);
}

/// Checks that every recipient of every transaction gets one outcome, in order of the transactions, and that the end of
/// the session names what is in doubt.
fn check_events(conversation: &Conversation) {
    let mut answered = vec![[false; RECIPIENTS]; conversation.sent.len()];
    let mut last = 0;
    for (at, event) in conversation.events.iter().enumerate() {
        let place_of =
            |id: &TransactionId| conversation.sent.iter().position(|sent| sent == id).expect("it was sent");
        match event {
            ClientEvent::Outcome { transaction, recipient, phase, reply } => {
                let place = place_of(transaction);
                assert!(last <= place, "outcomes come in the order of the transactions");
                last = place;
                let before = std::mem::replace(&mut answered[place][*recipient], true);
                assert!(!before, "an outcome is reported once");
                assert!(*phase == Phase::Message || !reply.is_positive());
                read_again(reply);
            }
            ClientEvent::SendBody { transaction } => {
                let place = place_of(transaction);
                assert!(answered[place].iter().any(|answered| !answered), "someone is accepted");
                assert!(answered[..place].iter().flatten().all(|answered| *answered), "one dot at a time");
            }
            ClientEvent::Refused { reply, .. } => assert!(!reply.is_positive()),
            ClientEvent::Ready | ClientEvent::StartTls => {}
            ClientEvent::Closed { in_doubt, .. } => {
                assert_eq!(at + 1, conversation.events.len(), "nothing follows the end");
                if let Some(id) = in_doubt {
                    let place = place_of(id);
                    assert!(answered[place].iter().any(|answered| !answered), "an outcome is missing");
                    assert!(answered[..place].iter().flatten().all(|answered| *answered));
                }
            }
        }
    }
}

fn read_again(reply: &Reply) {
    let mut written = Vec::new();
    reply.encode(&mut written);
    let mut again = Vec::new();
    replies(&written).iter().for_each(|reply| reply.encode(&mut again));
    assert_eq!(written, again);
}

const RECIPIENTS: usize = 3;

/// A client that logs in, starts TLS, and sends one message after another, each as early as it may.
struct Conversation {
    client: Client,
    to: Vec<Recipient>,
    dsn: Dsn,
    asked: [bool; 2],
    sent: Vec<TransactionId>,
    events: Vec<ClientEvent>,
    said: Vec<u8>,
}

impl Conversation {
    fn of<'w>(protocol: Protocol, pieces: impl Iterator<Item = &'w [u8]>) -> Self {
        let original = Some("a+b@c".parse().expect("an address"));
        let recipient = Recipient { path: ForwardPath::Postmaster, original };
        let mut conversation = Self {
            client: Client::new(protocol, "a"),
            to: vec![recipient; RECIPIENTS],
            dsn: Dsn { envelope_id: "x=1".parse().ok(), headers_only: true, failures_only: true },
            asked: [false; 2],
            sent: Vec::new(),
            events: Vec::new(),
            said: Vec::new(),
        };
        for piece in pieces {
            conversation.receive(piece);
            if conversation.events.last() == Some(&ClientEvent::StartTls) {
                // The handshake reads what follows, and fails. Plaintext in the same piece is found earlier.
                let (why, in_doubt) = (Closed::Plaintext, None);
                conversation.events.pop();
                conversation.events.push(ClientEvent::Closed { why, in_doubt });
                break;
            }
        }
        conversation
    }

    fn receive(&mut self, mut input: &[u8]) {
        while let Some(event) = self.client.next(&mut input) {
            let in_doubt = self.client.in_doubt();
            match &event {
                ClientEvent::Ready => self.ready(),
                ClientEvent::Refused { .. } => self.send(),
                ClientEvent::SendBody { transaction } => {
                    assert_eq!((in_doubt, self.sent.last()), (None, Some(transaction)));
                    self.client.body(b"x");
                    self.client.end_of_body();
                    assert_eq!(self.client.in_doubt(), Some(*transaction));
                    if self.client.may_send() {
                        self.send();
                    }
                }
                ClientEvent::Outcome { .. } | ClientEvent::StartTls => {}
                ClientEvent::Closed { in_doubt: told, .. } => assert_eq!(*told, in_doubt),
            }
            self.events.push(event);
        }
        self.said.append(self.client.output());
    }

    fn ready(&mut self) {
        let server = self.client.server();
        let (tls, auth) = (server.starttls, !server.auth.is_empty());
        if tls && !std::mem::replace(&mut self.asked[0], true) {
            self.client.start_tls();
        } else if auth && !std::mem::replace(&mut self.asked[1], true) {
            let credentials = Credentials::new("user", "secret").expect("without NUL");
            if self.client.authenticate(&credentials).is_err() {
                self.send();
            }
        } else {
            self.send();
        }
    }

    fn send(&mut self) {
        let declared = Declared { size: Some(2), utf8_header: true, eight_bit: true };
        let from = ReversePath::Null;
        let transaction = Transaction { from: &from, to: &self.to, declared, dsn: Some(&self.dsn) };
        self.sent.push(self.client.send(&transaction));
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use proptest::{collection::vec, prelude::*, sample::select};

    /// Generates what a server may send, or something close to it, behind the octet that chooses the protocol.
    fn replies() -> impl Strategy<Value = Vec<u8>> {
        let usual = select(vec!["250 Ok", "250 Ok", "250 Ok", "250 Ok", "354 go", "354 go", "250-more"]);
        let other = select(vec![
            "550 5.1.1 No",
            "451 4.3.0 Later",
            "503 5.5.1 No",
            "220 go",
            "235 in",
            "334 ",
            "421 4.3.2 Bye",
            "250",
            "",
            "x",
        ]);
        let line = prop_oneof![3 => usual, 1 => other].prop_map(|line| format!("{line}\r\n"));
        let keyword = select(vec!["PIPELINING", "PIPELINING", "SMTPUTF8", "DSN", "AUTH LOGIN", "STARTTLS"]);
        let hello = vec(keyword, 0..3).prop_map(|keywords| {
            let lines: String = keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
            format!("220 a\r\n250-b\r\n{lines}250 SIZE\r\n")
        });
        (any::<u8>(), hello, vec(line, 0..40)).prop_map(|(choice, hello, lines)| {
            [&[choice], hello.as_bytes(), lines.concat().as_bytes()].concat()
        })
    }

    proptest! {
        #[test]
        fn a_client_reports_each_outcome_once_however_replies_are_split(input in replies()) {
            super::client(&input);
        }
    }

    #[test]
    fn the_corpora_pass() {
        replay("client", super::client);
        replay("command", super::command);
        replay("data", super::data);
        replay("mailbox", super::mailbox);
        replay("session", super::session);
    }
}
