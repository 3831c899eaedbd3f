//! What an entry records about its message besides the message itself.

use crate::support::{Peer, Site, queued_as, tcp};
use serde_json::json;

#[test]
fn an_entry_has_the_facts_that_reveal_a_loop() {
    let site = Site::with_list();
    site.create("other@example.com");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let message = "Received: from a\r\n by b\r\nReceived: from c\r\nAuto-Submitted: auto-replied\r\n\
                   Precedence: bulk\r\nList-Id: Mine <mylist.example.com>\r\n\r\nReceived: in the body\r\n";
    peer.deliver("", &["mylist@example.com", "other@example.com"], message);
    peer.deliver("anne@example.org", &["mylist@example.com"], "Subject: plain\r\n\r\n");
    let facts: Vec<_> = site
        .json(&["queue", "ls", "in"])
        .iter()
        .map(|entry| {
            let fact = |key: &str| entry[key].clone();
            json!([
                fact("received_lines"),
                fact("from_list"),
                fact("auto_submitted"),
                fact("precedence"),
                fact("null_sender")
            ])
        })
        .collect();
    assert_eq!(
        facts,
        [
            json!([2, true, "auto-replied", "bulk", true]),
            json!([2, false, "auto-replied", "bulk", true]),
            json!([0, false, null, null, false]),
        ]
    );
}

/// RFC 5322 section 4.5.8: such a field is obsolete and must be accepted.
#[test]
fn blanks_before_a_colon_hide_no_fact_and_leave_the_header_unchanged() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let header = "Subject : x\r\nList-Id\t: <mylist.example.com>\r\nAuto-Submitted : auto-replied\r\n\
                  Received : from a\r\nPrecedence: bulk\r\nMessage-ID : <a@b>\r\n";
    let replies = peer.deliver("anne@example.com", &["mylist@example.com"], format!("{header}\r\nbody\r\n"));
    let stored = site.message(queued_as(&replies[0]));
    let expected = format!("{header}X-MailFrom: anne@example.com\r\n\r\nbody\r\n");
    assert_eq!(stored.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    let entry = &site.json(&["queue", "ls", "in"])[0];
    assert_eq!(entry["message_id"], "<a@b>");
    assert_eq!(entry["from_list"], true);
    assert_eq!(entry["auto_submitted"], "auto-replied");
    assert_eq!(entry["received_lines"], 1);
    assert_eq!(entry["precedence"], "bulk");
}

#[test]
fn a_looping_message_is_refused_for_each_recipient() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let with_lines = |lines: usize| "Received: from a by b\r\n".repeat(lines) + "\r\n";
    let to = ["mylist@example.com", "mylist-owner@example.com"];
    let refused = peer.deliver("", &to, with_lines(101));
    assert_eq!(refused, ["554 5.4.6 Too many hops: 101 Received lines, a mail loop"; 2]);
    queued_as(&peer.deliver("", &to, with_lines(100))[1]);
    peer.assert_usable();
}
