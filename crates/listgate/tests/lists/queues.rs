//! `listgate queue`: what it shows of the entries.

use crate::support::{Peer, Site, queued_as, tcp};
use std::time::Duration;

#[test]
fn status_counts_by_age_and_list_within_80_columns() {
    let site = Site::with_list();
    site.create("a-list-with-quite-a-long-name@example.com");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    for (to, minutes) in [
        ("mylist@example.com", 15),
        ("mylist@example.com", 3000),
        ("a-list-with-quite-a-long-name@example.com", 0),
        ("mylist-join@example.com", 0),
    ] {
        // The command uses the system's clock, so to it the entry has this age.
        let age = Duration::from_secs(minutes * 60);
        site.clock.set_back(age);
        peer.deliver("", &[to], "a: b\r\n\r\n");
        site.clock.advance(age);
    }
    gate.stop().unwrap();
    let text = site.stdout(&["queue", "status"]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["in", "3", "0", "0", "0", "0", "2d"]), "{text}");
    assert!(rows.contains(&vec!["bounces", "0", "0", "0", "0", "0", "-"]), "{text}");
    assert!(rows.contains(&vec!["TOTAL", "3", "1", "0", "1", "0", "0", "0", "0", "0", "0", "1"]), "{text}");
    assert!(
        rows.contains(&vec!["mylist.example.com", "2", "0", "0", "1", "0", "0", "0", "0", "0", "0", "1"]),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let json = site.json(&["queue", "status"]);
    assert_eq!((&json[0]["queue"], &json[0]["waiting"]), (&"in".into(), &3.into()));
    assert!(json[2]["oldest"].is_null());
}

#[test]
fn an_entry_is_listed_found_shown_and_removed() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let replies = peer.deliver(
        "anne@example.org",
        &["mylist-bounces+a=b@example.com"],
        "Message-ID: <x@y>\r\n\r\nbody\r\n",
    );
    let id = queued_as(&replies[0]);
    let entry = &site.json(&["queue", "ls", "bounces", "--message-id", "<x@y>"])[0];
    for (key, value) in [
        ("id", id),
        ("queue", "bounces"),
        ("list_id", "mylist.example.com"),
        ("mail_from", "anne@example.org"),
        ("recipient", "mylist-bounces+a=b@example.com"),
        ("detail", "a=b"),
        ("message_id", "<x@y>"),
        ("state", "waiting"),
        ("lhlo", "client.example"),
    ] {
        assert_eq!(entry[key], value, "{key}");
    }
    assert_eq!((&entry["size"], &entry["attempts"]), (&57.into(), &0.into()));
    assert!(entry["received_at"].as_str().unwrap().ends_with('Z'));
    let keys: Vec<&String> = entry["msgdata"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["_parsemsg", "listname", "original_size", "subaddress", "version"]);
    let shown = &site.json(&["queue", "show", id])[0];
    assert_eq!(shown["message"], "Message-ID: <x@y>\r\nX-MailFrom: anne@example.org\r\n\r\nbody\r\n");
    assert_eq!(site.json(&["queue", "ls", "in"]).len(), 0);
    assert_eq!(site.json(&["queue", "ls", "--message-id", "<z@y>"]).len(), 0);
    assert_eq!(site.json(&["queue", "ls", "--message-id", "x@y"]).len(), 1, "without brackets");
    assert_eq!(site.stdout(&["queue", "remove", id]), format!("removed {id}\n"));
    assert_eq!(site.json(&["queue", "ls"]).len(), 0);
    // Its id is never given to another entry.
    let replies = peer.deliver("", &["mylist@example.com"], "a: b\r\n\r\n");
    assert_ne!(queued_as(&replies[0]), id);
}
