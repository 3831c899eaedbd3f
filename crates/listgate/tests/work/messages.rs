//! The message of a leased entry, small or large, and its end.

use crate::support::{Peer, Site, tcp, until};
use crate::{LONG, open};
use listgate::queue::{Error, Name, Stored, Verdict};
use std::io::Read;

#[test]
fn a_large_message_is_read_from_its_file_and_the_gate_removes_it() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let large =
        format!("Subject: large\r\nMessage-ID: <1@x>\r\n\r\n{}", "0123456789abcdef\r\n".repeat(10_000));
    peer.deliver("", &["mylist@example.com"], &large);
    peer.deliver("", &["mylist@example.com"], "Subject: small\r\n\r\n");
    let mut queue = open(&site, Name::In);
    let leases = queue.lease(2, LONG).unwrap();
    let mut message = queue.message(&leases[0]).unwrap();
    assert!(matches!(message, Stored::File(_)));
    assert!(matches!(queue.message(&leases[1]).unwrap(), Stored::Memory(_)));
    let done: Vec<_> = leases.into_iter().map(|lease| (lease, Verdict::Done)).collect();
    assert_eq!(queue.settle(&done).unwrap(), [Ok(()), Ok(())]);
    let spooled = || std::fs::read_dir(site.data().join("spool")).unwrap().count();
    until("the gate unlinks the file", || spooled() == 0);
    let mut octets = String::new();
    message.read_to_string(&mut octets).unwrap();
    assert_eq!(octets, large.replace("<1@x>\r\n", "<1@x>\r\nX-MailFrom: <>\r\n"));
    assert_eq!(site.ids("in").len(), 0);
}

#[test]
fn an_entry_that_an_operator_removes_is_told() {
    let site = Site::with_list();
    crate::deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    site.stdout(&["queue", "remove", "1-1"]);
    assert!(matches!(queue.message(&lease), Err(Error::Removed(id)) if id == "1-1"));
    assert!(queue.settle(&[(lease, Verdict::Done)]).unwrap()[0].is_err());
}

#[test]
fn a_directory_without_data_is_not_created() {
    let site = Site::new();
    let Err(why) = listgate::queue::Queue::open(&site.data().join("none"), Name::In) else { panic!() };
    assert!(matches!(why, Error::Open(_)) && why.to_string().contains("there is no data in"), "{why}");
}
