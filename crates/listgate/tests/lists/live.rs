//! Lists come and go while the gate runs: no signal, no restart.

use crate::support::socketmap::Socketmap;
use crate::support::{Peer, Site, queued_as, socketmap, tcp};
use listgate::Config;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const LIST: &str = "mylist@example.com";

#[test]
fn a_list_answers_from_its_creation_to_its_removal() {
    let site = Site::new();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let mut rcpt = |address: &str| peer.rcpt(address)[..3].to_owned();
    for _ in 0..3 {
        assert_eq!(rcpt(LIST), "550");
        site.create(LIST);
        assert_eq!(rcpt(LIST), "250");
        site.stdout(&["list", "rename", LIST, "other@example.com"]);
        assert_eq!((rcpt(LIST).as_str(), rcpt("other-join@example.com").as_str()), ("550", "250"));
        assert_eq!(rcpt("other@example.net"), "550");
        site.stdout(&["domain", "add", "example.net", "--alias-of", "example.com"]);
        assert_eq!(rcpt("other@example.net"), "250");
        site.stdout(&["domain", "remove", "example.net"]);
        site.stdout(&["list", "remove", "other@example.com"]);
        assert_eq!(rcpt("other@example.com"), "550");
    }
}

#[test]
fn a_list_removed_between_rcpt_and_the_dot_is_a_550_for_its_recipient_only() {
    let site = Site::with_list();
    site.create("second@example.com");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    peer.begin("", &["second@example.com", LIST, "second-owner@example.com"]);
    site.stdout(&["list", "remove", LIST]);
    peer.send("Subject: x\r\n\r\n.\r\n");
    let replies = [peer.reply(), peer.reply(), peer.reply()];
    assert_eq!(queued_as(&replies[0]), "1-1");
    assert_eq!(replies[1], "550 5.1.1 Requested action not taken: mailbox unavailable");
    assert_eq!(queued_as(&replies[2]), "1-2");
    site.create(LIST);
    peer.assert_usable();
}

#[test]
fn the_same_endpoint_and_detail_twice_is_one_entry_and_two_replies() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let to = [
        LIST,
        "MYLIST@example.com",
        "mylist+x@example.com",
        "mylist-subscribe@example.com",
        "mylist-join@example.com",
    ];
    let replies = peer.deliver("", &to, "Subject: x\r\n\r\n");
    let ids: Vec<&str> = replies.iter().map(|reply| queued_as(reply)).collect();
    assert_eq!(ids, ["1-1", "1-1", "1-2", "1-3", "1-3"]);
    assert_eq!(site.json(&["queue", "ls"]).len(), 3);
}

#[test]
fn socketmap_answers_are_never_stale_while_lists_change_under_load() {
    let site = Site::with_list();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { socketmap: listen, ..site.config() });
    let address = socketmap(&gate);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut postfix = Socketmap::connect(address);
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(postfix.query("recipients", LIST), "OK OK");
                    assert_eq!(postfix.query("recipients", "never@example.com"), "NOTFOUND ");
                    assert_eq!(postfix.query("domains", "example.com"), "OK example.com");
                    // The list may be there or not, but the answer is never a temporary failure.
                    let answer = postfix.query("recipients", "comes-join@example.com");
                    assert!(["OK OK", "NOTFOUND "].contains(&answer.as_str()), "{answer}");
                    asked.fetch_add(4, Ordering::Relaxed);
                }
            });
        }
        let mut postfix = Socketmap::connect(address);
        for _ in 0..25 {
            site.create("comes@example.com");
            assert_eq!(postfix.query("recipients", "comes-join@example.com"), "OK OK");
            assert!(postfix.query("transport", "comes@example.com").starts_with("OK "));
            site.stdout(&["list", "remove", "comes@example.com"]);
            assert_eq!(postfix.query("recipients", "comes-join@example.com"), "NOTFOUND ");
            assert_eq!(postfix.query("transport", "comes@example.com"), "NOTFOUND ");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > 1000, "{asked:?} questions meanwhile");
    gate.stop().unwrap();
}
