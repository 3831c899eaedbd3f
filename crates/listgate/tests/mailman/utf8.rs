//! What Mailman's own runners do with mail that has UTF-8, or other octets above ASCII, in its header: they process
//! all of it, and nothing is shunted or lost without a word.

use crate::site::{Mailman, printed};
use crate::support::{Peer, free_address, queued_as};
use serde_json::Value;
use std::process::Command;

/// Lists that accept, hold and reject the mail of strangers. Anne is a member of all.
const PEOPLE: &str = r"
from mailman.interfaces.action import Action
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.usermanager import IUserManager
from zope.component import getUtility

anne = getUtility(IUserManager).make_user('anne@example.org')
for name, action in (('accept', Action.accept), ('hold', Action.hold), ('reject', Action.reject)):
    test = getUtility(IListManager).get(name + '@example.com')
    test.default_nonmember_action = action
    test.send_welcome_message = False
    test.admin_immed_notify = True
    test.subscribe(*anne.addresses)
";

/// Runs all runners, in one process, until nothing is left to do. Prints the mail that leaves the site, one JSON
/// array `[recipients, octets and text]` for each, and then the log of errors.
const RUN: &str = r"
import email, json, logging, os, traceback
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from mailman.bin.runner import make_runner

class Sink:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content)
        parts = [part for part in message.walk() if not part.is_multipart()]
        texts = [part.get_payload(decode=True).decode('latin-1') for part in parts]
        print(json.dumps([envelope.rcpt_tos, envelope.content.decode('latin-1') + '\n'.join(texts)]))
        return '250 OK'

class Errors(logging.Handler):
    def emit(self, record):
        lines = [record.getMessage()]
        if record.exc_info:
            lines += traceback.format_exception(*record.exc_info)
        print(json.dumps(['error', '\n'.join(lines)]))

logging.getLogger('mailman.error').addHandler(Errors())
sink = Controller(Sink(), hostname='127.0.0.1', port=int(config.mta.smtp_port))
sink.start()
directory = config.QUEUE_DIR
def waits(queue):
    path = os.path.join(directory, queue)
    return os.path.isdir(path) and any(name.endswith('.pck') for name in os.listdir(path))
queues = ('in', 'command', 'bounces', 'pipeline', 'virgin', 'archive', 'digest', 'out')
while any(waits(queue) for queue in queues):
    for queue in queues:
        while waits(queue):
            make_runner(queue, 0, 1, once=True).run()
sink.stop()
";

/// The suffixes of the addresses of a list, and a list for each.
const ADDRESSES: [(&str, &str); 10] = [
    ("accept", ""),
    ("hold", ""),
    ("reject", ""),
    ("accept", "-owner"),
    ("accept", "-join"),
    ("accept", "-leave"),
    ("accept", "-request"),
    ("accept", "-confirm"),
    ("accept", "-bounces"),
    ("accept", "-confirm+0123456789abcdef"),
];

/// One kind of mail. `N` is the number of the message, so that all senders are different.
struct Kind {
    envelope: &'static str,
    /// The value of From, and the address that Mailman gets from it.
    from: (&'static str, &'static str),
    /// What is before and after the list's address in To.
    to: (&'static str, &'static str),
    /// Other fields.
    more: &'static [u8],
}

const PLAIN: Kind = Kind {
    envelope: "dirkN@example.net",
    from: ("Dirk <dirkN@example.net>", "dirkN@example.net"),
    to: ("", ""),
    more: b"",
};

const UTF8: &str = "jürgenN@müller.example";
/// Mailman compares addresses in lower case.
const ITS_ASCII: &str = "j=c3=bcrgenN@xn--mller-kva.example";

fn kinds() -> Vec<Kind> {
    let from = |from, ascii| Kind { from: (from, ascii), ..PLAIN };
    let to = |before, after| Kind { to: (before, after), ..PLAIN };
    let more = |more: &'static [u8]| Kind { more, ..PLAIN };
    let text = |text: &'static str| more(text.as_bytes());
    vec![
        PLAIN,
        text("Subject: Grüße\r\n"),
        more(b"Subject: Gr\xfc\xdfe\r\n"),
        from("Jürgen <dirkN@example.net>", PLAIN.from.1),
        from("\"Müller, Jürgen\" <dirkN@example.net>", PLAIN.from.1),
        from("Jürgen <jürgenN@müller.example>", ITS_ASCII),
        from(UTF8, ITS_ASCII),
        from("jürgenN@example.net", "j=c3=bcrgenN@example.net"),
        from("dirkN@müller.example", "dirkN@xn--mller-kva.example"),
        Kind { envelope: UTF8, ..PLAIN },
        Kind { envelope: UTF8, ..from("Jürgen <jürgenN@müller.example>", ITS_ASCII) },
        Kind { envelope: UTF8, ..text("Subject: Grüße\r\n") },
        to("jürgen@müller.example, ", ""),
        to("Jürgen <", ">"),
        text("Cc: jürgen@müller.example, Jürgen <x@example.net>\r\n"),
        text("Reply-To: jürgen@müller.example\r\n"),
        text("Sender: Jürgen <jürgen@müller.example>\r\nResent-From: jürgen@müller.example\r\n"),
        text("Delivered-To: jürgen@müller.example\r\nX-Original-To: jürgen@müller.example\r\n"),
        text("Date: Größe\r\n"),
        text("Comments: Grüße\r\nReferences: <ü@müller.example>\r\nIn-Reply-To: <ü@b>\r\nList-Id: ü\r\n"),
        text("To: \"Jürgen <x@example.net>\r\nCc: Jürgen (\r\n"),
        text("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; name=\"Grüße\"\r\n"),
        more(b"From: \xfc <\xfc@\xfc>\r\nTo: \xfc\r\nReply-To: \xfc@\xfc\r\nPrecedence: \xfc\r\n"),
    ]
}

/// A message that was sent.
struct Sent {
    id: String,
    /// The address of its sender, as Mailman knows it.
    sender: String,
    to: (&'static str, &'static str),
    /// The beginning of its header.
    header: String,
}

/// Sends a message to an address of a list.
fn send(peer: &mut Peer, number: usize, kind: &Kind, (list, suffix): (&'static str, &'static str)) -> Sent {
    let numbered = |text: &str| text.replace('N', &number.to_string());
    let address = format!("{list}{suffix}@example.com");
    // Some messages have octets above ASCII in their id, and each one becomes a question mark.
    let id = if number.is_multiple_of(5) { format!("ü{number}@b") } else { format!("u{number}@b") };
    let header = format!(
        "From: {}\r\nTo: {}{address}{}\r\nMessage-ID: <{id}>\r\n",
        numbered(kind.from.0),
        kind.to.0,
        kind.to.1
    );
    let body = if suffix == "-request" { "help\r\n" } else { "Grüße\r\n" };
    let message = [header.as_bytes(), kind.more, b"\r\n", body.as_bytes()].concat();
    let from = if suffix.starts_with("-bounces") { String::new() } else { numbered(kind.envelope) };
    let replies = peer.deliver(&from, &[&address], message);
    assert_eq!(&replies[0][..3], "250", "{address}: {}", replies[0]);
    let header = header + &String::from_utf8_lossy(kind.more);
    Sent { id: id.replace('ü', "??"), sender: numbered(kind.from.1), to: (list, suffix), header }
}

/// Asserts that the message led to what it leads to in ASCII: `left` is the mail that left the site.
fn assert_processed(sent: &Sent, left: &[(Vec<String>, String)]) {
    let has_id = |text: &str| text.contains(&format!("<{}>", sent.id));
    let (recipient, needs_id) = match sent.to {
        ("accept", "") => ("anne@example.org", true),
        ("hold", _) => ("hold-owner@example.com", true),
        (_, "-owner") => ("owner@example.org", true),
        (_, suffix) if suffix.starts_with("-bounces") => ("owner@example.org", true),
        _ => (&*sent.sender, false),
    };
    let is_it = |(recipients, text): &&(Vec<String>, String)| {
        recipients.iter().any(|other| other == recipient) && (!needs_id || has_id(text))
    };
    let found = left.iter().filter(is_it).count();
    assert!(found > 0, "nothing for {recipient} of the mail to {:?}:\n{}", sent.to, sent.header);
}

#[test]
#[ignore = "needs mailman"]
fn runners_process_mail_with_utf8_in_its_header() {
    let mailman = Mailman::with("[archiver.prototype]\nenable: yes\n", None);
    mailman.create(&["accept@example.com", "hold@example.com", "reject@example.com"]);
    mailman.python(PEOPLE, &[]);
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let kinds = kinds();
    let cases = kinds.iter().flat_map(|kind| ADDRESSES.map(|address| (kind, address)));
    let mut sent: Vec<Sent> =
        cases.enumerate().map(|(at, (kind, address))| send(&mut peer, at, kind, address)).collect();
    // Details in UTF-8: a token, and the address of a member that bounced.
    for (at, detail) in ["-confirm+tökén", "-bounces+jürgen=müller.example"].into_iter().enumerate() {
        sent.push(send(&mut peer, 1000 + at, &PLAIN, ("accept", detail)));
    }
    drop(server);
    let port = free_address().port();
    let run = format!("config.push('sink', '[mta]\\nsmtp_port: {port}\\n')\n{RUN}");
    let printed = mailman.script(&run, &[]);
    assert_eq!(mailman.files("shunt"), [""; 0], "{}", errors(&printed));
    for queue in
        ["bad", "in", "command", "bounces", "pipeline", "virgin", "archive", "digest", "out", "retry"]
    {
        assert_eq!(mailman.files(queue), [""; 0], "{queue}");
    }
    let left: Vec<_> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(left.len() > sent.len(), "{} left, {} sent", left.len(), sent.len());
    for sent in &sent {
        assert_processed(sent, &left);
    }
}

fn errors(printed: &str) -> String {
    let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line[0] == "error").map(|line| line[1].as_str().unwrap().to_owned() + "\n").collect()
}

/// The stored form is what an operator sees.
#[test]
#[ignore = "needs mailman"]
fn queue_show_prints_the_form_that_is_stored() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let message =
        "From: Jürgen <jürgen@müller.example>\r\nSubject: Grüße\r\nMessage-ID: <ü@b>\r\n\r\nGrüße\r\n";
    let replies = peer.deliver("jürgen@müller.example", &["test@example.com"], message);
    let mut show = Command::new(env!("CARGO_BIN_EXE_listgate"));
    show.args(["queue", "show", queued_as(&replies[0]), "--mailman"]).arg(mailman.cfg());
    let shown = printed(show.current_dir(mailman.var()));
    for line in [
        "From: =?utf-8?b?SsO8cmdlbg==?= <j=C3=BCrgen@xn--mller-kva.example>",
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
        "Message-ID: <??@b>",
        "X-MailFrom: j=C3=BCrgen@xn--mller-kva.example",
        "Grüße",
    ] {
        assert!(shown.contains(line), "{line:?} is not in {shown}");
    }
    let entry = &mailman.entries("in")[0];
    assert_eq!(entry.message["_unixfrom"], "j=C3=BCrgen@xn--mller-kva.example");
}
