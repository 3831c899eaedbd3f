//! `kill -9` at random moments under load, while Mailman's runners process what is there.
//!
//! This says nothing about a power loss, which the page cache does not survive; `order` does.

use crate::site::{Entry, Mailman};
use crate::support::{PATIENCE, queued_as, until};
use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SESSIONS: u64 = 4;
/// A post and mail to the owners, which the `in` runner takes, and a command for the `command` runner.
const TO: [&str; 3] = ["test@example.com", "test-owner@example.com", "test-request@example.com"];
/// Makes the runners look for more mail at once.
const EAGER: &str = "[runner.in]\nsleep_time: 0.01s\n[runner.command]\nsleep_time: 0.01s\n";
/// Makes the sender a member, whose posts are accepted.
const MEMBER: &str = r"
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.usermanager import IUserManager
from zope.component import getUtility

test = getUtility(IListManager).get('test@example.com')
test.send_welcome_message = False
# However large, and however like a command.
test.max_message_size, test.administrivia = 0, False
test.subscribe(*getUtility(IUserManager).make_user('anne@example.org').addresses)
";

/// Returns the body of the message with this number. One in four is large and goes to a spool file.
fn body(number: u64) -> String {
    let lines = if number.is_multiple_of(4) { 1_500 + number % 997 } else { number % 97 };
    format!("the body of {number}, again and again\r\n").repeat(usize::try_from(lines).unwrap())
}

fn message(number: u64) -> String {
    let header = "From: anne@example.org\r\nTo: test@example.com\r\nSubject: echo";
    format!("{header} {number}\r\nMessage-ID: <{number}@x>\r\n\r\n{}", body(number))
}

/// The number of a message, and the index of the recipient it came to.
type Addressed = (u64, usize);

/// A mail server whose gate may die at any moment.
struct MailServer {
    stream: TcpStream,
    lines: Lines<BufReader<TcpStream>>,
}

impl MailServer {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut server = Self { lines: BufReader::new(stream.try_clone()?).lines(), stream };
        server.expect("220")?;
        server.write("LHLO client.example\r\n")?;
        server.expect("250")?;
        Ok(server)
    }

    fn write(&mut self, words: &str) -> io::Result<()> {
        self.stream.write_all(words.as_bytes())
    }

    /// Returns the last line of the next reply, which must have this code.
    fn expect(&mut self, code: &str) -> io::Result<String> {
        loop {
            let line = self.lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            assert_eq!(&line[..3], code, "{line}");
            if line.as_bytes()[3] == b' ' {
                return Ok(line);
            }
        }
    }

    /// Delivers to all recipients, and reports each promise when it is read.
    fn send(&mut self, number: u64, promised: &Sender<Addressed>) -> io::Result<()> {
        let to = TO.map(|to| format!("RCPT TO:<{to}>\r\n")).concat();
        self.write(&format!("MAIL FROM:<anne@example.org>\r\n{to}DATA\r\n"))?;
        for code in ["250", "250", "250", "250", "354"] {
            self.expect(code)?;
        }
        self.write(&format!("{}.\r\n", message(number)))?;
        for recipient in 0..TO.len() {
            queued_as(&self.expect("250")?);
            promised.send((number, recipient)).unwrap();
        }
        Ok(())
    }
}

/// Delivers in several sessions and kills the gate after `life`. Returns the promises that were read.
fn load(mailman: &Mailman, round: u64, life: Duration) -> Vec<Addressed> {
    let (promised, reported) = mpsc::channel();
    let mut server = mailman.listgate();
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (promised, address) = (promised.clone(), server.address);
            let deliver = move || {
                let mut server = MailServer::connect(address)?;
                (0..).try_for_each(|n| server.send(round * 1_000_000 + n * SESSIONS + session, &promised))
            };
            scope.spawn(move || deliver().unwrap_err());
        }
        thread::sleep(life);
        server.signal("KILL");
        assert_eq!(server.wait(), None);
    });
    drop(promised);
    reported.into_iter().collect()
}

/// Returns how often each message was processed for each recipient.
fn processed(mailman: &Mailman) -> HashMap<Addressed, u32> {
    let mut processed = HashMap::new();
    let accepted = mailman.entries("pipeline").into_iter().map(|entry| accepted(&entry));
    let answers = mailman.entries("virgin");
    for addressed in accepted.chain(answers.iter().map(|entry| (echoed_number(entry), 2))) {
        *processed.entry(addressed).or_default() += 1;
    }
    processed
}

/// Returns which message the `in` runner accepted, and for whom, and asserts that it is whole.
fn accepted(entry: &Entry) -> Addressed {
    let id = entry.header("Message-ID").unwrap();
    let number = id.trim_start_matches('<').trim_end_matches("@x>").parse().unwrap();
    assert_eq!(entry.message["_payload"], body(number), "{id} is not what was sent");
    (number, usize::from(entry.msgdata["to_owner"] == true))
}

/// Returns the number of the message that this answers.
fn echoed_number(entry: &Entry) -> u64 {
    let text = entry.message["_payload"].as_str().unwrap();
    let (_, rest) = text.split_once("\necho ").unwrap_or_else(|| panic!("{text}"));
    rest.lines().next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs mailman"]
fn promised_mail_is_processed_once_whenever_listgate_is_killed() {
    let rounds = env::var("LISTGATE_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let mailman = Mailman::with(EAGER, None);
    mailman.create(&["test@example.com"]);
    mailman.python(MEMBER, &[]);
    let mut runners = ["in", "command"].map(|name| (name, mailman.start(name)));
    let mut promised: HashSet<Addressed> = HashSet::new();
    for round in 1..=rounds {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        promised.extend(load(&mailman, round, Duration::from_micros(u64::from(moment / 7 % 300_000))));
        // Unfinished files are for the next gate, and finished ones for the runners.
        until("the runners have eaten", || {
            for (name, runner) in &mut runners {
                assert!(runner.is_alive(), "the {name} runner died");
            }
            let mut files = ["in", "command"].map(|queue| mailman.files(queue)).into_iter().flatten();
            files.all(|file| file.ends_with(".listgate.tmp"))
        });
    }
    // A new gate removes what the last one left unfinished.
    drop(mailman.listgate());
    for queue in ["in", "command", "shunt", "bad"] {
        assert_eq!(mailman.files(queue), [""; 0], "{queue}");
    }
    let processed = processed(&mailman);
    for addressed in &promised {
        assert_eq!(processed.get(addressed), Some(&1), "{addressed:?} was promised");
    }
    // A promise that no mail server read may be kept, too.
    assert!(processed.values().all(|&times| times == 1), "{processed:?}");
    assert!(promised.len() as u64 > rounds, "only {} promises: there was no load", promised.len());
}
