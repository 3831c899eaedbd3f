//! UTF-8 in addresses and arguments (RFC 6531), from both sides.

use crate::util::{Peer, Seen, Server, codes, recipients, sender, wants_body};
use listgate_lmtp::{ClientEvent, Declared, Event, Phase, ReversePath, Transaction};

#[test]
fn it_is_announced() {
    let replies = Server::new().say(b"LHLO client.example\r\n");
    assert!(replies.contains("250-SMTPUTF8\r\n"), "{replies}");
    assert!(replies.contains("250-8BITMIME\r\n"), "RFC 6531 section 3.1 (8): {replies}");
}

/// Postfix with `smtputf8_enable = no` sends such addresses without the parameter.
#[test]
fn utf8_is_accepted_in_every_place() {
    for parameter in ["", " SMTPUTF8"] {
        let mut server = Server::new();
        server.say("LHLO b\u{fc}cher.example\r\n".as_bytes());
        assert_eq!(server.session.peer_name(), "b\u{fc}cher.example");
        let said = format!(
            "MAIL FROM:<@\u{fc}.example:\u{e4}nne@b\u{fc}cher.example>{parameter}\r\n\
             RCPT TO:<@a.example,@\u{7d44}\u{7e54}:\"\u{7528} \u{6237}\"@example.com>\r\n"
        );
        assert_eq!(server.say(said.as_bytes()), "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
        let sender = Seen::Mail("\u{e4}nne@b\u{fc}cher.example".to_owned());
        let recipient = Seen::Recipient("\"\u{7528} \u{6237}\"@example.com".to_owned());
        assert!(server.seen.ends_with(&[sender, recipient]), "{:?}", server.seen);
        for string in ["\u{e4}nne", "\u{e4}nne SMTPUTF8", "anne SMTPUTF8"] {
            let reply = server.say(format!("VRFY {string}\r\n").as_bytes());
            assert_eq!(reply, "252 2.0.0 Not verified; RCPT tells\r\n", "{string}");
        }
        assert_eq!(server.say("EXPN \u{e4}\r\n".as_bytes()), "502 5.5.1 Command not implemented\r\n");
    }
}

#[test]
fn the_parameter_has_no_value_and_is_passed_on() {
    for (parameters, expected) in [("", false), (" SMTPUTF8", true), (" SIZE=1 smtputf8 BODY=7BIT", true)] {
        let mut session = Server::greeted().session;
        let line = format!("MAIL FROM:<ann@example.org>{parameters}\r\n");
        match session.next(std::time::Instant::now(), &mut line.as_bytes()) {
            Some(Event::Mail(sender)) => assert_eq!(sender.smtputf8, expected, "{parameters}"),
            other => panic!("{other:?}"),
        }
    }
    let reply = Server::greeted().say(b"MAIL FROM:<ann@example.org> SMTPUTF8=1\r\n");
    assert_eq!(reply, "501 5.5.4 SMTPUTF8 has no value\r\n");
}

/// Returns a client that is ready, against a server that accepts everything.
fn ready(announces: bool) -> Peer<impl FnMut(&str) -> String> {
    let mut recipients = 0;
    let peer = Peer::new(move |command: &str| match command.split(' ').next() {
        Some("") => "220 a\r\n".to_owned(),
        Some("LHLO") if announces => "250-a\r\n250-SmtpUtf8\r\n250 PIPELINING\r\n".to_owned(),
        Some("LHLO") => "250-a\r\n250-SMTPUTF8X\r\n250 PIPELINING\r\n".to_owned(),
        Some("MAIL") => {
            recipients = 0;
            "250 Ok\r\n".to_owned()
        }
        Some("RCPT") => {
            recipients += 1;
            "250 Ok\r\n".to_owned()
        }
        Some("DATA") => "354 Ok\r\n".to_owned(),
        _ => "250 Ok\r\n".repeat(recipients),
    });
    assert_eq!(peer.events, [ClientEvent::Ready]);
    peer
}

/// Returns the commands after LHLO, and the code of each recipient.
fn commands(announces: bool, from: &str, to: &[&str], text: &[u8]) -> (Vec<String>, Vec<Option<u16>>) {
    let mut peer = ready(announces);
    peer.events.clear();
    let from = if from.is_empty() { ReversePath::Null } else { sender(from) };
    peer.client.send(&Transaction::new(&from, &recipients(to), Declared::of(text)));
    peer.exchange(String::new());
    if wants_body(&peer.events) {
        peer.client.body(text);
        peer.client.end_of_body();
        peer.exchange(String::new());
    }
    assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
    (peer.commands.split_off(1), codes(&peer.events, to.len()))
}

const UTF8_HEADER: &[u8] = "Subject: gr\u{fc}\u{df}e\r\n\r\nhello\r\n".as_bytes();

#[test]
fn a_client_says_it_where_it_is_needed_and_offered() {
    for (from, to, text, expected) in [
        ("a@b", "c@d", b"A: b\r\n\r\n".as_slice(), "MAIL FROM:<a@b>"),
        ("a@b", "c@d", UTF8_HEADER, "MAIL FROM:<a@b> SMTPUTF8"),
        ("", "c@d", UTF8_HEADER, "MAIL FROM:<> SMTPUTF8"),
        ("\u{e4}@b", "c@d", b"A: b\r\n\r\n", "MAIL FROM:<\u{e4}@b> SMTPUTF8"),
        ("a@b", "c@\u{fc}", b"A: b\r\n\r\n", "MAIL FROM:<a@b> SMTPUTF8"),
        ("a@b", "c@d", "A: b\r\n\r\n\u{fc}\r\n".as_bytes(), "MAIL FROM:<a@b>"),
        ("a@b", "c@d", "\r\n\u{fc}\r\n\r\n".as_bytes(), "MAIL FROM:<a@b>"),
    ] {
        let (commands, codes) = commands(true, from, &[to], text);
        assert_eq!(commands, [expected, &format!("RCPT TO:<{to}>"), "DATA", "."]);
        assert_eq!(codes, [Some(250)]);
    }
}

/// SMTPUTF8 would not make such a header valid.
#[test]
fn a_header_in_another_charset_is_not_utf8() {
    assert!(!Declared::of(b"Subject: gr\xfc\xdfe\r\n\r\n").utf8_header);
    assert!(Declared::of("Subject: gr\u{fc}\u{df}e".as_bytes()).utf8_header, "a header without an end");
}

#[test]
fn a_client_does_not_send_what_the_server_does_not_take() {
    let (said, outcomes) = commands(false, "a@b", &["c@d", "\u{e4}@d", "e@d"], UTF8_HEADER);
    assert_eq!(said, ["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<e@d>", "DATA", "."]);
    assert_eq!(outcomes, [Some(250), Some(553), Some(250)]);
    let (said, outcomes) = commands(false, "a@b", &["c@\u{e4}", "\u{e4}@d"], b"x");
    assert_eq!((said.len(), outcomes), (0, vec![Some(553); 2]));
    let (said, outcomes) = commands(false, "\u{e4}@b", &["c@d", "e@d"], b"x");
    assert_eq!((said.len(), outcomes), (0, vec![Some(553); 2]));
}

#[test]
fn what_is_not_sent_is_explained() {
    for (from, to, whose) in [("a@b", "\u{e4}@d", "recipient"), ("\u{e4}@b", "c@d", "sender")] {
        let mut peer = ready(false);
        peer.client.send(&Transaction::new(&sender(from), &recipients(&[to]), Declared::default()));
        assert_eq!(peer.client.output(), b"");
        match peer.client.next(&mut b"".as_slice()) {
            Some(ClientEvent::Outcome { recipient: 0, phase: Phase::NotSent, reply, .. }) => assert_eq!(
                reply.to_string(),
                format!(
                    "553 5.6.7 Not sent: the {whose}'s address needs SMTPUTF8, which the server does not offer"
                )
            ),
            other => panic!("{other:?}"),
        }
        assert_eq!(peer.client.next(&mut b"".as_slice()), Some(ClientEvent::Ready));
        peer.client.quit();
    }
}
