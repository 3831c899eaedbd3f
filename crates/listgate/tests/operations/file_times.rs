//! Listgate checks its files before it promises anything, and leaves their times alone: once someone has read the time
//! of a file, Linux writes a new one to the disk with the next sync.

use crate::support::trace::{finished, traced};
use crate::support::{Peer, Server, Site, queued_as};

#[test]
#[ignore = "needs strace"]
fn the_check_before_a_promise_does_not_read_the_times_of_the_log() {
    let site = Site::with_list();
    let trace = site.data().join("trace");
    let mut serve = traced(&trace, "statx,sendto", &["-D"]);
    serve.env("LISTGATE_DATA_DIR", site.data());
    serve.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]);
    let server = Server::start(serve);
    let mut peer = Peer::greeted(server.address);
    let replies =
        peer.deliver("anne@example.org", &["mylist@example.com"], "Subject: times\r\n\r\nHello\r\n");
    queued_as(&replies[0]);
    server.signal("TERM");
    let trace = finished(server, &trace);
    let after_the_data = trace.lines().skip_while(|line| !line.contains("\"354 "));
    let before_the_promise = after_the_data.take_while(|line| !line.contains("queued as"));
    let checks: Vec<&str> = before_the_promise
        .filter(|line| line.contains("statx(") && line.contains("listgate.db-wal\""))
        .collect();
    assert!(!checks.is_empty(), "{trace}");
    assert!(checks.iter().all(|check| check.contains(", STATX_INO, ")), "{checks:#?}");
}
