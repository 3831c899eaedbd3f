//! UTF-8 and unusual dots through a real Postfix, with SMTPUTF8 and without.

use crate::mta::Postfix;
use crate::page::{Step, page, steps};
use crate::support::{Site, socketmap, tcp, until};
use crate::utf8::{
    all, assert_all_queued, assert_unknown_are_refused, site, submit, submit_without_smtputf8,
};
use listgate::{Config, Gate};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Starts a gate that answers by socketmap, and a Postfix that asks it.
fn asking(site: &Site, smtputf8: &str) -> (Gate, Postfix) {
    let socketmap_listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { socketmap: socketmap_listen, ..site.config() });
    let map = format!("socketmap:inet:{}", socketmap(&gate));
    let postfix = Postfix::with(&format!(
        "smtputf8_enable = {smtputf8}\nmynetworks = 127.0.0.0/8\nrelay_domains = {map}:domains\n\
         relay_recipient_maps = {map}:recipients\ntransport_maps = {map}:transport\n"
    ));
    (gate, postfix)
}

/// Starts a gate, and a Postfix that verifies each recipient on it.
fn verifying(site: &Site, smtputf8: &str) -> (Gate, Postfix) {
    let gate = site.gate(site.config());
    let lmtp = tcp(&gate);
    let domains = ["example.com", "bücher.example", "xn--bcher-kva.example"];
    let transports: Vec<String> =
        domains.iter().map(|domain| format!("{{ {domain} = lmtp:inet:{lmtp} }}")).collect();
    let postfix = Postfix::with(&format!(
        "smtputf8_enable = {smtputf8}\nmynetworks = 127.0.0.0/8\nrelay_domains = {}\n\
         transport_maps = inline:{{ {} }}\n\
         smtpd_recipient_restrictions = reject_unverified_recipient, permit_mynetworks, reject\n\
         unverified_recipient_reject_code = 550\naddress_verify_poll_count = 10\n\
         address_verify_poll_delay = 1s\n",
        domains.join(" "),
        transports.join(" ")
    ));
    (gate, postfix)
}

type Start = fn(&Site, &str) -> (Gate, Postfix);

fn mail_arrives_with_smtputf8(start: Start) {
    let site = site();
    let (gate, postfix) = start(&site, "yes");
    let mut smtp = postfix.smtp();
    all().for_each(|mail| submit(&mut smtp, mail));
    assert_unknown_are_refused(&mut smtp, true);
    assert_all_queued(&site, all());
    gate.stop().unwrap();
}

fn mail_arrives_without_smtputf8(start: Start) {
    let site = site();
    let (gate, postfix) = start(&site, "no");
    let mut smtp = postfix.smtp();
    let refusals = [
        "555 5.5.4 Unsupported option: SMTPUTF8",
        "501 5.1.7 Bad sender address syntax",
        "501 5.1.3 Bad recipient address syntax",
    ];
    let taken = submit_without_smtputf8(&mut smtp, refusals);
    assert_unknown_are_refused(&mut smtp, false);
    assert_all_queued(&site, taken);
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs postfix"]
fn with_smtputf8_by_socketmap() {
    mail_arrives_with_smtputf8(asking);
}

#[test]
#[ignore = "needs postfix"]
fn with_smtputf8_by_verification() {
    mail_arrives_with_smtputf8(verifying);
}

#[test]
#[ignore = "needs postfix"]
fn without_smtputf8_by_socketmap() {
    mail_arrives_without_smtputf8(asking);
}

#[test]
#[ignore = "needs postfix"]
fn without_smtputf8_by_verification() {
    mail_arrives_without_smtputf8(verifying);
}

/// The tutorial's handler answers a request, by SMTP to the same Postfix, which delivers to a mailbox.
#[test]
#[ignore = "needs postfix, python3"]
fn a_reply_comes_back_to_a_sender_in_utf8() {
    let site = site();
    let mailboxes = tempfile::tempdir().unwrap();
    fs::set_permissions(mailboxes.path(), Permissions::from_mode(0o777)).unwrap();
    let gate = site.gate(site.config());
    let lmtp = tcp(&gate);
    let postfix = Postfix::with(&format!(
        "smtputf8_enable = yes\nmynetworks = 127.0.0.0/8\nrelay_domains = example.com\n\
         transport_maps = inline:{{ {{ example.com = lmtp:inet:{lmtp} }} }}\n\
         virtual_mailbox_domains = bücher.example docomo.example\n\
         virtual_mailbox_base = {}\n\
         virtual_mailbox_maps = inline:{{ {{ jürgen@bücher.example = jürgen/ }} \
         {{ foo..bar@docomo.example = foo/ }} }}\n\
         virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n",
        mailboxes.path().display()
    ));
    let page = page().replace("2525", &postfix.smtp.port().to_string());
    for step in steps(&page) {
        if let Step::Save { name, text } = step {
            fs::write(site.data().join(&name), text).unwrap();
            fs::set_permissions(site.data().join(&name), Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::write(site.data().join("listgate.toml"), "[engine]\nenabled = false\n").unwrap();
    let mut smtp = postfix.smtp();
    for (sender, mailbox, parameters) in
        [("jürgen@bücher.example", "jürgen", " SMTPUTF8"), ("foo..bar@docomo.example", "foo", "")]
    {
        for (list, id) in [("mylist", 1), ("müller", 2)] {
            smtp.command(&format!("MAIL FROM:<{sender}>{parameters}"), "250");
            smtp.command(&format!("RCPT TO:<{list}-request@example.com>"), "250");
            smtp.command("DATA", "354");
            smtp.command(&format!("Subject: help Grüße\r\nMessage-ID: <{id}@example.org>\r\n\r\n."), "250");
        }
        until("the requests arrive", || site.ids("command").len() == 2);
        let mut work = site.command();
        work.args(["work", "command", "--config", "listgate.toml", "--drain", "--", "./help.py"]);
        work.current_dir(site.data());
        assert!(work.status().unwrap().success());
        assert!(site.ids("command").is_empty(), "{:?}", site.json(&["queue", "ls"]));
        let new = mailboxes.path().join(mailbox).join("new");
        let mails =
            || fs::read_dir(&new).into_iter().flatten().map(|mail| fs::read(mail.unwrap().path()).unwrap());
        until("the replies are delivered", || mails().count() == 2);
        let text: String = mails().map(|mail| String::from_utf8(mail).unwrap()).collect();
        for (list, id) in [("mylist", 1), ("müller", 2)] {
            assert!(text.contains(&format!("\nIn-Reply-To: <{id}@example.org>\n")), "{text}");
            assert!(text.contains(&format!("\nTo join {list}@example.com, write to ")), "{text}");
        }
    }
    gate.stop().unwrap();
}
