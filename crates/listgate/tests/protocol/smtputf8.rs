//! Mail in UTF-8 (RFC 6531, RFC 6532): from the socket to the queue, to `send` and to a command that processes it.

use crate::support::{Peer, Site, queued_as, tcp};
use listgate::Config;
use std::fs;

const MESSAGE: &str =
    "From: Jürgen <jürgen@bücher.example>\r\nSubject: Grüße\r\nMessage-ID: <ü@b>\r\n\r\nHällo\r\n";

#[test]
fn mail_in_utf8_is_taken_whether_or_not_its_sender_says_so() {
    let site = Site::with_list();
    site.create("jürgen@bücher.example");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    for parameter in ["", " SMTPUTF8", " BODY=8BITMIME SMTPUTF8"] {
        for sender in ["anne@example.org", "jürgen@bücher.example", "\"jürgen x\"@xn--bcher-kva.example", ""]
        {
            assert_eq!(peer.command(&format!("MAIL FROM:<{sender}>{parameter}")), "250 2.1.0 Sender ok");
            assert_eq!(&peer.command("RCPT TO:<Jürgen@BÜCHER.example>")[..9], "250 2.1.5");
            assert_eq!(&peer.command("RCPT TO:<jürgen-join@xn--bcher-kva.example>")[..9], "250 2.1.5");
            assert_eq!(&peer.command("RCPT TO:<keine@bücher.example>")[..9], "550 5.1.1");
            assert_eq!(&peer.command("DATA")[..3], "354");
            peer.send(format!("{MESSAGE}.\r\n"));
            let replies = [peer.reply(), peer.reply()];
            let entry = &site.json(&["queue", "show", queued_as(&replies[0])])[0];
            let stored = if sender.is_empty() { "<>" } else { sender };
            assert_eq!(entry["mail_from"], stored, "{entry}");
            assert_eq!(entry["recipient"], "Jürgen@BÜCHER.example");
            assert_eq!(entry["message_id"], "<ü@b>");
            let header = MESSAGE.replace("\r\n\r\n", &format!("\r\nX-MailFrom: {stored}\r\n\r\n"));
            assert_eq!(String::from_utf8(site.message(queued_as(&replies[1]))).unwrap(), header);
            // The same mail again would be a duplicate.
            for entry in site.ids("in").iter().chain(&site.ids("command")) {
                site.stdout(&["queue", "remove", entry]);
            }
        }
    }
    assert_eq!(&peer.command("VRFY jürgen SMTPUTF8")[..3], "252");
    assert_eq!(&peer.command("MAIL FROM:<a@b> SMTPUTF8=1")[..3], "501");
    assert_eq!(&peer.command("LHLO bücher.example")[..3], "250");
}

#[test]
fn a_received_line_is_ascii_and_names_utf8lmtp() {
    let site = Site::with_list();
    let gate = site.gate(Config { add_received: true, ..site.config() });
    let mut peer = Peer::connect(tcp(&gate));
    peer.command("LHLO bücher.example");
    peer.command("MAIL FROM:<anne@example.org> SMTPUTF8");
    peer.command("RCPT TO:<mylist@example.com>");
    peer.command("DATA");
    peer.send("Message-ID: <a@b>\r\n\r\n.\r\n");
    let stored = String::from_utf8(site.message(queued_as(&peer.reply()))).unwrap();
    assert!(stored.starts_with("Received: from xn--bcher-kva.example ("), "{stored}");
    assert!(stored.contains("by lists.example.com with UTF8LMTP; "), "{stored}");
}

#[test]
fn send_and_a_command_agree_about_utf8() {
    let site = Site::new();
    site.create("リスト@例え.テスト");
    let server = site.serve(&["--listen", "127.0.0.1:0"]);
    let mail = site.data().join("mail");
    fs::write(&mail, MESSAGE).unwrap();
    let address = server.address.to_string();
    let (from, to) = ("jürgen@bücher.example", "リスト@xn--r8jz45g.xn--zckzah");
    let text =
        site.stdout(&["send", mail.to_str().unwrap(), "--server", &address, "--from", from, "--to", to]);
    assert!(text.contains("250 2.0.0 Ok: queued as "), "{text}");
    let script = "printf '%s\\n' \"$LISTGATE_LIST_ID\" \"$LISTGATE_MAIL_FROM\" \"$LISTGATE_RECIPIENT\" >\"$LISTGATE_DATA_DIR/env\"";
    site.stdout(&["work", "in", "--drain", "--config", &site.without_engine(), "--", "sh", "-c", script]);
    let env = fs::read_to_string(site.data().join("env")).unwrap();
    assert_eq!(env, format!("リスト.xn--r8jz45g.xn--zckzah\n{from}\n{to}\n"));
    let checked = site.stdout(&["check", "リスト-JOIN@例え.テスト"]);
    assert!(checked.contains("リスト.xn--r8jz45g.xn--zckzah"), "{checked}");
    assert!(site.stdout(&["list", "ls"]).contains("リスト@xn--r8jz45g.xn--zckzah"));
    let mta = site.stdout(&["mta", "postfix"]);
    assert!(mta.contains("例え.テスト") && mta.contains("xn--r8jz45g.xn--zckzah"), "{mta}");
}
