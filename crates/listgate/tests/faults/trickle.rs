//! Mail that comes too often for the gate ever to be idle, but is too little to fill its log.

use crate::support::{Peer, Site, tcp, until};
use crate::tools::{assert_all, message, open, spooled};

#[test]
fn files_of_finished_mail_are_removed_while_mail_keeps_arriving() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let to = ["mylist@example.com"];
    assert_all(&peer.deliver("a@example.org", &to, message("<large@x>", 200_000)), "250");
    assert_eq!(spooled(&site).len(), 1);
    open(&site).execute_batch("DELETE FROM entry").unwrap();
    until("the file is removed", || {
        assert_all(&peer.deliver("a@example.org", &to, message("<small@x>", 100)), "250");
        spooled(&site).is_empty()
    });
}
