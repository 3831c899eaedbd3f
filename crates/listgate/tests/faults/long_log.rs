//! A write-ahead log that other processes make long: consumers while no mail comes, and a reader that keeps the
//! log from restarting.

use crate::support::{Peer, Site, tcp};
use crate::tools::{assert_all, message, until};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::Path;

const TO: [&str; 1] = ["mylist@example.com"];

/// Opens a connection in the way that docs/queue.md prescribes.
fn consumer(site: &Site) -> Connection {
    let connection = Connection::open(site.data().join("listgate.db")).unwrap();
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL").unwrap();
    connection
}

/// Counts the entries in the database file alone, without those that are only in its log.
fn copied(database: &Path) -> u64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{}?immutable=1", database.display());
    let alone = Connection::open_with_flags(uri, flags).unwrap();
    // While the log is copied into it, the file may be inconsistent.
    alone.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap_or(u64::MAX)
}

#[test]
fn writes_by_consumers_are_checkpointed_even_without_new_mail() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let database = site.data().join("listgate.db");
    let mut peer = Peer::greeted(tcp(&gate));
    (0..3).for_each(|_| assert_all(&peer.deliver("a@example.org", &TO, message("<m@x>", 100)), "250"));
    let consumer = consumer(&site);
    for left in [3, 2, 1, 0] {
        until("what was written last is copied", || copied(&database) == left);
        consumer
            .execute_batch("DELETE FROM entry WHERE delivery = (SELECT min(delivery) FROM entry)")
            .unwrap();
    }
}

#[test]
fn a_log_made_long_by_a_reader_is_truncated_once_the_reader_ends() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let log = site.data().join("listgate.db-wal");
    let reader = consumer(&site);
    reader.execute_batch("BEGIN; SELECT * FROM list").unwrap();
    let much = "CREATE TABLE much AS SELECT zeroblob(80 << 20); DROP TABLE much";
    consumer(&site).execute_batch(much).unwrap();
    let length = || fs::metadata(&log).unwrap().len();
    assert!(length() > 80 << 20);
    let mut peer = Peer::greeted(tcp(&gate));
    assert_all(&peer.deliver("a@example.org", &TO, message("<m@x>", 100)), "250");
    drop(reader);
    until("the log is cut", || length() < 1 << 20);
    assert_all(&peer.deliver("a@example.org", &TO, message("<m@x>", 100)), "250");
    assert_eq!(site.ids("in").len(), 2);
}
