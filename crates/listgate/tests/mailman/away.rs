//! Mailman's database is away when the gate starts: mail is put off, and taken once it is back.

use crate::site::Mailman;
use crate::support::{PATIENCE, Peer};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs mailman"]
fn a_gate_starts_without_the_database_and_takes_mail_once_it_is_there() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let database = mailman.var().join("data/mailman.db");
    let aside = database.with_extension("aside");
    fs::rename(&database, &aside).unwrap();
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let mut rcpt = || peer.rcpt("test@example.com")[..3].to_owned();
    assert_eq!(rcpt(), "451");
    fs::rename(&aside, &database).unwrap();
    let until = Instant::now() + PATIENCE;
    while rcpt() != "250" {
        assert!(Instant::now() < until, "the database is back");
        sleep(Duration::from_millis(100));
    }
}
