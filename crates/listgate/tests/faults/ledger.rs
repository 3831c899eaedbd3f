//! Numbered messages, and the ledger of what was promised for them.

use crate::support::{PATIENCE, Site, queued_as};
use crate::tools::spooled;
use rusqlite::{Connection, Params, Row};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};

/// Returns the header and the body of the message with this number. One in four is large and goes to a spool
/// file; half of these have no Message-ID, which the gate fills in when the rest is written.
fn parts(number: u64) -> (String, String) {
    let size = if number.is_multiple_of(4) { 70_000 + number % 997 * 100 } else { number % 9973 };
    let line = format!("the body of {number}, again and again\r\n");
    let lines = usize::try_from(size).unwrap() / line.len();
    let message_id = if number.is_multiple_of(8) { String::new() } else { given_id(number) };
    (format!("{message_id}Subject: {number}\r\n"), format!("\r\n{}", line.repeat(lines)))
}

fn given_id(number: u64) -> String {
    format!("Message-ID: <{number}@x>\r\n")
}

/// Returns the message with this number as it is stored. `message_id` is the one that the backend reports.
fn stored(number: u64, message_id: &str) -> String {
    let (header, body) = parts(number);
    let added =
        if number.is_multiple_of(8) { format!("Message-ID: {message_id}\r\n") } else { String::new() };
    format!("{header}{added}X-MailFrom: a@example.org\r\n{body}")
}

/// Returns the number of a stored message.
fn number(octets: &[u8]) -> Option<u64> {
    let header = &octets[..octets.len().min(1000)];
    let line = header.split(|&octet| octet == b'\n').find_map(|line| line.strip_prefix(b"Subject: "))?;
    std::str::from_utf8(line).ok()?.trim_end().parse().ok()
}

/// A mail server whose gate may die at any moment.
pub(crate) struct MailServer {
    stream: TcpStream,
    lines: Lines<BufReader<TcpStream>>,
}

impl MailServer {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut server = Self { lines: BufReader::new(stream.try_clone()?).lines(), stream };
        server.stream.write_all(b"LHLO client.example\r\n")?;
        for _ in ["220", "250"] {
            server.reply()?;
        }
        Ok(server)
    }

    fn reply(&mut self) -> io::Result<String> {
        loop {
            let line = self.lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line);
            }
        }
    }

    /// Sends a message to an address, and returns its last reply. The message ends with CR LF, and no line begins with a
    /// dot.
    pub(crate) fn deliver(&mut self, from: &str, to: &str, message: &str) -> io::Result<String> {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
            self.stream.write_all(format!("{command}\r\n").as_bytes())?;
            let reply = self.reply()?;
            if !reply.starts_with("250") && !reply.starts_with("354") {
                return Ok(reply);
            }
        }
        self.stream.write_all(format!("{message}.\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends the message with this number to two endpoints, and returns the last reply for each: fewer if the
    /// gate dies in between.
    pub(crate) fn send(&mut self, number: u64) -> io::Result<Vec<String>> {
        self.stream.write_all(
            b"MAIL FROM:<a@example.org>\r\nRCPT TO:<mylist@example.com>\r\n\
              RCPT TO:<mylist-owner@example.com>\r\nDATA\r\n",
        )?;
        let mail = self.reply()?;
        if mail.starts_with("421") {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !mail.starts_with("250") {
            // After a refused MAIL, the remaining commands are out of sequence.
            for _ in ["RCPT", "RCPT", "DATA"] {
                self.reply()?;
            }
            return Ok(vec![mail; 2]);
        }
        let (taken, mut replies): (Vec<_>, Vec<_>) =
            [self.reply()?, self.reply()?].into_iter().partition(|reply| reply.starts_with("250"));
        if self.reply()?.starts_with("354") {
            let (header, body) = parts(number);
            self.stream.write_all(format!("{header}{body}.\r\n").as_bytes())?;
            replies.extend(taken.iter().map_while(|_| self.reply().ok()));
        } else {
            self.stream.write_all(b"RSET\r\n")?;
            self.reply()?;
        }
        Ok(replies)
    }
}

/// What the mail servers know, and what was found of it.
#[derive(Default, Clone)]
pub(crate) struct Ledger {
    /// The number of every message that a mail server began to send.
    pub(crate) sent: HashSet<u64>,
    /// The number of the message that each id was promised for.
    pub(crate) promised: HashMap<String, u64>,
    /// The message number of every delivery that was checked.
    found: BTreeMap<i64, u64>,
}

struct Delivery {
    id: i64,
    message_id: String,
    size: usize,
    spool: Option<String>,
    body: Option<Vec<u8>>,
    entries: u32,
}

impl Ledger {
    /// Records the last reply for a recipient.
    pub(crate) fn promise(&mut self, number: u64, reply: &str) {
        let before = self.promised.insert(queued_as(reply).to_owned(), number);
        assert_eq!(before, None, "an id is promised once");
    }

    /// Checks that each stored message was sent, is whole, and is there once for both recipients; that every
    /// promise is kept; and that the spool has exactly the files that rows name. Each message is read only
    /// once.
    pub(crate) fn check(&mut self, site: &Site, connection: &Connection) -> Result<(), String> {
        let newest = self.found.last_key_value().map_or(0, |(&id, _)| id);
        let sql = "SELECT id, message_id, size, spool, body, (SELECT count(*) FROM entry
                   WHERE delivery = id AND queue = 'in' AND state = 'waiting') FROM delivery WHERE id > ?1";
        let read = |row: &Row<'_>| {
            let (id, message_id, size) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Delivery { id, message_id, size, spool: row.get(3)?, body: row.get(4)?, entries: row.get(5)? })
        };
        for delivery in rows(connection, sql, [newest], read)? {
            let number =
                self.look_at(site, &delivery).map_err(|why| format!("delivery {:x}: {why}", delivery.id))?;
            self.found.insert(delivery.id, number);
        }
        let numbers: HashSet<u64> = self.found.values().copied().collect();
        if numbers.len() != self.found.len() {
            return Err("a message is there twice".to_owned());
        }
        self.check_promises(connection)?;
        let sql = "SELECT spool FROM delivery WHERE spool IS NOT NULL ORDER BY spool";
        let named: Vec<String> = rows(connection, sql, [], |row| row.get(0))?;
        if spooled(site) == named {
            Ok(())
        } else {
            Err("the spool has other files than the rows".to_owned())
        }
    }

    /// Checks that a delivery is as it was sent, and returns its number.
    fn look_at(&self, site: &Site, delivery: &Delivery) -> Result<u64, String> {
        let octets = match (&delivery.spool, &delivery.body) {
            (Some(name), _) => {
                &fs::read(site.data().join("spool").join(name)).map_err(|why| why.to_string())?
            }
            (None, body) => body.as_ref().ok_or("it has no body")?,
        };
        let number = number(octets).ok_or("it has no number")?;
        if !self.sent.contains(&number) {
            return Err(format!("{number} was never sent"));
        }
        if *octets != stored(number, &delivery.message_id).as_bytes() || delivery.size != octets.len() {
            return Err(format!("{number} is not what was sent"));
        }
        if delivery.entries != 2 {
            return Err(format!("{number} has {} entries", delivery.entries));
        }
        Ok(number)
    }

    fn check_promises(&self, connection: &Connection) -> Result<(), String> {
        let sql = "SELECT printf('%x-%d', delivery, n), delivery FROM entry";
        let entries: HashMap<String, i64> =
            rows(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
        for (id, number) in &self.promised {
            let delivery = entries.get(id).ok_or_else(|| format!("{id} was promised and is lost"))?;
            if self.found.get(delivery) != Some(number) {
                return Err(format!("{id} was promised for another message"));
            }
        }
        Ok(())
    }
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, String> {
    let all = || connection.prepare(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>();
    all().map_err(|why| why.to_string())
}
