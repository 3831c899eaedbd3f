//! A client against servers that behave correctly: with and without pipelining, and with every kind of refusal.

use crate::util::{Peer, Server, closed, codes, recipients, refused, reply, wants_body};
use listgate_lmtp::{
    Client, ClientEvent, Closed, Declared, ForwardPath, Phase, Protocol, Recipient, ReversePath, Transaction,
    encode_message,
};
use std::{panic::AssertUnwindSafe, panic::catch_unwind};

const THREE: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];

/// Returns a server that accepts every command, except that it gives the replies in `answers` to commands
/// with these beginnings.
fn server(pipelines: bool, answers: &'static [(&'static str, &'static str)]) -> impl FnMut(&str) -> String {
    let mut accepted = 0;
    move |command| {
        let special = answers.iter().find(|(begin, _)| command.starts_with(begin) && !begin.is_empty());
        let answer = match command.split(' ').next() {
            _ if special.is_some_and(|(begin, _)| *begin != ".") => special.map_or("", |(_, answer)| answer),
            Some("") => "220 hello",
            Some("LHLO") if pipelines => "250-hello\r\n250-PIPELINING\r\n250 SIZE 5",
            Some("LHLO") => "250 hello",
            Some("DATA") if accepted == 0 => "503 5.5.1 No valid recipients",
            Some("DATA") => "354 go on",
            Some(".") => special.map_or("250 2.0.0 Ok", |(_, answer)| answer),
            _ => "250 2.0.0 Ok",
        };
        match command.split(' ').next() {
            Some("MAIL") => accepted = 0,
            Some("RCPT") if answer.starts_with('2') => accepted += 1,
            Some(".") if !answer.contains('\n') => return format!("{answer}\r\n").repeat(accepted),
            _ => {}
        }
        format!("{answer}\r\n")
    }
}

fn ready(
    pipelines: bool,
    answers: &'static [(&'static str, &'static str)],
) -> Peer<impl FnMut(&str) -> String> {
    let peer = Peer::new(server(pipelines, answers));
    assert_eq!(peer.events, [ClientEvent::Ready]);
    peer
}

#[test]
fn a_message_goes_to_each_recipient() {
    for pipelines in [true, false] {
        let mut peer = ready(pipelines, &[]);
        peer.send(&THREE, b"x\r\n");
        assert_eq!(peer.codes(3), [Some(250); 3]);
        assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
        let mail = if pipelines {
            "MAIL FROM:<sender@example.org> SIZE=3"
        } else {
            "MAIL FROM:<sender@example.org>"
        };
        let rcpt = THREE.map(|address| format!("RCPT TO:<{address}>"));
        assert_eq!(peer.commands, ["LHLO client.example", mail, &rcpt[0], &rcpt[1], &rcpt[2], "DATA", "."]);
        peer.client.quit();
        peer.exchange(String::new());
        assert_eq!(peer.events.last(), Some(&closed(Closed::Quit)));
    }
}

#[test]
fn commands_are_grouped_only_if_the_server_offers_pipelining() {
    for (pipelines, expected) in [(true, 4), (false, 1)] {
        let mut peer = ready(pipelines, &[]);
        peer.client.send(&Transaction::new(
            &ReversePath::Null,
            &recipients(&["a@b", "c@d"]),
            Declared::default(),
        ));
        let out = String::from_utf8(std::mem::take(peer.client.output())).unwrap();
        assert!(out.starts_with("MAIL FROM:<>\r\n"), "{out}");
        assert_eq!(out.lines().count(), expected);
    }
}

#[test]
fn a_client_may_do_without_pipelining() {
    let mut client = Client::without_pipelining(Protocol::Lmtp, "client.example");
    let mut input = b"220 hello\r\n250-hello\r\n250-PIPELINING\r\n250 SIZE 5\r\n".as_slice();
    assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
    client.output().clear();
    let declared = Declared { size: Some(3), ..Declared::default() };
    client.send(&Transaction::new(&ReversePath::Null, &recipients(&["a@b"]), declared));
    for (command, reply) in
        [("MAIL FROM:<> SIZE=3", "250 Ok"), ("RCPT TO:<a@b>", "250 Ok"), ("DATA", "354 Ok")]
    {
        assert_eq!(std::mem::take(client.output()), format!("{command}\r\n").as_bytes());
        let event = client.next(&mut format!("{reply}\r\n").as_bytes());
        assert_eq!(event.is_some(), command == "DATA", "{event:?}");
    }
}

#[test]
fn a_message_that_the_caller_writes_is_answered_like_any_other() {
    let mut peer = ready(true, &[]);
    peer.client.send(&Transaction::new(
        &ReversePath::Null,
        &recipients(&["a@b", "c@d"]),
        Declared::default(),
    ));
    peer.client.output().clear();
    let mut input = b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Ok\r\n".as_slice();
    assert!(matches!(peer.client.next(&mut input), Some(ClientEvent::SendBody { .. })));
    peer.client.body_by_caller();
    assert_eq!(peer.client.output(), b"", "the caller writes it");
    let mut input = b"250 Ok\r\n451 No\r\n".as_slice();
    let codes: Vec<u16> = std::iter::from_fn(|| peer.client.next(&mut input))
        .filter_map(|event| match event {
            ClientEvent::Outcome { reply, .. } => Some(reply.code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [250, 451]);
    assert_eq!(encode_message(b".a\r\n\r\n.\r\nb"), b"..a\r\n\r\n..\r\nb\r\n.\r\n");
}

#[test]
fn a_refused_mail_refuses_every_recipient() {
    for pipelines in [true, false] {
        let mut peer =
            ready(pipelines, &[("MAIL", "550 5.7.1 No"), ("RCPT", "503 5.5.1 No"), ("DATA", "503 5.5.1 No")]);
        peer.send(&THREE, b"x");
        assert_eq!(peer.codes(3), [Some(550); 3]);
        assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
        let more = peer.commands.iter().any(|command| command.starts_with("RCPT") || command == "DATA");
        assert_eq!(more, pipelines, "what need not be said is not said");
        peer.send(&THREE, b"x");
        assert_eq!(peer.commands.iter().filter(|command| command.starts_with("MAIL")).count(), 2);
    }
}

/// A server that refuses MAIL and then accepts the recipients does not confuse the client.
#[test]
fn recipients_accepted_after_a_refused_mail_stay_refused() {
    let mut peer = ready(true, &[("MAIL", "450 4.7.1 No"), ("DATA", "503 5.5.1 No")]);
    peer.send(&THREE, b"x");
    assert_eq!(peer.codes(3), [Some(450); 3]);
    assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
}

#[test]
fn some_recipients_are_refused() {
    for pipelines in [true, false] {
        let mut peer = ready(pipelines, &[("RCPT TO:<b@", "451 4.3.0 Later")]);
        peer.send(&THREE, b"x");
        assert_eq!(peer.codes(3), [Some(250), Some(451), Some(250)]);
        assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
    }
}

#[test]
fn all_recipients_are_refused() {
    for pipelines in [true, false] {
        let mut peer = ready(pipelines, &[("RCPT", "550 5.1.1 No")]);
        peer.send(&THREE, b"x");
        assert_eq!(peer.codes(3), [Some(550); 3]);
        assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
        assert_eq!(peer.commands.last().map(String::as_str), Some("RSET"));
        assert_eq!(
            peer.commands.contains(&"DATA".to_owned()),
            pipelines,
            "DATA is said only where it was too late"
        );
    }
}

#[test]
fn refused_data_refuses_the_accepted_recipients() {
    for pipelines in [true, false] {
        let mut peer = ready(pipelines, &[("RCPT TO:<a@", "550 5.1.1 No"), ("DATA", "451 4.3.0 Later")]);
        peer.send(&THREE, b"x");
        assert_eq!(peer.codes(3), [Some(550), Some(451), Some(451)]);
        assert_eq!(peer.commands.last().map(String::as_str), Some("RSET"));
        assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
    }
}

/// RFC 2033 section 4.2: a reply of many lines is one reply.
#[test]
fn replies_after_the_data_may_have_many_lines() {
    let answers = &[(".", "250-2.0.0 one\r\n250 2.0.0 more\r\n451 4.2.2 Full\r\n250-\r\n250-\r\n250")];
    let mut peer = ready(true, answers);
    peer.send(&THREE, b"x");
    assert_eq!(peer.codes(3), [Some(250), Some(451), Some(250)]);
    assert_eq!(peer.events.last(), Some(&ClientEvent::Ready));
    let both = ["2.0.0 one", "2.0.0 more"].map(str::to_owned).to_vec();
    let expected = listgate_lmtp::Reply { code: 250, lines: both };
    let first = peer.events.iter().any(|event| match event {
        ClientEvent::Outcome { recipient: 0, phase: Phase::Message, reply, .. } => **reply == expected,
        _ => false,
    });
    assert!(first, "{:?}", peer.events);
}

#[test]
fn a_session_can_be_refused() {
    for (answers, expected) in [
        (&[("LHLO", "500 5.5.1 What?")], refused(Phase::Hello, 500, "5.5.1 What?")),
        (&[("LHLO", "421 4.3.2 Gone")], refused(Phase::Hello, 421, "4.3.2 Gone")),
    ] {
        let peer = Peer::new(server(false, answers));
        assert_eq!(peer.events, [closed(expected)]);
    }
    for greeting in ["554 5.3.2 Nobody home", "421 4.3.2 Busy", "521 Never"] {
        let peer = Peer::new(|_: &str| format!("{greeting}\r\n"));
        let (code, text) = greeting.split_at(3);
        let refused = refused(Phase::Greeting, code.parse().unwrap(), text.trim_start());
        assert_eq!(refused.to_string(), format!("the server ended the session: {greeting}"));
        assert_eq!(peer.events, [closed(refused)]);
        assert!(peer.commands.is_empty());
    }
}

/// The server ends the session at its nth reply, for every possible n.
#[test]
fn a_421_at_any_point_ends_the_session_without_repeating_an_outcome() {
    for pipelines in [true, false] {
        let mut ended = 0;
        for point in 0.. {
            let mut content = server(pipelines, &[("RCPT TO:<b@", "550 5.1.1 No")]);
            let mut replies = 0;
            let mut peer = Peer::new(|command: &str| {
                let lines = content(command);
                let mut kept = String::new();
                for line in lines.split_inclusive('\n') {
                    let last = line.as_bytes()[3] == b' ';
                    kept.push_str(if replies == point && last { "421 4.3.2 Bye\r\n" } else { line });
                    replies += usize::from(last);
                }
                kept
            });
            if peer.events.last() == Some(&ClientEvent::Ready) {
                peer.send(&THREE, b"x");
            }
            let codes = codes(&peer.events, 3);
            if peer.events.last() == Some(&ClientEvent::Ready) {
                assert_eq!(codes, [Some(250), Some(550), Some(250)]);
                break;
            }
            ended += 1;
            let closed = |event: &&ClientEvent| matches!(event, ClientEvent::Closed { .. });
            assert_eq!(peer.events.iter().filter(closed).count(), 1, "{:?}", peer.events);
            assert!(peer.events.last().as_ref().is_some_and(closed), "{:?}", peer.events);
            let taken = codes.iter().filter(|code| **code == Some(250)).count();
            assert_eq!(taken, usize::from(ended == 9), "only what was answered is known: {codes:?}");
        }
        assert_eq!(ended, 9, "greeting, LHLO, MAIL, three RCPT, DATA, two recipients");
    }
}

#[test]
fn a_421_within_the_data_leaves_the_caller_free_to_finish() {
    let mut peer = ready(true, &[]);
    peer.client.send(&Transaction::new(&ReversePath::Null, &recipients(&["a@b"]), Declared::default()));
    peer.exchange(String::new());
    assert!(wants_body(&peer.events));
    let mut input = b"421 4.4.2 Timeout\r\n250 2.0.0 Ok\r\n".as_slice();
    let end = peer.client.next(&mut input);
    assert_eq!(end, Some(closed(refused(None, 421, "4.4.2 Timeout"))));
    assert_eq!(peer.client.next(&mut input), None);
    peer.client.body(b"more");
    peer.client.end_of_body();
    assert_eq!(peer.client.output(), b"");
    assert_eq!(peer.client.in_doubt(), None);
}

#[test]
fn calls_at_the_wrong_time_panic() {
    fn panics(act: impl FnOnce()) {
        assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
    }
    let to = recipients(&["a@b"]);
    let transaction = Transaction::new(&ReversePath::Null, &to, Declared::default());
    let new = || Client::new(Protocol::Lmtp, "a");
    panics(|| _ = new().send(&transaction));
    panics(|| new().body(b"x"));
    panics(|| new().end_of_body());
    panics(|| new().start_tls());
    panics(|| new().tls_started());
    panics(|| new().quit());
    panics(|| _ = ready(true, &[]).client.send(&Transaction { to: &[], ..transaction }));
}

#[test]
fn postmaster_is_written_without_a_domain() {
    let mut peer = ready(true, &[]);
    let to = [Recipient::from(ForwardPath::Postmaster)];
    peer.client.send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
    let out = String::from_utf8(std::mem::take(peer.client.output())).unwrap();
    assert_eq!(out, "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    let mut server = Server::greeted();
    assert!(server.say(out.as_bytes()).ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"));
}

#[test]
fn a_positive_reply_is_below_400() {
    for (code, positive) in [(200, true), (299, true), (354, true), (399, true), (400, false), (599, false)] {
        assert_eq!(reply(code, "").is_positive(), positive, "{code}");
    }
}
