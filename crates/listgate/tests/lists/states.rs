//! A list that is paused, closed, or takes only small mail: changes apply at once, while the gate runs.

use crate::support::socketmap::Socketmap;
use crate::support::{Peer, Site, queued_as, socketmap, tcp};
use listgate::{Config, RefuseAt};

const LIST: &str = "mylist@example.com";
const CLOSED: &str = "550 5.2.1 The list is closed and takes no more mail";
const PAUSED: &str = "450 4.2.1 The list is paused, try again later";

#[test]
fn a_paused_list_defers_mail_and_a_closed_one_refuses_it() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let mut rcpt = |address: &str| peer.rcpt(address);
    for (command, reply) in [("pause", PAUSED), ("close", CLOSED)] {
        assert_eq!(rcpt(LIST), "250 2.1.5 Recipient ok");
        site.stdout(&["list", command, LIST]);
        assert_eq!(rcpt(LIST), reply);
        assert_eq!(rcpt("mylist-join@example.com"), reply);
        // A sender who was refused can ask the owner why, and a bounce is about mail that was sent before.
        assert_eq!(rcpt("mylist-owner@example.com"), "250 2.1.5 Recipient ok");
        assert_eq!(rcpt("mylist-bounces+anne=example.com@example.com"), "250 2.1.5 Recipient ok");
        let checked = site.listgate(&["check", LIST]);
        let stdout = String::from_utf8(checked.stdout).unwrap();
        assert!(stdout.contains(reply) && stdout.contains("`listgate list open` ends that"), "{stdout}");
        site.stdout(&["list", "open", LIST]);
    }
    assert_eq!(rcpt(LIST), "250 2.1.5 Recipient ok");
}

#[test]
fn a_list_closed_between_rcpt_and_the_dot_refuses_in_its_own_reply() {
    let site = Site::with_list();
    site.create("other@example.com");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    peer.begin("", &["other@example.com", LIST]);
    site.stdout(&["list", "close", LIST]);
    peer.send("Subject: x\r\n\r\n.\r\n");
    assert_eq!(queued_as(&peer.reply()), "1-1");
    assert_eq!(peer.reply(), CLOSED);
}

#[test]
fn a_lists_own_limit_applies_to_declared_and_actual_sizes() {
    const REFUSED: &str = "552 5.2.3 The list takes no message of more than 1024 octets";
    let site = Site::with_list();
    site.create("other@example.com");
    site.stdout(&["list", "limit", LIST, "1KiB"]);
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    peer.command("MAIL FROM:<> SIZE=1025");
    assert_eq!(peer.command(&format!("RCPT TO:<{LIST}>")), REFUSED);
    assert_eq!(peer.command("RCPT TO:<other@example.com>"), "250 2.1.5 Recipient ok");
    peer.command("RSET");
    peer.begin("", &[LIST, "other@example.com"]);
    peer.send(format!("Subject: x\r\n\r\n{}\r\n.\r\n", "x".repeat(1024)));
    assert_eq!(peer.reply(), REFUSED);
    queued_as(&peer.reply());
    assert_eq!(peer.deliver("", &[LIST], "Subject: small\r\n\r\n").len(), 1);
    site.stdout(&["list", "limit", LIST, "none"]);
    peer.command("MAIL FROM:<> SIZE=1025");
    assert_eq!(peer.command(&format!("RCPT TO:<{LIST}>")), "250 2.1.5 Recipient ok");
}

#[test]
fn commands_report_the_state_of_a_list_and_refuse_invalid_changes() {
    let site = Site::with_list();
    assert_eq!(site.stdout(&["list", "pause", LIST]), "mylist@example.com is paused\n");
    assert_eq!(
        site.stdout(&["list", "limit", LIST, "1MB"]),
        "mylist@example.com takes messages of up to 1000000 octets\n"
    );
    let stdout = site.stdout(&["list", "limit", LIST, "51MiB"]);
    let note = "note: by default the gate takes up to 52428800 octets (lmtp.max_message_size)\n";
    assert!(stdout.ends_with(note), "{stdout}");
    site.stdout(&["list", "limit", LIST, "1MB"]);
    let shown = site.stdout(&["list", "show", LIST]);
    assert!(shown.contains("state    paused\nlimit    messages of up to 1000000 octets\n"), "{shown}");
    assert!(site.stdout(&["list", "ls"]).trim_end().ends_with("paused"));
    let json = &site.json(&["list", "ls"])[0];
    assert_eq!((&json["state"], &json["max_size"]), (&"paused".into(), &1_000_000.into()));
    let missing = site.listgate(&["list", "close", "nolist@example.com"]);
    assert_eq!(missing.status.code(), Some(1));
    let stderr = String::from_utf8(missing.stderr).unwrap();
    assert!(stderr.contains("the list nolist@example.com does not exist"), "{stderr}");
    assert_eq!(site.listgate(&["list", "limit", LIST, "much"]).status.code(), Some(2));
    let none = site.listgate(&["list", "limit", LIST, "0B"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8(none.stderr).unwrap().contains("`listgate list close`"));
}

#[test]
fn socketmap_answers_as_rcpt_does_for_paused_and_closed_lists() {
    let site = Site::with_list();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    // Refusals after the data concern only the LMTP session.
    let gate = site.gate(Config { socketmap: listen, refuse_at: RefuseAt::Data, ..site.config() });
    let mut postfix = Socketmap::connect(socketmap(&gate));
    assert_eq!(postfix.query("recipients", "nobody@example.com"), "NOTFOUND ");
    for (command, answer) in [("pause", format!("TEMP {PAUSED}")), ("close", "NOTFOUND ".to_owned())] {
        assert_eq!(postfix.query("recipients", LIST), "OK OK");
        site.stdout(&["list", command, LIST]);
        assert_eq!(postfix.query("recipients", LIST), answer);
        assert_eq!(postfix.query("recipients", "mylist-leave@example.com"), answer);
        assert_eq!(postfix.query("recipients", "mylist-owner@example.com"), "OK OK");
        // Mail that Postfix took before gets the gate's own reply.
        assert!(postfix.query("transport", LIST).starts_with("OK lmtp:"));
        site.stdout(&["list", "open", LIST]);
    }
    gate.stop().unwrap();
}

#[test]
fn check_agrees_with_rcpt_about_a_full_queue() {
    let site = Site::with_list();
    let gate = site.gate(Config { max_entries: 1, ..site.config() });
    let file = site.data().join("gate.toml");
    std::fs::write(&file, "queue.max_entries = 1\nstorage.min_free = 0\n").unwrap();
    let check = |address: &str| {
        let output = site.listgate(&["check", address, "--config", file.to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(LIST).0, Some(0));
    let mut peer = Peer::greeted(tcp(&gate));
    peer.deliver("", &[LIST], "Subject: x\r\n\r\n");
    let reply = peer.rcpt(LIST);
    assert!(reply.starts_with("452 4.3.1 The queue in is full"), "{reply}");
    let (code, stderr) = check(LIST);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains(&format!("reply     {reply}\n")) && stderr.contains("its queue is full"),
        "{stderr}"
    );
    assert_eq!(check("mylist-join@example.com").0, Some(0));
}

#[test]
fn socketmap_defers_mail_for_a_full_queue() {
    let site = Site::with_list();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { socketmap: listen, max_entries: 1, ..site.config() });
    let mut postfix = Socketmap::connect(socketmap(&gate));
    assert_eq!(postfix.query("recipients", LIST), "OK OK");
    Peer::greeted(tcp(&gate)).deliver("", &[LIST], "Subject: x\r\n\r\n");
    let answer = postfix.query("recipients", LIST);
    assert!(answer.starts_with("TEMP 452 4.3.1 The queue in is full"), "{answer}");
    assert_eq!(postfix.query("recipients", "mylist-join@example.com"), "OK OK");
    gate.stop().unwrap();
}
