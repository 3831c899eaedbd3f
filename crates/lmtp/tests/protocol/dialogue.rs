//! Sessions as a peer sees them, word for word.

use crate::util::{Seen, Server, play};

#[test]
fn a_message_is_delivered_and_the_session_quits() {
    let mut server = Server::new();
    assert_eq!(server.say(b""), "220 lists.example.com Listgate\r\n");
    assert_eq!(server.session.peer_name(), "");
    play(
        &mut server,
        "C: LHLO mail.example.org
         S: 250-lists.example.com
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250 SIZE 1000
         C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<list@example.com>
         S: 250 2.1.5 Recipient ok
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: Subject: hello
         C:
         C: ..a dot
         C: .
         S: 250 2.0.0 Ok: queued as id-1
         C: QUIT
         S: 221 2.0.0 Bye
         S: (closes)",
    );
    assert_eq!(server.session.peer_name(), "mail.example.org");
    assert_eq!(server.bodies(), [b"Subject: hello\r\n\r\n.a dot\r\n"]);
}

#[test]
fn helo_and_ehlo_are_not_understood() {
    let mut server = Server::with(|_| {});
    server.say(b"");
    play(
        &mut server,
        "C: HELO mail.example.org
         S: 500 This is LMTP: say LHLO (RFC 2033)
         C: ehlo mail.example.org
         S: 500 This is LMTP: say LHLO (RFC 2033)
         C: MAIL FROM:<ann@example.org>
         S: 503 5.5.1 Say LHLO first",
    );
}

#[test]
fn some_commands_need_no_greeting() {
    let mut server = Server::new();
    server.say(b"");
    play(
        &mut server,
        "C: NOOP
         S: 250 2.0.0 Ok
         C: NOOP with words
         S: 250 2.0.0 Ok
         C: VRFY list
         S: 252 2.0.0 Not verified; RCPT tells
         C: HELP
         S: 214 2.0.0 LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 2033)
         C: HELP MAIL
         S: 214 2.0.0 LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 2033)
         C: RSET
         S: 250 2.0.0 Ok
         C: RCPT TO:<list@example.com>
         S: 503 5.5.1 Say MAIL first
         C: QUIT
         S: 221 2.0.0 Bye
         S: (closes)",
    );
}

#[test]
fn out_of_order_is_503_and_keeps_the_state() {
    let mut server = Server::greeted();
    play(
        &mut server,
        "C: RCPT TO:<list@example.com>
         S: 503 5.5.1 Say MAIL first
         C: DATA
         S: 503 5.5.1 Say MAIL and RCPT first
         C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: MAIL FROM:<bob@example.org>
         S: 503 5.5.1 A transaction is open: RSET ends it
         C: DATA
         S: 503 5.5.1 No valid recipients
         C: RCPT TO:<list@example.com>
         S: 250 2.1.5 Recipient ok
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: .
         S: 250 2.0.0 Ok: queued as id-1
         C: DATA
         S: 503 5.5.1 Say MAIL and RCPT first",
    );
    assert!(server.seen.contains(&Seen::Mail("ann@example.org".to_owned())));
    assert!(!server.seen.contains(&Seen::Mail("bob@example.org".to_owned())));
}

#[test]
fn data_without_an_accepted_recipient_is_503() {
    let mut server = Server::greeted();
    play(
        &mut server,
        "C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<no@example.com>
         S: 550 5.1.1 No such list
         C: DATA
         S: 503 5.5.1 No valid recipients",
    );
}

#[test]
fn rset_and_a_second_lhlo_abandon_the_transaction() {
    for again in ["RSET", "LHLO other.example"] {
        let mut server = Server::greeted();
        server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<list@example.com>\r\n");
        server.say(format!("{again}\r\n").as_bytes());
        assert_eq!(server.seen.iter().filter(|seen| **seen == Seen::Abandoned).count(), 1, "{again}");
        assert_eq!(server.say(b"DATA\r\n"), "503 5.5.1 Say MAIL and RCPT first\r\n");
        server.say(format!("{again}\r\n").as_bytes());
        assert_eq!(server.seen.iter().filter(|seen| **seen == Seen::Abandoned).count(), 1, "{again}");
    }
}

/// RFC 2920 section 3.2 (4): the reply to a greeting is not held back, wherever the greeting comes.
#[test]
fn a_second_lhlo_is_answered_at_once() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<ann@example.org>\r\nLHLO other.example\r\n");
    assert_eq!(server.seen[1..], [Seen::Abandoned, Seen::Flush]);
    assert_eq!(server.session.peer_name(), "other.example");
}

#[test]
fn syntax_errors_are_501() {
    for line in [
        "LHLO",
        "LHLO two words",
        "LHLO h\u{85}",
        "LHLO h\u{a0}h",
        "VRFY h\u{85}",
        "VRFY",
        "DATA now",
        "RSET now",
        "QUIT now",
        "MAIL",
        "MAIL ann",
        "MAIL FROM",
        "MAIL FROM ann@example.org",
        "MAIL TO:<ann@example.org>",
        "MAIL FROM:ann@example.org",
        "MAIL FROM: <ann@example.org>",
        "MAIL FROM:<ann@example.org",
        "MAIL FROM:<ann@example.org>x",
        "MAIL FROM:<ann@example.org>SIZE=1",
        "RCPT",
        "RCPT TO",
        "RCPT FROM:<list@example.com>",
        "RCPT TO:list@example.com",
        "RCPT TO:<list>",
        "RCPT TO:<list@>",
        "RCPT TO:<@example.com>",
    ] {
        let mut server = Server::greeted();
        if line.starts_with("RCPT") {
            server.say(b"MAIL FROM:<ann@example.org>\r\n");
        }
        let reply = server.say(format!("{line}\r\n").as_bytes());
        assert!(reply.starts_with("501 "), "{line}: {reply}");
        assert_eq!(reply.lines().count(), 1, "{line}: {reply}");
        assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n", "usable after {line}");
    }
}

#[test]
fn unknown_commands_are_500_and_unimplemented_ones_502() {
    let mut server = Server::greeted();
    play(
        &mut server,
        "C: HELLO
         S: 500 5.5.1 Command not recognized
         C: XCLIENT ADDR=192.0.2.1
         S: 500 5.5.1 Command not recognized
         C: ANYTHINGLONGERTHANACOMMAND
         S: 500 5.5.1 Command not recognized
         C: NOOPS
         S: 500 5.5.1 Command not recognized
         C: EXPN list
         S: 502 5.5.1 Command not implemented
         C: STARTTLS
         S: 502 5.5.1 Command not implemented
         C: BDAT 10 LAST
         S: 502 5.5.1 Command not implemented",
    );
    assert_eq!(server.say(b"\r\n"), "500 5.5.2 Empty command\r\n");
    assert_eq!(server.say(b" \r\n"), "500 5.5.2 Empty command\r\n");
    assert_eq!(server.say(b" NOOP\r\n"), "500 5.5.2 Empty command\r\n");
}

#[test]
fn blanks_at_the_end_of_a_line_are_tolerated() {
    let mut server = Server::new();
    server.say(b"LHLO client.example \t\r\n");
    assert_eq!(server.session.peer_name(), "client.example");
    assert_eq!(server.say(b"NOOP \r\n"), "250 2.0.0 Ok\r\n");
    assert_eq!(server.say(b"MAIL FROM:<ann@example.org>  \r\n"), "250 2.1.0 Sender ok\r\n");
    assert_eq!(server.say(b"RCPT TO:<list@example.com>\t\r\n"), "250 2.1.5 Recipient ok\r\n");
    assert!(server.say(b"DATA \t \r\n").starts_with("354 "));
}

#[test]
fn commands_and_keywords_are_in_any_case() {
    let mut server = Server::greeted();
    assert_eq!(
        server.say(b"mail from:<Ann@Example.org> size=5 Body=8bitMime\r\n"),
        "250 2.1.0 Sender ok\r\n"
    );
    assert_eq!(server.say(b"Rcpt To:<List@Example.com>\r\n"), "250 2.1.5 Recipient ok\r\n");
    let names = [Seen::Mail("Ann@Example.org".to_owned()), Seen::Recipient("List@Example.com".to_owned())];
    assert_eq!(server.seen, names);
}

#[test]
fn only_cr_lf_ends_a_command() {
    for line in
        [b"NOOP\nNOOP\r\n".as_slice(), b"NOOP\rNOOP\r\n", b"NOOP\r\r\n", b"NOOP a\n\r\n", b"\nNOOP\r\n"]
    {
        for size in 1..=line.len() {
            let reply = Server::greeted().say_in_pieces(line, size);
            assert_eq!(reply, "500 5.5.2 Bare CR or LF in a command: lines end with CR LF\r\n");
        }
    }
    assert_eq!(Server::greeted().say(b"NOOP\n"), "", "a line that ends with LF alone has not ended");
}

#[test]
fn control_characters_in_a_command_are_refused() {
    for line in
        ["LHLO a\0b", "MAIL FROM:<a\0@example.org>", "MAIL FROM:<a@b\x01c>", "MAIL FROM:<\"a\x7f\"@b>"]
    {
        let reply = Server::greeted().say(format!("{line}\r\n").as_bytes());
        assert!(reply.starts_with("501 "), "{line:?}: {reply}");
    }
    for line in ["NOOP\0", "\0NOOP", "NO\x08OP", "MAIL\tFROM:<a@b>"] {
        let reply = Server::greeted().say(format!("{line}\r\n").as_bytes());
        assert_eq!(reply, "500 5.5.1 Command not recognized\r\n", "{line:?}");
    }
}

#[test]
fn an_overlong_line_is_one_error_however_it_arrives() {
    let fits = [b"NOOP ".as_slice(), &[b'x'; 4091], b"\r\n"].concat();
    let too_long = [b"NOOP ".as_slice(), &[b'x'; 4092], b"\r\n"].concat();
    let far_too_long = [b"NOOP ".as_slice(), &[b'x'; 40_000], b"\r\n"].concat();
    for size in [1, 7, 4096, 4097, 4098, 100_000] {
        assert_eq!(Server::greeted().say_in_pieces(&fits, size), "250 2.0.0 Ok\r\n");
        for line in [&too_long, &far_too_long] {
            let mut server = Server::greeted();
            assert_eq!(server.say_in_pieces(line, size), "500 5.5.2 Command line too long\r\n");
            assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
        }
    }
}

/// A host name or a proof comes from outside this crate, and a reply stays one line nevertheless.
#[test]
fn foreign_text_cannot_break_a_reply() {
    let mut server = Server::with(|settings| settings.hostname = "a\r\n250 b\u{e9}".to_owned());
    assert_eq!(server.say(b""), "220 a??250 b? Listgate\r\n");
    server.say(b"LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    let mut session = server.session;
    let mut input = b".\r\n".as_slice();
    while let Some(event) = session.next(server.now, &mut input) {
        if let listgate_lmtp::Event::Complete(recipients) = event {
            session.finish(&recipients.map(|_| Ok("queued as x\r\n250 y".to_owned() + &"z".repeat(1000))));
            break;
        }
    }
    let reply = String::from_utf8(std::mem::take(session.output())).unwrap();
    assert!(reply.starts_with("250 2.0.0 Ok: queued as x??250 yzzz"), "{reply}");
    assert_eq!(reply.lines().count(), 1);
    assert!(reply.len() <= 512, "RFC 5321 section 4.5.3.1.5");
}
