//! STARTTLS (RFC 3207), with a handshake that always succeeds.

use crate::util::{Seen, Server, play};
use listgate_lmtp::{Refusal, Refused};
use std::{panic::AssertUnwindSafe, panic::catch_unwind};

fn offering() -> Server {
    let mut server = Server::new();
    server.session.offer_starttls();
    server.say(b"");
    server
}

#[test]
fn it_is_announced_and_accepted_where_it_is_offered() {
    let mut server = offering();
    play(
        &mut server,
        "C: LHLO client.example
         S: 250-lists.example.com
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-STARTTLS
         S: 250 SIZE 1000
         C: STARTTLS now
         S: 501 5.5.4 Syntax: STARTTLS
         C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: STARTTLS
         S: 503 5.5.1 A transaction is open: RSET ends it
         C: RSET
         S: 250 2.0.0 Ok
         C: starttls
         S: 220 2.0.0 Ready to start TLS
         C: LHLO client.example
         S: 250-lists.example.com
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250 SIZE 1000
         C: STARTTLS
         S: 503 5.5.1 TLS is in use already
         C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok",
    );
    for line in ["STARTTLS", "STARTTLS now"] {
        let reply = Server::greeted().say(format!("{line}\r\n").as_bytes());
        assert_eq!(reply, "502 5.5.1 Command not implemented\r\n", "not offered");
    }
}

#[test]
fn it_may_come_before_lhlo() {
    let mut server = offering();
    assert_eq!(server.say(b"STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
    assert_eq!(server.seen, [Seen::StartTls]);
}

#[test]
fn what_was_said_before_is_forgotten() {
    let mut server = offering();
    server.say(b"LHLO client.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRSET\r\n");
    assert_eq!(server.session.recipients(), ["c@d"]);
    let replies = server.say(b"STARTTLS\r\nLHLO evil.example\r\nMAIL FROM:<evil@b>\r\nRCPT");
    assert_eq!(replies, "220 2.0.0 Ready to start TLS\r\n", "no second greeting either");
    assert_eq!(server.session.peer_name(), "");
    assert!(server.session.recipients().is_empty());
    assert_eq!(server.say(b"MAIL FROM:<a@b>\r\n"), "503 5.5.1 Say LHLO first\r\n");
    assert!(!server.seen.contains(&Seen::Mail("evil@b".to_owned())));
}

/// A reply that may wait, such as the one to RSET, is written before the handshake.
#[test]
fn all_replies_to_plaintext_are_written_in_plaintext() {
    let mut server = offering();
    let replies = server.say(b"RSET\r\nSTARTTLS\r\n");
    assert_eq!(replies, "250 2.0.0 Ok\r\n220 2.0.0 Ready to start TLS\r\n");
}

#[test]
fn commands_and_mistakes_are_counted_across_it() {
    let mut server = Server::with(|settings| settings.limits.errors = 3);
    server.session.offer_starttls();
    server.say(b"NONSENSE\r\nNONSENSE\r\nSTARTTLS\r\n");
    assert!(server.say(b"NONSENSE\r\n").ends_with("421 4.7.0 Too many errors, closing\r\n"));
    let mut server = Server::with(|settings| settings.limits.commands = 10);
    server.session.offer_starttls();
    server.say("NOOP\r\n".repeat(9).as_bytes());
    server.say(b"STARTTLS\r\n");
    assert_eq!(server.session.commands(), 10);
    assert!(server.say(b"NOOP\r\n").starts_with("421 "));
}

#[test]
fn no_deadline_runs_during_the_handshake() {
    let mut server = offering();
    let mut input = b"STARTTLS\r\n".as_slice();
    server.session.next(server.now, &mut input);
    assert_eq!(server.session.deadline(), None);
    server.session.output().clear();
    server.session.encrypted(Ok(()));
    assert!(server.session.next(server.now, &mut input).is_none());
    assert!(server.session.deadline().is_some());
}

#[test]
fn mail_may_require_it() {
    let mut server = Server::new();
    server.session.require_tls();
    let first = "451 4.7.0 Must issue a STARTTLS command first\r\n";
    assert_eq!(server.say(b"VRFY a\r\n"), format!("220 lists.example.com Listgate\r\n{first}"));
    assert!(server.say(b"LHLO client.example\r\n").contains("250-STARTTLS\r\n"));
    let replies = server.say(b"NOOP\r\nHELP\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "214", "250", "451", "503", "503"], "{replies}");
    assert!(replies.contains(first), "{replies}");
    let refused = server.seen.iter().any(|seen| matches!(seen, Seen::Refused(Refused::Mail(_), _)));
    assert!(refused, "the caller knows");
    server.say(b"STARTTLS\r\n");
    server.say(b"LHLO client.example\r\n");
    assert_eq!(server.say(b"MAIL FROM:<a@b>\r\n"), "250 2.1.0 Sender ok\r\n");
}

/// Commands that a client pipelines after the refused MAIL do not count as mistakes.
#[test]
fn a_mail_without_tls_is_not_a_mistake() {
    let mut server = Server::with(|settings| settings.limits.errors = 2);
    server.session.require_tls();
    server.say(b"LHLO client.example\r\n");
    for _ in 0..10 {
        let replies = server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        assert!(!replies.contains("421"), "{replies}");
    }
}

#[test]
fn a_peer_whose_certificate_is_refused_sends_no_mail() {
    let mut server = Server::new();
    server.session.require_tls();
    server.trusted = Err(Refusal::new(550, 7, 1, "Your certificate is not on the list"));
    server.say(b"STARTTLS\r\n");
    server.say(b"LHLO client.example\r\n");
    let refusal = "550 5.7.1 Your certificate is not on the list\r\n";
    assert_eq!(server.say(b"MAIL FROM:<a@b>\r\n"), refusal);
    assert_eq!(server.say(b"VRFY a\r\n"), refusal);
    assert_eq!(server.say(b"RCPT TO:<c@d>\r\n"), "503 5.5.1 Say MAIL first\r\n");
    assert_eq!(server.say(b"QUIT\r\n"), "221 2.0.0 Bye\r\n");
}

#[test]
fn calls_at_the_wrong_time_panic() {
    let panics = |act: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
    panics(&mut || offering().session.encrypted(Ok(())));
    let mut session = offering().session;
    let mut input = b"STARTTLS\r\n".as_slice();
    session.next(std::time::Instant::now(), &mut input);
    panics(&mut || session.encrypted(Ok(())));
    session.output().clear();
    session.encrypted(Ok(()));
}
