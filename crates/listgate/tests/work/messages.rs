//! The message of a leased entry, small or large, and its removal.

use crate::support::{Peer, Site, tcp, until};
use crate::{LONG, open};
use listgate::queue::{Error, Name, Verdict};
use std::io::{Read, read_to_string};

#[test]
fn a_message_small_or_large_is_read_to_its_end_and_the_gate_removes_its_file() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let lines = [10, 1_000, 10_000, 100_000];
    let message = |lines: usize| format!("Message-ID: <1@x>\r\n\r\n{}", "0123456789abcdef\r\n".repeat(lines));
    for lines in lines {
        peer.deliver("", &["mylist@example.com"], message(lines));
    }
    let mut queue = open(&site, Name::In);
    let leases = queue.lease(lines.len(), LONG).unwrap();
    for (lease, lines) in leases.iter().zip(lines) {
        let octets = read_to_string(queue.message(lease).unwrap()).unwrap();
        assert_eq!(octets.len() as u64, lease.entry.size);
        assert!(
            octets == message(lines).replace("<1@x>\r\n", "<1@x>\r\nX-MailFrom: <>\r\n"),
            "{lines} lines"
        );
    }
    let done: Vec<_> = leases.into_iter().map(|lease| (lease, Verdict::Done)).collect();
    assert_eq!(queue.settle(&done).unwrap(), [Ok(()); 4]);
    let spooled = || std::fs::read_dir(site.data().join("spool")).unwrap().count();
    until("the gate unlinks the files", || spooled() == 0);
    assert_eq!(site.ids("in").len(), 0);
}

#[test]
fn a_message_removed_while_it_is_read_is_an_error_and_not_truncated() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let large = format!("\r\n{}", "0123456789abcdef\r\n".repeat(100_000));
    Peer::greeted(tcp(&gate)).deliver("", &["mylist@example.com"], large);
    let mut queue = open(&site, Name::In);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    let mut message = queue.message(&lease).unwrap();
    message.read_exact(&mut [0; 1000]).unwrap();
    site.stdout(&["queue", "remove", "1-1"]);
    let why = message.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(why.to_string().contains("the entry 1-1 was removed"), "{why}");
}

#[test]
fn an_entry_removed_by_an_operator_is_reported() {
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
    assert!(matches!(why, Error::Open(_)) && why.to_string().contains("no data found in"), "{why}");
}
