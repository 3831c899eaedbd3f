//! An Exim configured by pasting what `listgate mta exim` prints.

use crate::exim::Exim;
use crate::support::{Site, tcp, until};
use std::fs;

/// Starts an Exim that has a mailbox for any address @mx.example.net, with the four pieces in their places.
fn pasted(printed: &str) -> Exim {
    let [main, acl, router, transport] = pieces(printed);
    Exim::start(|spool| {
        format!(
            "{main}\nbegin acl\nacl_check_rcpt:\n{acl}\n  accept domains = mx.example.net\n  \
             require message = relay not permitted\n    domains = +listgate_domains\n\
             begin routers\n{router}\nlocal:\n  driver = accept\n  domains = mx.example.net\n  \
             transport = mailbox\nbegin transports\n{transport}\nmailbox:\n  driver = appendfile\n  \
             file = {spool}/mailbox\n  user = Debian-exim\n",
            spool = spool.display(),
        )
    })
}

/// Splits the printed text at its numbers.
pub(crate) fn pieces(printed: &str) -> [&str; 4] {
    let mut rest = printed;
    let mut cut = |number: u8| {
        let (piece, after) = rest.split_once(&format!("\n# {number}. ")).unwrap();
        // The rest of this line is the comment that began with the number.
        rest = after.split_once('\n').unwrap().1;
        piece
    };
    let [_, main, acl, router] = [1, 2, 3, 4].map(&mut cut);
    [main, acl, router, rest]
}

#[test]
#[ignore = "needs exim4"]
fn recipients_are_checked_at_smtp_time() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = pasted(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    let mut smtp = exim.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    let refused = smtp.command("RCPT TO:<nobody@example.com>", "550");
    assert!(refused.contains("5.1.1 Requested action not taken: mailbox unavailable"), "{refused}");
    smtp.command("RCPT TO:<new@example.com>", "550");
    smtp.command("RCPT TO:<mylist@example.org>", "550 relay not permitted");
    // Refused a moment ago, the address is valid now: Exim caches no refusal.
    site.create("new@example.com");
    smtp.command("RSET", "250");
    smtp.send(
        &["new@example.com", "NEW-join@example.com", "mylist-confirm+token@example.com"],
        "new@example.org",
    );
    until("the mail arrives", || site.json(&["queue", "ls", "--message-id", "<new@example.org>"]).len() == 3);
    gate.stop().unwrap();
    let mut smtp = exim.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    for address in ["new@example.com", "mylist@example.com", "nobody@example.com"] {
        smtp.command(&format!("RCPT TO:<{address}>"), "451");
    }
}

#[test]
#[ignore = "needs exim4"]
fn other_mail_arrives_while_the_gate_is_stopped() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = pasted(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    gate.stop().unwrap();
    let mut smtp = exim.smtp();
    for (to, id) in [
        ("anne@mx.example.net", "anne@client.example"),
        ("Postmaster@example.com", "postmaster@client.example"),
        ("abuse@EXAMPLE.com", "abuse@client.example"),
    ] {
        smtp.send(&[to], id);
        until("the mail arrives", || exim.in_spool("mailbox").contains(&format!("Message-ID: <{id}>")));
    }
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "451");
}

#[test]
#[ignore = "needs exim4"]
fn only_mail_to_lists_has_the_size_limit_of_the_gate() {
    let site = Site::with_list();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[lmtp]\nmax_message_size = \"1MiB\"\n").unwrap();
    let gate = site.gate(site.config());
    let [file, at] = [file.to_str().unwrap(), &tcp(&gate).to_string()];
    let exim = pasted(&site.stdout(&["--config", file, "mta", "exim", "--listen", at]));
    let mut smtp = exim.smtp();
    smtp.command("MAIL FROM:<anne@example.org> SIZE=2000000", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "550 the message is too large");
    smtp.command("RCPT TO:<anne@mx.example.net>", "250");
    smtp.command("RSET", "250");
    smtp.command("MAIL FROM:<anne@example.org> SIZE=1000000", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "250");
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs exim4"]
fn a_paused_list_defers_mail_at_smtp_time() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let exim = pasted(&site.stdout(&["mta", "exim", "--listen", &tcp(&gate).to_string()]));
    site.stdout(&["list", "pause", "mylist@example.com"]);
    let mut smtp = exim.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "45");
    smtp.command("RCPT TO:<mylist-owner@example.com>", "250");
    gate.stop().unwrap();
}
