//! A start while another process, such as a backup, reads the database: the log cannot be emptied then, so the
//! gate rewrites it. After a failed sync the disk may have less of the log than can be read.

use crate::support::calls::{Call, calls};
use crate::support::trace::{finished, strace};
use crate::support::{Peer, Server, Site, queued_as};
use crate::tools::{command, message};
use std::fs;

#[test]
#[ignore = "needs strace"]
fn the_log_is_rewritten_and_synced_before_anything_is_appended() {
    let site = Site::with_list();
    let mut killed = Server::start(command(&site, site.command(), ""));
    let mut peer = Peer::greeted(killed.address);
    let first = peer.deliver("a@example.org", &["mylist@example.com"], message("<first@x>", 100));
    let reader = rusqlite::Connection::open(site.data().join("listgate.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM list").unwrap();
    killed.child.kill().unwrap();
    killed.wait();
    let log = site.data().join("listgate.db-wal");
    let length = fs::metadata(&log).unwrap().len();

    let trace = site.data().join("trace");
    let server = Server::start(command(&site, strace(&site, &trace, &["-D"]), ""));
    let mut peer = Peer::greeted(server.address);
    let second = peer.deliver("a@example.org", &["mylist@example.com"], message("<second@x>", 100));
    server.signal("TERM");
    let calls = calls(&finished(server, &trace));
    let log = log.to_str().unwrap();
    let mut writes = calls.iter().filter(|call| call.has_written(log));
    let rewrite = writes.next().unwrap();
    assert_eq!(
        (rewrite.last_number(), rewrite.result.unsigned_abs()),
        (0, length),
        "from its beginning to its end"
    );
    let appended = writes.next().unwrap();
    let is_between = |call: &Call| call.began > rewrite.ended && call.ended < appended.began;
    assert!(calls.iter().any(|call| call.has_synced(log) && is_between(call)));
    assert_eq!(site.ids("in"), [queued_as(&first[0]), queued_as(&second[0])]);
}
