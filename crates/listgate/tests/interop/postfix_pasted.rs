//! A new Postfix configured by pasting what `listgate mta postfix` prints.

use crate::mta::Postfix;
use crate::support::{Site, free_address, socketmap, until};
use listgate::{Config, Gate};
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

/// Makes every client a stranger to Postfix.
const STRANGERS: &str = "mynetworks = 192.0.2.1\n";

/// Returns a site with a list, a gate with this configuration, and a Postfix with the settings printed for it.
fn pasted(toml: &str, args: &[&str]) -> (Site, Gate, Postfix) {
    let site = Site::with_list();
    // Postfix runs as a user of its own, which needs access.
    fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
    let file = site.data().join("listgate.toml");
    let toml = toml.replace("DIR", site.data().to_str().unwrap());
    // Several tests run at a time, and each needs a port for the way out.
    let outgoing = format!("[outgoing]\nto = \"smtp:{}\"\n", free_address());
    fs::write(&file, format!("[storage]\nmin_free = \"0B\"\n{outgoing}{toml}")).unwrap();
    let gate = site.gate(Config::read(&file, site.data()).unwrap());
    let fresh = ["--config", file.to_str().unwrap(), "mta", "postfix", "--fresh"];
    let postfix = Postfix::with(STRANGERS);
    postfix.paste(&site.stdout(&[&fresh, args].concat()));
    (site, gate, postfix)
}

/// Checks what must be true however Postfix looks up addresses.
fn recipients_are_checked_at_smtp_time(toml: &str, args: &[&str]) {
    let (site, gate, postfix) = pasted(toml, args);
    let mut smtp = postfix.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<nobody@example.com>", "550");
    smtp.command("RCPT TO:<mylist-bogus@example.com>", "550");
    smtp.command("RCPT TO:<postmaster@example.com>", "250");
    smtp.command("RCPT TO:<abuse@example.com>", "250");
    smtp.command("RCPT TO:<mylist@example.org>", "454 4.7.1 <mylist@example.org>: Relay access denied");
    site.create("new@example.com");
    smtp.command("RSET", "250");
    smtp.send(
        &["new@example.com", "NEW-join@example.com", "mylist-confirm+token@example.com"],
        "new@example.org",
    );
    until("the mail arrives", || site.json(&["queue", "ls", "--message-id", "<new@example.org>"]).len() == 3);
    gate.stop().unwrap();
    // Postfix itself replies with 450 or 451.
    let mut smtp = postfix.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist-owner@example.com>", "45");
    smtp.command("RCPT TO:<other@example.com>", "45");
    assert!(!postfix.log().contains("warning: /"), "{}", postfix.log());
}

#[test]
#[ignore = "needs postfix"]
fn by_socketmap() {
    let (lmtp, socketmap) = (free_address(), free_address());
    let toml = format!("[server]\nlisten = [\"{lmtp}\"]\n[socketmap]\nlisten = [\"{socketmap}\"]\n");
    recipients_are_checked_at_smtp_time(&toml, &[]);
    recipients_are_checked_at_smtp_time(&toml, &["--ask-domains"]);
}

#[test]
#[ignore = "needs postfix"]
fn by_unix_sockets() {
    let toml = "[server]\nlisten = [\"unix:DIR/lmtp\"]\n[socketmap]\nlisten = [\"unix:DIR/socketmap\"]\n";
    recipients_are_checked_at_smtp_time(toml, &[]);
}

#[test]
#[ignore = "needs postfix"]
fn by_verification() {
    recipients_are_checked_at_smtp_time(&format!("[server]\nlisten = [\"{}\"]\n", free_address()), &[]);
}

/// Uses the lines of docs/mta.md for a domain that has mailboxes, too.
#[test]
#[ignore = "needs postfix"]
fn lists_and_mailboxes_can_share_a_domain() {
    let (site, gate, socketmap) = gate_with_socketmap();
    let socketmap = format!("socketmap:inet:{socketmap}");
    for (number, kind) in [
        "mydestination = example.com\nlocal_transport = discard\nlocal_recipient_maps = inline:{ anne=x }",
        "virtual_mailbox_domains = example.com\nvirtual_transport = discard\n\
         virtual_mailbox_maps = inline:{ anne@example.com=x }",
    ]
    .into_iter()
    .enumerate()
    {
        let lines =
            format!("{STRANGERS}{kind} {socketmap}:recipients\ntransport_maps = {socketmap}:transport\n");
        let postfix = Postfix::with(&lines);
        let id = format!("beside-{number}@example.org");
        postfix.smtp().send(&["anne@example.com", "mylist-join@example.com"], &id);
        let mut smtp = postfix.smtp();
        smtp.command("MAIL FROM:<anne@example.net>", "250");
        smtp.command("RCPT TO:<nobody@example.com>", "550");
        until("the mail arrives", || site.ids("command").len() == number + 1);
        postfix.logged(&["to=<anne@example.com>", "relay=none", "status=sent"]);
    }
    gate.stop().unwrap();
}

fn gate_with_socketmap() -> (Site, Gate, SocketAddr) {
    let site = Site::with_list();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { socketmap: listen, ..site.config() });
    let address = socketmap(&gate);
    (site, gate, address)
}

#[test]
#[ignore = "needs postfix"]
fn a_refusal_cached_by_verification_expires_soon() {
    let (site, gate, postfix) = pasted(&format!("[server]\nlisten = [\"{}\"]\n", free_address()), &[]);
    let mut smtp = postfix.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<new@example.com>", "550");
    site.create("new@example.com");
    until("the list is valid at the door", || {
        sleep(Duration::from_secs(1));
        // The reply stays 550 until it is 250; it is never a temporary failure.
        let reply = smtp.command("RCPT TO:<new@example.com>", "");
        assert!(["550", "250"].contains(&&reply[..3]), "{reply}");
        reply.starts_with("250")
    });
    gate.stop().unwrap();
}
