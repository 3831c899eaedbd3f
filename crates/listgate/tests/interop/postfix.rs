//! Single messages through a real Postfix: sent, bounced, verified, waiting.

use crate::mta::Postfix;
use crate::support::{Peer, Server, Site, free_address};
use std::fs;

#[test]
#[ignore = "needs postfix"]
fn good_unknown_and_good_are_sent_bounced_and_sent() {
    sent_bounced_and_sent("rcpt", "(in reply to RCPT TO command)");
}

#[test]
#[ignore = "needs postfix"]
fn good_refused_after_the_data_and_good_are_sent_bounced_and_sent() {
    sent_bounced_and_sent("data", "(in reply to end of DATA command)");
}

fn sent_bounced_and_sent(refuse_at: &str, refused_in_reply_to: &str) {
    let site = Site::with_list();
    site.create("second@example.com");
    let config = site.data().join("gate.toml");
    fs::write(&config, format!("[lmtp]\nrefuse_at = \"{refuse_at}\"\n")).unwrap();
    let server = site.serve(&["--config", config.to_str().unwrap()]);
    let postfix = Postfix::start(server.address, "");
    postfix
        .smtp()
        .send(&["mylist@example.com", "nobody@example.com", "second-join@example.com"], "three@example.org");
    for (to, status, reply) in [
        ("to=<mylist@example.com>", "status=sent", "(250 2.0.0 Ok: queued as 1-1)"),
        (
            "to=<nobody@example.com>",
            "status=bounced",
            "550 5.1.1 Requested action not taken: mailbox unavailable",
        ),
        ("to=<second-join@example.com>", "status=sent", "(250 2.0.0 Ok: queued as 1-2)"),
    ] {
        let line = postfix.logged(&[to, "status="]);
        assert!(line.contains(status) && line.contains(reply), "{line}");
        assert_eq!(line.contains(refused_in_reply_to), status == "status=bounced", "{line}");
        assert_eq!(postfix.log().lines().filter(|line| line.contains(to)).count(), 1, "one outcome");
    }
    let msgdata = &site.json(&["queue", "show", "1-2"])[0]["msgdata"];
    assert_eq!(
        (&msgdata["listname"], &msgdata["subaddress"]),
        (&"second@example.com".into(), &"join".into())
    );
    assert_eq!((site.ids("in"), site.ids("command")), (vec!["1-1".to_owned()], vec!["1-2".to_owned()]));
    let stored = String::from_utf8(site.message("1-1")).unwrap();
    assert!(stored.starts_with("Received: "), "{stored}");
    let header = stored.split("\r\n\r\n").next().unwrap();
    assert!(header.contains("\r\nMessage-ID: <three@example.org>\r\n"), "{stored}");
    assert!(stored.ends_with("\r\nX-MailFrom: anne@example.org\r\n\r\nHello\r\n"), "{stored}");
}

#[test]
#[ignore = "needs postfix"]
fn an_unknown_address_is_refused_at_smtp_time_and_a_new_list_works_at_once() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let verify = "smtpd_recipient_restrictions = reject_unverified_recipient, permit_mynetworks, reject\n\
                  unverified_recipient_reject_code = 550\naddress_verify_poll_count = 10\n";
    let postfix = Postfix::start(server.address, verify);
    let mut smtp = postfix.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    let refused = smtp.command("RCPT TO:<nobody@example.com>", "550");
    assert!(refused.contains("mailbox unavailable"), "{refused}");
    site.create("new@example.com");
    smtp.command("RCPT TO:<new@example.com>", "250");
    assert_eq!(site.json(&["queue", "ls"]).len(), 0, "a probe queues nothing");
}

#[test]
#[ignore = "needs postfix"]
fn mail_waits_in_postfix_while_the_gate_is_down() {
    let site = Site::with_list();
    let address = free_address();
    let postfix = Postfix::start(address, "");
    postfix.smtp().send(&["mylist@example.com"], "patient@example.org");
    postfix.logged(&["to=<mylist@example.com>", "status=deferred"]);
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", &address.to_string()]);
    let server = Server::start(command);
    postfix.command("flush");
    postfix.logged(&["to=<mylist@example.com>", "status=sent", "queued as 1-1"]);
    assert_eq!(site.json(&["queue", "ls", "--message-id", "<patient@example.org>"]).len(), 1);
    assert_eq!(&Peer::greeted(server.address).command("NOOP")[..3], "250");
}
