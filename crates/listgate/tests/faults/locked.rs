//! Another process holds the write lock.

use crate::support::{Peer, Site, queued_as};
use crate::tools::{answered_at_once, assert_all, entries, hold_write_lock, log, message, serve, spooled};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";

#[test]
fn only_a_delivery_waits_for_the_lock() {
    let site = Site::with_list();
    let server = serve(&site, CONFIG);
    let mut other = Peer::greeted(server.address);
    let lock = hold_write_lock(&site);
    let address = server.address;
    let waiting = thread::spawn(move || {
        let mut peer = Peer::greeted(address);
        peer.deliver("a@example.org", &["mylist@example.com"], message("<waits@x>", 100))
    });
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        for line in ["NOOP", "MAIL FROM:<b@example.org>", "RCPT TO:<mylist@example.com>", "RSET"] {
            answered_at_once(&mut other, line);
        }
        answered_at_once(&mut Peer::connect(address), "LHLO client.example");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!waiting.is_finished(), "it waits for the lock");
    drop(lock);
    let replies = waiting.join().unwrap();
    assert!(!queued_as(&replies[0]).is_empty());
    assert_eq!(entries(&site, "<waits@x>"), 1);
}

#[test]
fn changes_by_the_lock_holder_apply_to_mail_that_waited() {
    for (size, files) in [(100, 0), (200_000, 1)] {
        let site = Site::with_list();
        site.create("second@example.com");
        let server = serve(&site, CONFIG);
        let mut peer = Peer::greeted(server.address);
        // The recipients are looked up now.
        peer.begin("a@example.org", &["mylist@example.com", "second@example.com"]);
        let lock = hold_write_lock(&site);
        peer.send(message("<waits@x>", size) + ".\r\n");
        // By then it waits to be stored.
        thread::sleep(Duration::from_millis(500));
        lock.execute_batch("DELETE FROM list WHERE list_id = 'mylist.example.com'; COMMIT").unwrap();
        let replies = [peer.reply(), peer.reply()];
        assert_eq!(replies[0], "550 5.1.1 Requested action not taken: mailbox unavailable");
        assert!(!queued_as(&replies[1]).is_empty());
        assert_eq!(entries(&site, "<waits@x>"), 1);
        assert_eq!(spooled(&site).len(), files);
    }
}

#[test]
fn reading_commands_wait_for_no_writer_and_write_nothing() {
    let site = Site::with_list();
    let log = site.data().join("listgate.db-wal");
    let before = fs::metadata(&log).unwrap().len();
    let _lock = hold_write_lock(&site);
    let start = Instant::now();
    assert_eq!(site.json(&["list", "ls"]).len(), 1);
    site.stdout(&["queue", "status"]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(fs::metadata(&log).unwrap().len(), before);
}

#[test]
fn a_lock_held_for_too_long_defers_small_and_large_mail_that_waits() {
    let site = Site::with_list();
    let server = serve(&site, CONFIG);
    let mut other = Peer::greeted(server.address);
    let lock = hold_write_lock(&site);
    let sessions = [("<small@x>", 100), ("<large@x>", 200_000)].map(|(id, size)| {
        let mut peer = Peer::greeted(server.address);
        thread::spawn(move || {
            let started = Instant::now();
            let replies = peer.deliver("a@example.org", &["mylist@example.com"], message(id, size));
            (peer, replies, started.elapsed())
        })
    });
    let ended = sessions.map(|session| {
        while !session.is_finished() {
            answered_at_once(&mut other, "MAIL FROM:<a@example.org>");
            answered_at_once(&mut other, "RSET");
            thread::sleep(Duration::from_millis(50));
        }
        session.join().unwrap()
    });
    drop(lock);
    for (mut peer, replies, took) in ended {
        assert_all(&replies, "451 4.3.0");
        // The second message may have waited until the first was given up.
        assert!((Duration::from_secs(9)..Duration::from_secs(30)).contains(&took), "{took:?}");
        peer.assert_usable();
    }
    assert_eq!(entries(&site, "<small@x>") + entries(&site, "<large@x>"), 0);
    assert_eq!(spooled(&site), [""; 0], "what came of the large one is gone");
    assert!(log(&site).contains("database is locked"), "{}", log(&site));
}
