//! Mailman's database is unavailable when the gate starts: mail is deferred, and taken once the database is
//! back.

use crate::site::Mailman;
use crate::support::socketmap::Socketmap;
use crate::support::{PATIENCE, Peer, free_address, until};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs mailman"]
fn a_gate_starts_without_the_database_and_accepts_mail_once_it_is_there() {
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

/// Otherwise each address would wait for over a second, and Postfix waits only ten minutes for all replies.
#[test]
#[ignore = "needs mailman"]
fn a_transaction_waits_once_for_a_locked_database_however_many_addresses_it_has() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let to = ["", "-owner", "-bounces", "-join", "-leave", "-confirm", "-request", "-subscribe"]
        .map(|suffix| format!("test{suffix}@example.com"));
    peer.begin("anne@example.org", &to.each_ref().map(String::as_str));
    let database = rusqlite::Connection::open(mailman.var().join("data/mailman.db")).unwrap();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // By then the gate must ask again about every earlier positive answer.
    sleep(Duration::from_secs(1));
    let since = Instant::now();
    peer.send("Subject: test\r\n\r\nHello\r\n.\r\n");
    for to in &to {
        let reply = peer.reply();
        assert!(reply.starts_with("250 "), "{to} was looked up recently: {reply}");
    }
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert_eq!(peer.rcpt("test-unsubscribe@example.com")[..3], *"451");
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(peer.rcpt("test-unsubscribe@example.com")[..3], *"250", "asked again");
}

#[test]
#[ignore = "needs mailman"]
fn socketmap_answers_for_mailmans_lists_and_defers_while_the_database_is_down() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let database = mailman.var().join("data/mailman.db");
    let address = free_address();
    let _server = mailman.listgate_with(&format!("[socketmap]\nlisten = [\"{address}\"]\n"));
    let mut postfix = Socketmap::connect(address);
    for (map, key, answer) in [
        ("recipients", "test@example.com", "OK OK"),
        ("recipients", "test-confirm+token@example.com", "OK OK"),
        ("recipients", "nobody@example.com", "NOTFOUND "),
        ("domains", "example.com", "OK example.com"),
        ("domains", "example.org", "NOTFOUND "),
    ] {
        assert_eq!(postfix.query(map, key), answer, "{map} {key}");
    }
    mailman.create(&["new@example.com"]);
    assert_eq!(postfix.query("recipients", "new-join@example.com"), "OK OK");
    let aside = database.with_extension("aside");
    fs::rename(&database, &aside).unwrap();
    // An earlier positive answer may be valid for minutes; anything not asked before is a temporary failure.
    for (map, key) in [
        ("recipients", "nobody@example.com"),
        ("recipients", "test-owner@example.com"),
        ("transport", "nobody@example.com"),
        ("domains", "example.com"),
        ("domains", "example.org"),
    ] {
        let answer = postfix.query(map, key);
        assert!(answer.starts_with("TEMP 451 "), "{map} {key}: {answer}");
    }
    assert_eq!(postfix.query("recipients", "test@example.com"), "OK OK");
    fs::rename(&aside, &database).unwrap();
    until("the database is back", || postfix.query("recipients", "nobody@example.com") == "NOTFOUND ");
}
