//! Mailman's own LMTP runner, which ours is to replace: what it queues, and that the site of these tests works.

use crate::site::Mailman;
use crate::support::Peer;

const MESSAGE: &str =
    "From: anne@example.org\r\nTo: test@example.com\r\nMessage-ID: <a@example.org>\r\n\r\n\u{e4}\r\n";

fn post(mailman: &Mailman, to: &[&str]) {
    let _runner = mailman.start_lmtp();
    let mut peer = Peer::greeted(mailman.lmtp);
    for reply in peer.deliver("anne@example.org", to, MESSAGE) {
        assert_eq!(reply, "250 Ok");
    }
}

fn a_post_is_queued_and_goes_on(mailman: &Mailman) {
    mailman.create(&["test@example.com"]);
    post(mailman, &["test@example.com", "test-join@example.com"]);
    let [post] = &mailman.entries("in")[..] else { panic!("one post") };
    assert_eq!(post.message["class"], "mailman.email.message.Message");
    assert_eq!(post.header("X-MailFrom"), Some("anne@example.org"));
    assert_eq!(post.message["_unixfrom"], "anne@example.org");
    assert_eq!(post.msgdata["listid"], "test.example.com");
    assert_eq!(post.msgdata["to_list"], true);
    let [join] = &mailman.entries("command")[..] else { panic!("one command") };
    assert_eq!(join.msgdata["subaddress"], "join");
    mailman.once("in");
    mailman.once("command");
    assert_eq!((mailman.files("in").len(), mailman.files("command").len()), (0, 0));
    assert_eq!(mailman.files("shunt"), [""; 0]);
    assert!(!mailman.files("virgin").is_empty(), "a confirmation is on its way");
}

#[test]
#[ignore = "needs mailman"]
fn on_sqlite() {
    a_post_is_queued_and_goes_on(&Mailman::new());
}

#[test]
#[ignore = "needs mailman, postgres"]
fn on_postgresql() {
    a_post_is_queued_and_goes_on(&Mailman::on_postgres());
}

#[test]
#[ignore = "needs mailman"]
fn mailman_has_the_tested_version() {
    let mailman = Mailman::new();
    assert!(
        mailman.mailman(&["version"]).starts_with("GNU Mailman 3.3.10"),
        "{}",
        mailman.mailman(&["version"])
    );
}
