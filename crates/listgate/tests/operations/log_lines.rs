//! The log lines that the sessions cause while they have work are written with one system call.

use crate::support::calls::calls;
use crate::support::trace::{finished, traced};
use crate::support::{Peer, Server, Site};

#[test]
#[ignore = "needs strace"]
fn the_lines_about_the_commands_of_one_packet_are_written_together() {
    let site = Site::with_list();
    let trace = site.data().join("trace");
    let mut serve = traced(&trace, "write", &["-D", "-s", "10000"]);
    serve.env("LISTGATE_DATA_DIR", site.data());
    serve.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]);
    let server = Server::start(serve);
    let mut peer = Peer::greeted(server.address);
    // Each of these commands is refused, gets a line in the log, and waits for nothing.
    peer.send("MAIL FROM:<anne@example.org> SIZE=99999999999\r\n".repeat(5));
    for _ in 0..5 {
        assert!(peer.reply().starts_with("552"));
    }
    server.signal("TERM");
    let lines = calls(&finished(server, &trace)).into_iter().map(|call| {
        let text = String::from_utf8_lossy(&call.data).into_owned();
        text.matches("MAIL refused").count()
    });
    assert_eq!(lines.filter(|lines| *lines > 0).collect::<Vec<_>>(), [5]);
}
