//! `drain`: 421 as soon as no transaction is open; `stop`: 421 at once (RFC 5321 section 3.8).

use crate::util::{Seen, Server};

const BYE: &str = "421 4.3.2 Shutting down, try again later\r\n";

#[test]
fn an_idle_session_ends_at_once() {
    for said in [
        b"".as_slice(),
        b"LHLO a\r\n",
        b"LHLO a\r\nMAIL FROM:<no@b>\r\n",
        b"LHLO a\r\nMAIL FROM:<a@b>\r\nRSET\r\n",
    ] {
        let mut server = Server::new();
        server.say(said);
        server.session.drain();
        assert_eq!(server.say(b""), BYE);
        assert!(server.is_closed());
        assert_eq!(server.say(b"NOOP\r\n"), "");
    }
}

#[test]
fn unread_commands_are_not_started() {
    let mut server = Server::greeted();
    server.session.drain();
    assert_eq!(server.say(b"MAIL FROM:<a@b>\r\n"), BYE);
    assert_eq!(server.seen, [Seen::Close]);
}

#[test]
fn an_open_transaction_is_finished_first() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<a@b>\r\n");
    server.session.drain();
    assert_eq!(server.say(b"RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"), "250 2.1.5 Recipient ok\r\n".repeat(2));
    assert!(server.say(b"DATA\r\n").starts_with("354 "));
    assert_eq!(server.say(b"x\r\n"), "");
    let replies = server.say(b".\r\nMAIL FROM:<a@b>\r\n");
    assert_eq!(replies, format!("250 2.0.0 Ok: queued as id-1\r\n250 2.0.0 Ok: queued as id-2\r\n{BYE}"));
    assert!(server.is_closed());
}

#[test]
fn a_session_in_any_state_can_be_stopped() {
    for said in ["", "LHLO a\r\n", "MAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx"] {
        let mut server = Server::greeted();
        server.say(said.as_bytes());
        server.session.stop();
        let before = server.seen.len();
        assert_eq!(server.say(b"\r\n.\r\nNOOP\r\n"), BYE, "{said:?}");
        assert_eq!(server.seen[before..], [Seen::Close], "{said:?}");
        assert_eq!(server.say(b"NOOP\r\n"), "");
    }
}

#[test]
fn a_message_refused_while_draining_gets_its_replies_too() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n");
    server.say(&[b'x'; 2000]);
    server.session.drain();
    let replies = server.say(b"\r\n.\r\n");
    assert_eq!(replies, format!("{}{BYE}", "552 5.3.4 Message too large\r\n".repeat(2)));
}

#[test]
fn an_abandoned_transaction_ends_the_session() {
    for (end, events) in [
        ("RSET", [Seen::Abandoned, Seen::Close].as_slice()),
        ("LHLO a", &[Seen::Abandoned, Seen::Flush, Seen::Close]),
    ] {
        let mut server = Server::greeted();
        server.say(b"MAIL FROM:<a@b>\r\n");
        server.session.drain();
        assert!(server.say(format!("{end}\r\n").as_bytes()).ends_with(BYE));
        assert_eq!(&server.seen[1..], events);
    }
}
