//! The index of the write-ahead log (`-shm`) cannot grow. SQLite finds that out only after it has synced the
//! rows, and then reports that it has not stored them: the next start may find them nevertheless.

use crate::support::{Peer, Server, Site, queued_as};
use crate::tools::{Tracer, assert_all, entries, message, serve, spooled, until};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs;
use std::path::PathBuf;

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";

const TO: [&str; 1] = ["mylist@example.com"];

/// The octets of log that the first 32 KiB of its index cover: a little less than 4,062 frames.
const FIRST_PIECE: u64 = 4000 * (4096 + 24);

fn log_path(site: &Site) -> PathBuf {
    site.data().join("listgate.db-wal")
}

/// Returns a large message with a trace line, so that the gate recognizes a redelivery.
fn large(id: &str) -> String {
    format!("Received: from a by b; now\r\n{}", message(id, 200_000))
}

/// Starts a gate whose last commit failed in this way. Also returns a reader that keeps the log from
/// restarting, and the id of the large message that was deferred.
fn start_and_defer(site: &Site) -> (Server, Peer, Connection, String) {
    let server = serve(site, CONFIG);
    let mut peer = Peer::greeted(server.address);
    let reader = Connection::open(site.data().join("listgate.db")).unwrap();
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM list").unwrap();
    while fs::metadata(log_path(site)).unwrap().len() < FIRST_PIECE {
        assert_all(&peer.deliver("a@example.org", &TO, message("<filler@x>", 60_000)), "250");
    }
    let index = site.data().join("listgate.db-shm");
    let fault = Tracer::inject(&server, "pwrite64:error=ENOSPC", Some(&index));
    let id = (0..200)
        .map(|n| format!("<large-{n}@x>"))
        .find(|id| peer.deliver("a@example.org", &TO, large(id))[0].starts_with("451"));
    fault.detach();
    (server, peer, reader, id.expect("the index has to grow"))
}

#[test]
#[ignore = "needs strace"]
fn deferred_mail_that_the_next_start_finds_is_complete() {
    let site = Site::with_list();
    let (mut server, peer, reader, id) = start_and_defer(&site);
    server.child.kill().unwrap();
    server.wait();
    drop((peer, reader));

    let server = serve(&site, CONFIG);
    assert_eq!(entries(&site, &id), 1, "SQLite had synced it: else this test shows nothing");
    let replies = Peer::greeted(server.address).deliver("a@example.org", &TO, large(&id));
    let stored = String::from_utf8(site.message(queued_as(&replies[0]))).unwrap();
    assert!(stored.contains(&id) && stored.ends_with("again\r\n") && stored.len() > 200_000);
    assert_eq!(entries(&site, &id), 1, "known when it comes again");
}

#[test]
#[ignore = "needs strace"]
fn the_file_of_deferred_mail_is_removed_once_its_commit_is_overwritten() {
    let site = Site::with_list();
    let (server, mut peer, reader, id) = start_and_defer(&site);
    let files = spooled(&site).len();
    assert_all(&peer.deliver("a@example.org", &TO, message("<small@x>", 100)), "250");
    until("the file of what was put off is gone", || spooled(&site).len() == files - 1);
    drop((server, peer, reader));

    let server = serve(&site, CONFIG);
    assert_eq!(entries(&site, &id), 0);
    let replies = Peer::greeted(server.address).deliver("a@example.org", &TO, large(&id));
    assert!(site.message(queued_as(&replies[0])).len() > 200_000);
}
