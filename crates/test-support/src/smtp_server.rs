//! A mail server that follows a script, and keeps its own record of what it has taken.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A moment of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Before the greeting.
    Connected,
    /// EHLO has been read, and not answered.
    BeforeEhlo,
    /// EHLO has been answered.
    AfterEhlo,
    /// MAIL has been read, and not answered.
    BeforeMail,
    /// MAIL has been answered.
    AfterMail,
    /// So many recipients of a transaction have been accepted, and the next RCPT has been read, and not answered.
    BeforeRcpt(usize),
    /// So many recipients of a transaction have been accepted.
    AfterRcpt(usize),
    /// DATA has been read, and not answered.
    BeforeData,
    /// DATA has been answered with 354.
    AfterData,
    /// The first line of the message has been read.
    InBody,
    /// The message has been taken, and the dot not answered.
    BeforeReply,
    /// The message has been taken, and the first octets of the reply have been written.
    InReply,
    /// The dot has been answered.
    AfterReply,
}

/// What a server does at a [`Moment`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// It closes the connection.
    Close,
    /// It answers 421, and closes the connection. A message whose dot it answers so is not taken.
    Busy,
    /// It does not answer any more, and keeps the connection open.
    Silence,
}

/// What a server announces, and how it answers. The default takes all mail.
#[derive(Clone)]
pub struct Manner {
    /// The greeting, without the line end.
    pub greeting: String,
    /// The keywords after EHLO.
    pub keywords: Vec<String>,
    /// How many recipients it takes in a transaction; it answers the others with 452.
    pub max_recipients: usize,
    /// After how many refused recipients it closes the connection.
    pub max_refusals: usize,
    /// The pause before each reply.
    pub delay: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        let keywords = ["PIPELINING", "SIZE 100000000", "8BITMIME"].map(str::to_owned).to_vec();
        let greeting = "220 test ESMTP".to_owned();
        Self {
            greeting,
            keywords,
            max_recipients: usize::MAX,
            max_refusals: usize::MAX,
            delay: Duration::ZERO,
        }
    }
}

impl Manner {
    /// Returns a server that does not announce this keyword.
    #[must_use]
    pub fn without(mut self, keyword: &str) -> Self {
        self.keywords.retain(|other| other.split(' ').next() != Some(keyword));
        self
    }

    /// Returns a server that announces this keyword too.
    #[must_use]
    pub fn with(mut self, keyword: &str) -> Self {
        self.keywords.push(keyword.to_owned());
        self
    }

    /// Returns a server with this greeting, such as `220 mail.example Exim`.
    #[must_use]
    pub fn greeting(mut self, greeting: &str) -> Self {
        greeting.clone_into(&mut self.greeting);
        self
    }

    /// Returns a server that takes so many recipients in a transaction.
    #[must_use]
    pub fn max_recipients(mut self, most: usize) -> Self {
        self.max_recipients = most;
        self
    }

    /// Returns a server that closes the connection after so many refused recipients.
    #[must_use]
    pub fn max_refusals(mut self, most: usize) -> Self {
        self.max_refusals = most;
        self
    }

    /// Returns a server that waits before each reply.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// How often each recipient got a message.
pub type Record = BTreeMap<String, usize>;

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The number of the connection, counted from 0.
    pub connection: usize,
    /// The envelope sender, without its angle brackets.
    pub mail_from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The message, without its final dot, dots stuffed.
    pub message: Vec<u8>,
}

/// What the sessions of a server share.
struct Shared {
    /// What is done, and when: by the number of the connection.
    act: Box<dyn Fn(usize, Moment) -> Option<Act> + Send + Sync>,
    /// What is answered to RCPT for an address.
    reply: Box<dyn Fn(&str) -> String + Send + Sync>,
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Taken>>,
    connections: AtomicUsize,
    /// Whether it accepts no connections.
    is_away: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// A mail server that takes mail as a script says.
pub struct SmtpServer {
    /// The address, such as `127.0.0.1:1234`.
    pub address: String,
    shared: Arc<Shared>,
}

impl SmtpServer {
    /// Starts a server that takes all mail.
    pub fn start(manner: Manner) -> Self {
        Self::scripted(manner, |_, _| None, |_| "250 2.1.5 Ok".to_owned())
    }

    /// Starts a server. `act` says what the connection with this number does at a moment, and `reply` what is answered to
    /// RCPT for an address.
    pub fn scripted(
        manner: Manner,
        act: impl Fn(usize, Moment) -> Option<Act> + Send + Sync + 'static,
        reply: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            act: Box::new(act),
            reply: Box::new(reply),
            manner: Mutex::new(manner),
            taken: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, stream) = (Arc::clone(&of_thread), stream.unwrap());
                if shared.is_away.load(Ordering::SeqCst) {
                    continue;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || {
                    let manner = shared.manner.lock().unwrap().clone();
                    // An error means that the client has closed the connection.
                    let _ = Session { stream: &stream, number, shared: &shared, manner }.run();
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Goes away: closes all connections, and from now on each new one at once.
    pub fn go_away(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Is there again.
    pub fn come_back(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }

    /// Behaves differently on new connections.
    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Returns how many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns how often each recipient got a message.
    pub fn record(&self) -> Record {
        let mut record = Record::new();
        for address in self.shared.taken.lock().unwrap().iter().flat_map(|taken| &taken.to) {
            *record.entry(address.clone()).or_default() += 1;
        }
        record
    }

    /// Returns each message that was taken, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Forgets what was taken.
    pub fn forget(&self) {
        self.shared.taken.lock().unwrap().clear();
    }
}

struct Session<'s> {
    stream: &'s TcpStream,
    number: usize,
    shared: &'s Shared,
    manner: Manner,
}

/// The end of a session.
fn ended<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

impl Session<'_> {
    fn say(&mut self, line: &str) -> io::Result<()> {
        if !self.manner.delay.is_zero() {
            thread::sleep(self.manner.delay);
        }
        self.stream.write_all(format!("{line}\r\n").as_bytes())
    }

    /// Does what the script says for this moment.
    fn at(&mut self, moment: Moment) -> io::Result<()> {
        match (self.shared.act)(self.number, moment) {
            None => Ok(()),
            Some(Act::Close) => ended(),
            Some(Act::Busy) => self.busy(),
            Some(Act::Silence) => {
                // Until the client gives up.
                let mut rest = self.stream;
                io::copy(&mut rest, &mut io::sink())?;
                ended()
            }
        }
    }

    /// Ends the session with 421.
    fn busy(&mut self) -> io::Result<()> {
        self.say("421 4.3.2 too busy")?;
        ended()
    }

    fn run(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut input = BufReader::new(self.stream);
        let (mut mail_from, mut to) = (String::new(), Vec::new());
        self.at(Moment::Connected)?;
        let greeting = self.manner.greeting.clone();
        self.say(&greeting)?;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split([' ', ':']).next().unwrap() {
                "EHLO" => self.ehlo()?,
                "MAIL" => {
                    to.clear();
                    mail_from = address(&line);
                    self.at(Moment::BeforeMail)?;
                    self.say("250 2.1.0 Ok")?;
                    self.at(Moment::AfterMail)?;
                }
                "RCPT" => self.rcpt(&line, &mut to)?,
                "DATA" if to.is_empty() => self.say("554 5.5.1 no valid recipients")?,
                "DATA" => self.data(&mut input, mail_from.clone(), std::mem::take(&mut to))?,
                "QUIT" => return self.say("221 bye"),
                _ => self.say("250 Ok")?,
            }
        }
    }

    fn ehlo(&mut self) -> io::Result<()> {
        self.at(Moment::BeforeEhlo)?;
        let keywords: String =
            self.manner.keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
        self.say(&format!("250-test\r\n{keywords}250 HELP"))?;
        self.at(Moment::AfterEhlo)
    }

    fn rcpt(&mut self, line: &str, to: &mut Vec<String>) -> io::Result<()> {
        self.at(Moment::BeforeRcpt(to.len()))?;
        let address = address(line);
        if to.len() >= self.manner.max_recipients {
            return self.say("452 4.5.3 too many recipients");
        }
        let answer = (self.shared.reply)(&address);
        self.say(&answer)?;
        if answer.starts_with('2') {
            to.push(address);
            return self.at(Moment::AfterRcpt(to.len()));
        }
        self.manner.max_refusals -= 1;
        if self.manner.max_refusals > 0 { Ok(()) } else { self.busy() }
    }

    fn data(&mut self, input: &mut impl BufRead, mail_from: String, to: Vec<String>) -> io::Result<()> {
        self.at(Moment::BeforeData)?;
        self.say("354 go ahead")?;
        self.at(Moment::AfterData)?;
        let mut message = Vec::new();
        loop {
            let start = message.len();
            if input.read_until(b'\n', &mut message)? == 0 {
                return ended();
            }
            if &message[start..] == b".\r\n" {
                message.truncate(start);
                break;
            }
            if start == 0 {
                self.at(Moment::InBody)?;
            }
        }
        // What is answered with 421 is not taken.
        if (self.shared.act)(self.number, Moment::BeforeReply) == Some(Act::Busy) {
            return self.at(Moment::BeforeReply);
        }
        self.shared.taken.lock().unwrap().push(Taken { connection: self.number, mail_from, to, message });
        self.at(Moment::BeforeReply)?;
        if (self.shared.act)(self.number, Moment::InReply).is_some() {
            self.stream.write_all(b"250 2.0")?;
            self.at(Moment::InReply)?;
        }
        self.say("250 2.0.0 queued")?;
        self.at(Moment::AfterReply)
    }
}

/// Returns the address between angle brackets.
fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap().to_owned()
}
