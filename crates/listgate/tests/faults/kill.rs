//! `kill -9` at random moments under load.
//!
//! It says nothing about a power loss, which the page cache does not survive: `durability_order` does.

use crate::support::{Server, Site, queued_as};
use crate::tools::{open, serve, spooled};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";
const SESSIONS: usize = 6;

/// A message with this number, of a size of its own: one in four goes to a spool file.
fn message(number: u64) -> String {
    let size = if number.is_multiple_of(4) { 70_000 + number % 997 * 100 } else { number % 9973 };
    let line = format!("the body of {number}, again and again\r\n");
    let lines = usize::try_from(size).unwrap() / line.len();
    format!("Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{}", line.repeat(lines))
}

/// The same as it is stored.
fn stored(number: u64) -> String {
    message(number).replacen("\r\n\r\n", "\r\nX-MailFrom: a@example.org\r\n\r\n", 1)
}

/// What the mail servers know.
#[derive(Default)]
struct Known {
    /// The number of every message that was begun.
    sent: HashSet<u64>,
    /// The number that each id was promised for.
    promised: HashMap<String, u64>,
}

/// Delivers until the connection ends, and tells of each message before it is sent and of each
/// promise after it was read.
fn deliver(
    address: SocketAddr,
    mut numbers: impl Iterator<Item = u64>,
    tell: &mpsc::Sender<(u64, Vec<String>)>,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(crate::support::PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut reply = || loop {
        let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        if line.as_bytes().get(3) == Some(&b' ') {
            return io::Result::Ok(line);
        }
    };
    stream.write_all(b"LHLO client.example\r\n")?;
    for _ in ["220", "250"] {
        reply()?;
    }
    loop {
        let number = numbers.next().unwrap();
        tell.send((number, Vec::new())).unwrap();
        stream.write_all(
            b"MAIL FROM:<a@example.org>\r\nRCPT TO:<mylist@example.com>\r\n\
              RCPT TO:<mylist-owner@example.com>\r\nDATA\r\n",
        )?;
        for code in ["250", "250", "250", "354"] {
            let line = reply()?;
            assert!(line.starts_with(code), "{line}");
        }
        stream.write_all((message(number) + ".\r\n").as_bytes())?;
        for _ in 0..2 {
            tell.send((number, vec![queued_as(&reply()?).to_owned()])).unwrap();
        }
    }
}

/// Delivers from all sides, and kills the gate after `life`.
fn load(mut server: Server, round: u64, life: Duration, known: &mut Known) {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (tell, address) = (tell.clone(), server.address);
            let first = round * 1_000_000 + session as u64;
            scope.spawn(move || deliver(address, (first..).step_by(SESSIONS), &tell).unwrap_err());
        }
        thread::sleep(life);
        server.signal("KILL");
        assert_eq!(server.wait(), None);
    });
    drop(tell);
    for (number, ids) in told {
        known.sent.insert(number);
        for id in ids {
            let before = known.promised.insert(id, number);
            assert_eq!(before, None, "an id is promised once");
        }
    }
}

/// Looks at every delivery after the one with the id `last`: each is one of those sent, whole, for
/// both recipients. Gives the last id.
fn check(site: &Site, connection: &Connection, known: &Known, last: i64) -> i64 {
    let sql = "SELECT id, message_id, size, spool, body, (SELECT count(*) FROM entry
               WHERE delivery = id AND queue = 'in' AND state = 'waiting') FROM delivery WHERE id > ?1 ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([last]).unwrap();
    let mut newest = last;
    while let Some(row) = rows.next().unwrap() {
        newest = row.get(0).unwrap();
        let message_id: String = row.get(1).unwrap();
        let number: u64 = message_id[1..message_id.len() - 2 - 1].parse().unwrap();
        assert!(known.sent.contains(&number), "{message_id} was never sent");
        let octets = match row.get::<_, Option<String>>(3).unwrap() {
            Some(name) => fs::read(site.data().join("spool").join(name)).unwrap(),
            None => row.get(4).unwrap(),
        };
        assert!(octets == stored(number).as_bytes(), "{message_id} is not what was sent");
        assert_eq!(row.get::<_, usize>(2).unwrap(), octets.len());
        assert_eq!(row.get::<_, u32>(5).unwrap(), 2, "entries of {message_id}");
    }
    newest
}

/// That every promise is kept once, and that the spool has the files of rows and no other.
fn check_all(site: &Site, connection: &Connection, known: &Known) {
    let sql = "SELECT printf('%x-%d', e.delivery, e.n), d.message_id FROM entry e JOIN delivery d ON d.id = e.delivery";
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let entries: HashMap<String, String> =
        connection.prepare(sql).unwrap().query_map([], pair).unwrap().collect::<Result<_, _>>().unwrap();
    for (id, number) in &known.promised {
        assert_eq!(entries.get(id), Some(&format!("<{number}@x>")), "what was promised as {id}");
    }
    let messages: HashSet<&String> = entries.values().collect();
    assert_eq!(entries.len(), 2 * messages.len(), "no message is there twice");
    let sql = "SELECT spool FROM delivery WHERE spool IS NOT NULL ORDER BY spool";
    let named: Vec<String> = connection
        .prepare(sql)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(spooled(site), named);
}

#[test]
fn what_was_promised_survives_a_kill_at_any_moment_once_and_whole() {
    let rounds = env::var("LISTGATE_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    let site = Site::with_list();
    let connection = open(&site);
    let mut known = Known::default();
    let mut last = 0;
    for round in 1..=rounds {
        let server = serve(&site, CONFIG);
        // What the round before left is seen before anything is added to it.
        last = check(&site, &connection, &known, last);
        check_all(&site, &connection, &known);
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        load(server, round, Duration::from_micros(u64::from(moment / 7 % 120_000)), &mut known);
    }
    let _server = serve(&site, CONFIG);
    check(&site, &connection, &known, last);
    check_all(&site, &connection, &known);
    let promised = known.promised.len();
    assert!(promised as u64 > rounds * 4, "only {promised} promises in {rounds} rounds: there was no load");
    let ids = site.ids("in");
    assert!(ids.len() >= promised);
    for id in ids.iter().rev().take(20) {
        assert!(site.message(id).starts_with(b"Message-ID: <"), "{id} is shown");
    }
}
