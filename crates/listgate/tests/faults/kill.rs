//! `kill -9` at random moments under load.
//!
//! This says nothing about a power loss, which the page cache does not survive; `power_loss` does.

use crate::ledger::{Ledger, MailServer};
use crate::support::{Server, Site};
use crate::tools::{open, serve};
use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";
const SESSIONS: usize = 6;

/// Delivers until the connection ends. Reports each message before it is sent, and its promises after they were
/// read.
fn deliver(
    address: SocketAddr,
    numbers: impl Iterator<Item = u64>,
    sender: &mpsc::Sender<(u64, Vec<String>)>,
) -> io::Result<()> {
    let mut server = MailServer::connect(address)?;
    for number in numbers {
        sender.send((number, Vec::new())).unwrap();
        let replies = server.send(number)?;
        sender.send((number, replies)).unwrap();
    }
    Ok(())
}

/// Delivers in several sessions and kills the gate after `life`.
fn load(mut server: Server, round: u64, life: Duration, ledger: &mut Ledger) {
    let (sender, reported) = mpsc::channel();
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (sender, address) = (sender.clone(), server.address);
            let first = round * 1_000_000 + session as u64;
            scope.spawn(move || deliver(address, (first..).step_by(SESSIONS), &sender).unwrap_err());
        }
        thread::sleep(life);
        server.signal("KILL");
        assert_eq!(server.wait(), None);
    });
    drop(sender);
    for (number, replies) in reported {
        ledger.sent.insert(number);
        for reply in replies {
            ledger.promise(number, &reply);
        }
    }
}

#[test]
fn promised_mail_survives_a_kill_at_any_moment_once_and_complete() {
    let rounds = env::var("LISTGATE_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    let site = Site::with_list();
    let connection = open(&site);
    let mut ledger = Ledger::default();
    for round in 1..=rounds {
        let server = serve(&site, CONFIG);
        // Checks what the previous round left before anything is added to it.
        ledger.check(&site, &connection).unwrap();
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        load(server, round, Duration::from_micros(u64::from(moment / 7 % 120_000)), &mut ledger);
    }
    let _server = serve(&site, CONFIG);
    ledger.check(&site, &connection).unwrap();
    let promised = ledger.promised.len();
    assert!(promised as u64 > rounds, "only {promised} promises in {rounds} rounds: there was no load");
    let ids = site.ids("in");
    assert!(ids.len() >= promised);
    for id in ids.iter().rev().take(20) {
        assert!(String::from_utf8(site.message(id)).unwrap().contains("\r\nX-MailFrom: "), "{id} is shown");
    }
}
