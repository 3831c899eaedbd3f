//! Where a Mailman site gets less than docs/reliability.md promises for Listgate's own store.

use crate::site::Mailman;
use crate::support::{Peer, queued_as};
use std::thread::sleep;
use std::time::Duration;

#[test]
#[ignore = "needs mailman"]
fn repeated_mail_is_queued_again() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let message = "Received: from x by y; Sat, 31 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n";
    let mut deliver =
        || queued_as(&peer.deliver("anne@example.org", &["test@example.com"], message)[0]).to_owned();
    assert_ne!(deliver(), deliver());
    assert_eq!(mailman.files("in").len(), 2);
}

#[test]
#[ignore = "needs mailman"]
fn a_new_list_takes_mail_at_once_and_a_removed_one_for_a_second_at_most() {
    let mailman = Mailman::new();
    mailman.create(&["other@example.com"]);
    let server = mailman.listgate();
    let mut peer = Peer::greeted(server.address);
    let mut rcpt = || peer.rcpt("test@example.com")[..3].to_owned();
    assert_eq!(rcpt(), "550");
    mailman.create(&["test@example.com"]);
    assert_eq!(rcpt(), "250");
    mailman.mailman(&["remove", "test@example.com"]);
    sleep(Duration::from_secs(1));
    assert_eq!(rcpt(), "550");
}
