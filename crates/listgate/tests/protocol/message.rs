//! What happens to a message's octets on their way to the disk.

use crate::support::{Peer, Site, queued_as, tcp};
use listgate::Config;

/// Delivers `wire` (as sent, with dots stuffed) and returns the entry's id.
fn deliver(peer: &mut Peer, wire: &[u8]) -> String {
    peer.begin("anne@example.com", &["mylist@example.com"]);
    peer.send(wire);
    peer.send(".\r\n");
    queued_as(&peer.reply()).to_owned()
}

#[test]
fn octets_are_kept_and_only_header_fields_are_added() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let cases: [(&[u8], &[u8]); 5] = [
        (
            b"Message-ID: <a@b>\r\n\r\n..\r\n...x\r\n",
            b"Message-ID: <a@b>\r\nX-MailFrom: anne@example.com\r\n\r\n.\r\n..x\r\n",
        ),
        (
            b"Message-ID: <a@b>\r\nSubject: \xe4\r\n\r\n\0\xff\r \n\r\n",
            b"Message-ID: <a@b>\r\nSubject: \xe4\r\nX-MailFrom: anne@example.com\r\n\r\n\0\xff\r \n\r\n",
        ),
        (
            b"x-mailfrom:\r\n evil@example.org\r\nMessage-ID: <a@b>\r\n\r\n",
            b"Message-ID: <a@b>\r\nX-MailFrom: anne@example.com\r\n\r\n",
        ),
        (
            b"From someone\r\nMessage-ID: <a@b>\r\nno header\r\n",
            b"From someone\r\nMessage-ID: <a@b>\r\nX-MailFrom: anne@example.com\r\n\r\nno header\r\n",
        ),
        (b"Message-ID: <a@b>\r\n", b"Message-ID: <a@b>\r\nX-MailFrom: anne@example.com\r\n\r\n"),
    ];
    for (wire, stored) in cases {
        let id = deliver(&mut peer, wire);
        assert_eq!(site.message(&id).escape_ascii().to_string(), stored.escape_ascii().to_string());
    }
}

/// Otherwise a handler would find nothing in LISTGATE_MESSAGE_ID.
#[test]
fn an_empty_message_id_is_replaced_small_or_large() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    for body in ["", &"x\r\n".repeat(100_000)] {
        let id = deliver(&mut peer, format!("Message-ID: \r\nSubject: x\r\n\r\n{body}").as_bytes());
        let stored = String::from_utf8(site.message(&id)).unwrap();
        let header: Vec<&str> = stored.lines().take(4).collect();
        assert!(header[0] == "Subject: x" && header[1].ends_with("@lists.example.com>"), "{header:?}");
        let entry = &site.json(&["queue", "show", &id])[0];
        assert_eq!(entry["message_id"], header[1]["Message-ID: ".len()..]);
    }
}

#[test]
fn a_missing_message_id_comes_from_the_content_small_or_large() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let filler = "x".repeat(200) + "\r\n";
    // In memory; spooled with the id in the part already written; and in the part still in memory.
    for (header, body) in [(0, 0), (0, 2000), (1000, 0), (330, 0)] {
        let header: String = (0..header).map(|n| format!("X-{n}: {filler}")).collect();
        let message = format!("{header}\r\n{}", filler.repeat(body));
        let first = deliver(&mut peer, message.as_bytes());
        let again = deliver(&mut peer, message.as_bytes());
        let other = deliver(&mut peer, format!("{message}other\r\n").as_bytes());
        let id = |entry: &str| {
            let stored = String::from_utf8(site.message(entry)).unwrap();
            let line = stored.lines().find(|line| line.starts_with("Message-ID: ")).unwrap();
            line["Message-ID: ".len()..].to_owned()
        };
        assert_eq!(id(&first), id(&again), "a retry gets the same");
        assert_ne!(id(&first), id(&other), "another message gets another");
        assert!(
            id(&first).ends_with("@lists.example.com>") && !id(&first).contains("00000000"),
            "{}",
            id(&first)
        );
        let found = site.json(&["queue", "ls", "--message-id", &id(&first)]);
        assert_eq!(found.len(), 2, "and it is found by it");
        let stored = format!(
            "{header}Message-ID: {}\r\nX-MailFrom: anne@example.com\r\n\r\n{}",
            id(&first),
            filler.repeat(body)
        );
        assert_eq!(String::from_utf8(site.message(&first)).unwrap(), stored);
    }
}

#[test]
fn a_large_body_is_stored_once_and_removed_with_its_last_entry() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let message = format!("Message-ID: <a@b>\r\n\r\n{}", "0123456789\r\n".repeat(20_000));
    let replies =
        peer.deliver("a@example.org", &["mylist@example.com", "mylist-owner@example.com"], &message);
    let ids: Vec<&str> = replies.iter().map(|reply| queued_as(reply)).collect();
    let spooled = || std::fs::read_dir(site.data().join("spool")).unwrap().count();
    assert_eq!(spooled(), 1);
    site.stdout(&["queue", "remove", ids[0]]);
    assert_eq!(site.message(ids[1]).len(), message.len() + "X-MailFrom: a@example.org\r\n".len());
    site.stdout(&["queue", "remove", ids[1]]);
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while spooled() > 0 {
        assert!(std::time::Instant::now() < until, "the gate does not remove the file");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn an_unfinished_message_leaves_nothing() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    peer.begin("a@example.org", &["mylist@example.com"]);
    peer.send("0123456789\r\n".repeat(20_000));
    drop(peer);
    gate.stop().unwrap();
    assert_eq!(std::fs::read_dir(site.data().join("spool")).unwrap().count(), 0);
    assert_eq!(site.json(&["queue", "ls"]).len(), 0);
}

#[test]
fn a_received_line_is_added_on_request() {
    let site = Site::with_list();
    let gate = site.gate(Config { add_received: true, ..site.config() });
    let id = deliver(&mut Peer::greeted(tcp(&gate)), b"Message-ID: <a@b>\r\n\r\n");
    let stored = String::from_utf8(site.message(&id)).unwrap();
    assert!(stored.starts_with("Received: from client.example ("), "{stored}");
    assert!(stored.contains("by lists.example.com with LMTP; "), "{stored}");
}

#[test]
fn a_received_line_contains_no_invalid_name() {
    let site = Site::with_list();
    let gate = site.gate(Config { add_received: true, ..site.config() });
    let mut peer = Peer::connect(tcp(&gate));
    for (lhlo, named) in [
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("mail_1.example", "mail_1.example"),
        ("a(b", "unknown"),
        (&"x".repeat(2000), "unknown"),
    ] {
        peer.command(&format!("LHLO {lhlo}"));
        let stored = String::from_utf8(site.message(&deliver(&mut peer, b"\r\n"))).unwrap();
        assert!(stored.starts_with(&format!("Received: from {named} (127.0.0.1:")), "{stored}");
        assert!(stored.lines().all(|line| line.len() < 998), "{stored}");
    }
}
