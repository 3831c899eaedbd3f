//! A queue that is processed in the gate's own process, through its writer.

use crate::support::{Peer, Site, tcp};
use crate::{LONG, deliver, open};
use listgate::queue::{Error, Lease, Name, Stale, Verdict};
use std::collections::BTreeSet;
use std::io::{Read, read_to_string};
use std::thread;

const MESSAGES: usize = 600;

/// Returns the body of a message; one in twenty is large.
fn body(number: usize) -> String {
    "0123456789abcdef\r\n".repeat(if number.is_multiple_of(20) { 5_000 } else { 5 })
}

#[test]
fn each_entry_is_done_once_while_more_mail_arrives() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let (address, mut queue) = (tcp(&gate), gate.queue(Name::In).unwrap());
    let sender = thread::spawn(move || {
        let mut peer = Peer::greeted(address);
        for number in 0..MESSAGES {
            let message = format!("Message-ID: <{number}@x>\r\n\r\n{}", body(number));
            let replies = peer.deliver("anne@example.org", &["mylist@example.com"], message);
            assert_eq!(&replies[0][..3], "250", "{}", replies[0]);
        }
    });
    let mut done = BTreeSet::new();
    crate::support::until("all are done", || {
        let leases = queue.lease(40, LONG).unwrap();
        for lease in &leases {
            let message = read_to_string(queue.message(lease).unwrap()).unwrap();
            assert_eq!(message.len() as u64, lease.entry.size);
            assert!(done.insert(lease.entry.message_id.clone()), "{} came twice", lease.entry.id);
        }
        let settled: Vec<(Lease, Verdict)> = leases.into_iter().map(|lease| (lease, Verdict::Done)).collect();
        assert!(queue.settle(&settled).unwrap().iter().all(Result::is_ok));
        done.len() == MESSAGES
    });
    sender.join().unwrap();
    assert_eq!(site.ids("in").len(), 0);
    let spooled = || std::fs::read_dir(site.data().join("spool")).unwrap().count();
    crate::support::until("no file is left", || spooled() == 0);
    drop(queue);
    gate.stop().unwrap();
}

#[test]
fn it_shares_the_entries_with_consumers_in_other_processes() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let gate = site.gate(site.config());
    let (mut within, mut beside) = (gate.queue(Name::In).unwrap(), open(&site, Name::In));
    let first = within.lease(1, LONG).unwrap().remove(0);
    let second = beside.lease(9, LONG).unwrap().remove(0);
    assert_ne!(first.entry.id, second.entry.id);
    assert!(within.lease(9, LONG).unwrap().is_empty() && beside.lease(9, LONG).unwrap().is_empty());
    assert_eq!(within.extend(&[&first], LONG).unwrap(), [Ok(())]);
    site.stdout(&["queue", "remove", &first.entry.id.to_string()]);
    assert!(matches!(within.message(&first), Err(Error::Removed(_))));
    assert_eq!(within.extend(&[&first], LONG).unwrap(), [Err(Stale)]);
    let off = Verdict::Retry { after: LONG, why: "busy".to_owned() };
    assert_eq!(within.settle(&[(first, off)]).unwrap(), [Err(Stale)]);
    assert_eq!(beside.settle(&[(second, Verdict::Release)]).unwrap(), [Ok(())]);
    let mut message = String::new();
    let again = within.lease(1, LONG).unwrap().remove(0);
    within.message(&again).unwrap().read_to_string(&mut message).unwrap();
    assert!(message.starts_with("Subject: 1\r\n"), "{message}");
}
