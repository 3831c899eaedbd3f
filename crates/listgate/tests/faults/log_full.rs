//! The disk that holds the gate's log is full: log lines are lost, mail is not.

use crate::support::{Peer, Server, Site, queued_as};
use std::fs::File;

#[test]
fn mail_is_accepted_when_the_log_cannot_be_written() {
    let site = Site::with_list();
    let config = site.data().join("listgate.toml");
    std::fs::write(&config, "[storage]\nmin_free = \"0B\"\n").unwrap();
    for format in ["text", "json"] {
        let mut command = site.command();
        command
            .args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--log", format, "--config"])
            .arg(&config);
        command.stderr(File::options().write(true).open("/dev/full").unwrap());
        let mut server = Server::start(command);
        let mut peer = Peer::greeted(server.address);
        for _ in 0..2 {
            queued_as(&peer.deliver("a@example.org", &["mylist@example.com"], "A: b\r\n\r\n")[0]);
        }
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
    }
    assert_eq!(site.ids("in").len(), 4);
}
