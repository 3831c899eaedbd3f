//! Timeouts (RFC 5321 section 4.5.3.2.7): 421, then the end of the session. The time is an argument.

use crate::util::{SECOND, Seen, Server, settings};
use listgate_lmtp::{Event, Refusal, Session, Settings};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const LATE: &str = "421 4.4.2 Timeout, closing\r\n";

fn timeouts(settings: &mut Settings) {
    settings.limits.command_timeout = 300 * SECOND;
    settings.limits.data_timeout = 600 * SECOND;
    settings.limits.transaction_timeout = 3600 * SECOND;
}

fn server() -> Server {
    Server::greeted_with(timeouts)
}

#[test]
fn a_session_before_its_greeting_has_a_deadline_too() {
    let mut server = Server::with(timeouts);
    assert_eq!(server.session.deadline(), None, "the wait has not begun");
    server.say(b"");
    assert_eq!(server.session.deadline(), Some(server.now + 300 * SECOND));
    assert_eq!(server.wait(300 * SECOND), LATE);
    assert!(server.is_closed());
}

#[test]
fn a_command_has_a_timeout() {
    let mut server = server();
    let deadline = server.now + 300 * SECOND;
    assert_eq!(server.session.deadline(), Some(deadline));
    assert_eq!(server.wait(299 * SECOND), "");
    assert_eq!(server.session.deadline(), Some(deadline));
    server.say(b"NOOP\r\n");
    assert_eq!(server.session.deadline(), Some(server.now + 300 * SECOND), "each command anew");
    assert_eq!(server.wait(300 * SECOND), LATE);
    assert_eq!(server.seen.last(), Some(&Seen::Close));
    assert_eq!(server.session.deadline(), None);
    assert_eq!(server.wait(300 * SECOND), "", "once");
}

/// A peer that sends an octet from time to time cannot keep a session open forever.
#[test]
fn a_partial_command_does_not_restart_the_timeout() {
    let mut server = server();
    for _ in 0..9 {
        server.now += 30 * SECOND;
        assert_eq!(server.say(b"N"), "");
    }
    assert_eq!(server.wait(30 * SECOND), LATE);
}

const BARE: &str = "500 5.5.2 Bare CR or LF in a command: lines end with CR LF\r\n";

/// A person with netcat, or a program that forgets the CR, waits for a reply and sends nothing more.
#[test]
fn a_line_that_ends_in_a_bare_lf_is_answered_after_two_seconds() {
    for line in ["NOOP\n", "LHLO a\nMAIL FROM:<a@b>\n", "\n", "a\r\n\r\nb\n"] {
        let mut server = server();
        for _ in 0..2 {
            server.say(line.as_bytes());
            assert_eq!(server.session.deadline(), Some(server.now + 2 * SECOND), "{line:?}");
            assert_eq!(server.wait(SECOND), "");
            assert_eq!(server.wait(SECOND), BARE, "{line:?}");
            assert_eq!(server.session.deadline(), Some(server.now + 300 * SECOND));
            assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n", "the session continues");
        }
    }
}

#[test]
fn more_input_before_that_continues_the_line() {
    let mut server = server();
    server.say(b"NOOP\n");
    server.wait(SECOND);
    assert_eq!(server.say(b"x\n"), "");
    assert_eq!(
        server.session.deadline(),
        Some(server.now + 2 * SECOND),
        "silence is counted from the last octet"
    );
    server.wait(SECOND);
    assert_eq!(server.say(b"y"), "");
    assert_eq!(server.session.deadline(), Some(server.now + 298 * SECOND), "the line does not end in LF now");
    assert_eq!(server.wait(10 * SECOND), "");
    assert_eq!(server.say(b"\r\n"), BARE);
    server.say(b"NOOP\n");
    server.now += 3 * SECOND;
    assert_eq!(server.say(b"NOOP\r\n"), BARE, "input that has arrived counts, however late it is read");
    assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
}

#[test]
fn an_overlong_line_with_a_bare_lf_is_answered_too() {
    let mut server = server();
    server.say(&[b'x'; 5000]);
    assert_eq!(server.wait(3 * SECOND), "");
    server.say(b"\n");
    assert_eq!(server.wait(2 * SECOND), "500 5.5.2 Command line too long\r\n");
    assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
}

#[test]
fn a_lf_in_data_is_no_line_to_answer() {
    let mut server = server();
    server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\n");
    assert_eq!(server.session.deadline(), Some(server.now + 600 * SECOND));
    assert_eq!(server.wait(10 * SECOND), "");
    assert_eq!(server.say(b"\r\n.\r\n"), "250 2.0.0 Ok: queued as id-1\r\n");
    assert_eq!(server.bodies(), [b"x\n\r\n"]);
}

/// The first octets of a connection may be a header of the PROXY protocol, until it is known that they are lines.
#[test]
fn empty_lines_at_the_beginning_are_answered_after_two_seconds() {
    for (octets, replies) in [("\r\n", 1), ("\r\n\r\n", 2), ("\r\n\r", 1)] {
        let mut server = Server::with(timeouts);
        server.say(b"");
        assert_eq!(server.say(octets.as_bytes()), "");
        assert_eq!(server.session.deadline(), Some(server.now + 2 * SECOND), "{octets:?}");
        assert_eq!(server.wait(2 * SECOND), "500 5.5.2 Empty command\r\n".repeat(replies));
        assert_eq!(server.session.deadline(), Some(server.now + 300 * SECOND));
    }
    let mut server = Server::with(timeouts);
    server.say(b"\r");
    assert_eq!(server.session.deadline(), Some(server.now + 300 * SECOND), "no line is whole");
    let mut server = Server::with(timeouts);
    server.say(b"\r\n\r\n\0\r\nQUI");
    assert!(server.wait(2 * SECOND).ends_with("421 4.7.0 This is LMTP, not a binary protocol: closing\r\n"));
}

#[test]
fn in_data_each_piece_restarts_the_timeout() {
    let mut server = server();
    server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    for _ in 0..3 {
        assert_eq!(server.session.deadline(), Some(server.now + 600 * SECOND));
        assert_eq!(server.wait(599 * SECOND), "");
        assert_eq!(server.say(b"x"), "");
    }
    assert_eq!(server.wait(600 * SECOND), LATE);
    assert_eq!(server.seen.last(), Some(&Seen::Close));
    assert!(!server.seen.contains(&Seen::Abandoned), "an accepted MAIL ends once");
}

#[test]
fn a_refused_message_has_no_more_time_than_another() {
    let mut server = server();
    server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    server.say(&[b'x'; 2000]);
    assert_eq!(server.wait(599 * SECOND), "");
    server.say(&[b'x'; 2000]);
    assert_eq!(server.session.deadline(), Some(server.now + 600 * SECOND));
    assert_eq!(server.wait(600 * SECOND), LATE);
}

#[test]
fn a_transaction_has_a_timeout_however_busy_the_peer_is() {
    let mut server = server();
    let begin = server.now;
    server.say(b"MAIL FROM:<a@b>\r\n");
    for _ in 0..14 {
        server.now += 250 * SECOND;
        server.say(b"NOOP\r\n");
    }
    assert_eq!(server.session.deadline(), Some(begin + 3600 * SECOND));
    server.say(b"RCPT TO:<c@d>\r\nDATA\r\nx");
    assert_eq!(server.wait(99 * SECOND), "");
    assert_eq!(server.wait(SECOND), LATE);
}

#[test]
fn the_transaction_timeout_ends_with_the_transaction() {
    for end in ["RSET\r\n", "LHLO a\r\n", "RCPT TO:<a@b>\r\nDATA\r\n.\r\n"] {
        let mut server = server();
        server.say(format!("MAIL FROM:<a@b>\r\n{end}").as_bytes());
        for _ in 0..20 {
            server.now += 200 * SECOND;
            assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n", "after {end:?}");
        }
    }
}

/// A refused MAIL does not start a transaction.
#[test]
fn a_refused_mail_leaves_no_deadline_behind() {
    let mut server = server();
    server.say(b"MAIL FROM:<no@b>\r\n");
    for _ in 0..20 {
        server.now += 200 * SECOND;
        assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
    }
}

/// No deadline runs while the caller owes an answer: its time is not charged to the peer.
#[test]
fn no_deadline_applies_while_an_answer_is_owed() {
    let mut settings = settings();
    timeouts(&mut settings);
    let mut session: Session<(), String> = Session::new(Arc::new(settings));
    let mut now = Instant::now();
    let mut input = b"LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n".as_slice();
    let mut asked = 0;
    loop {
        let event = session.next(now, &mut input).expect("QUIT closes");
        let asks = matches!(event, Event::Mail(_) | Event::Recipient(_) | Event::Complete(_));
        if asks {
            asked += 1;
            assert_eq!(session.deadline(), None);
        }
        now += 700 * SECOND;
        match event {
            Event::Mail(_) => session.accept_mail(),
            Event::Recipient(_) => session.accept(()),
            Event::Complete(_) => session.refuse_message(&Refusal::new(451, 3, 0, "Later")),
            Event::Close => break,
            _ => {}
        }
    }
    assert_eq!(asked, 3);
    let output = String::from_utf8(std::mem::take(session.output())).unwrap();
    assert!(output.ends_with("451 4.3.0 Later\r\n221 2.0.0 Bye\r\n"), "{output}");
}

#[test]
fn a_timeout_too_large_to_represent_sets_no_deadline() {
    let mut server = Server::with(|settings| {
        settings.limits.command_timeout = Duration::MAX;
        settings.limits.transaction_timeout = Duration::MAX;
        settings.limits.data_timeout = Duration::MAX;
    });
    server.say(b"LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx");
    assert_eq!(server.session.deadline(), None);
    assert_eq!(server.wait(1_000_000 * SECOND), "");
}
