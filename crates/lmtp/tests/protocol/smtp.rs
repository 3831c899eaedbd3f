//! A client that speaks SMTP (RFC 5321), as conversations.

use crate::talk::talk;
use crate::util::{closed, recipients, refused, sender};
use listgate_lmtp::{Client, ClientEvent, Declared, Phase, Protocol, Server, Transaction};

/// The beginning of a session with a server that announces nothing.
const PLAIN: &str = "
    S: 220 mail.example ESMTP Postfix
    C: EHLO client.example
    S: 250 mail.example
    E: ready";

/// The beginning of a session with a server that pipelines.
const PIPELINING: &str = "
    S: 220 mail.example ESMTP Postfix
    C: EHLO client.example
    S: 250-mail.example
    S: 250 PIPELINING
    E: ready";

fn smtp(beginning: &str, script: &str) {
    talk(Protocol::Smtp, &[beginning, script].concat());
}

#[test]
fn one_reply_after_the_dot_is_for_all_recipients() {
    let script = "
        D: send s@a a@b c@d e@f
        C: MAIL FROM:<s@a>
        C: RCPT TO:<a@b>
        C: RCPT TO:<c@d>
        C: RCPT TO:<e@f>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 550 5.1.1 No such user
        E: outcome (0).1 Rcpt: 550 5.1.1 No such user
        S: 250 2.1.5 Ok
        S: 354 End data with <CR><LF>.<CR><LF>
        E: body (0)
        D: body .hello
        C: ..hello
        D: end
        C: .
        S: 250 2.0.0 Ok: queued
        E: outcome (0).0 Message: 250 2.0.0 Ok: queued
        E: outcome (0).2 Message: 250 2.0.0 Ok: queued
        E: ready
        D: quit
        C: QUIT
        S: 221 2.0.0 Bye
        E: closed: the session has ended";
    smtp(PIPELINING, script);
}

#[test]
fn without_pipelining_each_command_waits() {
    let script = "
        D: send s@a a@b c@d
        C: MAIL FROM:<s@a>
        S: 250 Ok
        C: RCPT TO:<a@b>
        S: 452 4.5.3 Later
        C: RCPT TO:<c@d>
        E: outcome (0).0 Rcpt: 452 4.5.3 Later
        S: 250 Ok
        C: DATA
        S: 354 Go on
        E: body (0)
        D: end
        C: .
        S: 554 5.6.0 No
        E: outcome (0).1 Message: 554 5.6.0 No
        E: ready";
    smtp(PLAIN, script);
}

#[test]
fn helo_follows_a_refused_ehlo() {
    let script = "
        S: 220 mail.example
        C: EHLO client.example
        S: 502 5.5.1 What?
        C: HELO client.example
        S: 250 mail.example PIPELINING
        E: ready
        D: send s@a a@b dsn 8bit orcpt=a@b
        C: MAIL FROM:<s@a>";
    talk(Protocol::Smtp, script);
}

#[test]
fn a_refused_session_names_its_phase() {
    for (said, expected) in [
        ("554 5.3.2 Not now\r\n", refused(Phase::Greeting, 554, "5.3.2 Not now")),
        ("220 a\r\n421 4.3.2 Not now\r\n", refused(Phase::Hello, 421, "4.3.2 Not now")),
        ("220 a\r\n451 4.3.2 Not now\r\n", refused(Phase::Hello, 451, "4.3.2 Not now")),
        ("220 a\r\n550 5.5.1 What?\r\n550 5.7.1 No\r\n", refused(Phase::Hello, 550, "5.7.1 No")),
    ] {
        let mut client = Client::new(Protocol::Smtp, "a");
        assert_eq!(client.next(&mut said.as_bytes()), Some(closed(expected)), "{said}");
    }
}

#[test]
fn another_protocol_is_named() {
    talk(Protocol::Smtp, "S: HTTP/1.1 400\nE: closed: the server does not speak SMTP: HTTP/1.1 400");
}

#[test]
fn a_refused_mail_is_the_outcome_of_every_recipient() {
    let pipelined = "
        D: send s@a a@b c@d
        C: MAIL FROM:<s@a>
        C: RCPT TO:<a@b>
        C: RCPT TO:<c@d>
        C: DATA
        S: 550 5.7.1 Not from you
        E: outcome (0).0 Mail: 550 5.7.1 Not from you
        E: outcome (0).1 Mail: 550 5.7.1 Not from you
        S: 503 5.5.1 No MAIL
        S: 250 2.1.5 Ok
        S: 503 5.5.1 No RCPT
        C: RSET
        S: 250 2.0.0 Ok
        E: ready";
    smtp(PIPELINING, pipelined);
    let waiting = "
        D: send s@a a@b c@d
        C: MAIL FROM:<s@a>
        S: 451 4.3.0 Later
        E: outcome (0).0 Mail: 451 4.3.0 Later
        E: outcome (0).1 Mail: 451 4.3.0 Later
        E: ready";
    smtp(PLAIN, waiting);
}

#[test]
fn refused_data_is_the_outcome_of_the_accepted_recipients() {
    let script = "
        D: send s@a a@b c@d
        C: MAIL FROM:<s@a>
        C: RCPT TO:<a@b>
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 Ok
        S: 550 5.1.1 No
        E: outcome (0).0 Rcpt: 550 5.1.1 No
        S: 250 Ok
        S: 451 4.3.0 Later
        C: RSET
        E: outcome (0).1 Data: 451 4.3.0 Later
        S: 250 Ok
        E: ready";
    smtp(PIPELINING, script);
}

/// RFC 2920 section 3.1: a client must be prepared for it. LMTP forbids it (RFC 2033 section 4.2).
#[test]
fn data_that_is_accepted_for_nobody_is_ended_with_a_dot() {
    for reply in ["554 5.5.1 No valid recipients", "250 2.0.0 Ok"] {
        let script = format!(
            "
            D: send s@a a@b
            C: MAIL FROM:<s@a>
            C: RCPT TO:<a@b>
            C: DATA
            S: 250 Ok
            S: 550 5.1.1 No
            E: outcome (0).0 Rcpt: 550 5.1.1 No
            S: 354 Go on
            C: .
            S: {reply}
            E: ready
            D: send s@a a@b
            C: MAIL FROM:<s@a>
            C: RCPT TO:<a@b>
            C: DATA"
        );
        smtp(PIPELINING, &script);
    }
}

#[test]
fn a_transaction_is_in_doubt_from_the_dot_to_its_reply() {
    let before = "
        D: send s@a a@b c@d
        C: MAIL FROM:<s@a>
        C: RCPT TO:<a@b>
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 Ok
        S: 250 Ok
        S: 250 Ok
        S: 354 Go on
        E: body (0)
        D: body hello
        C: hello";
    let ends = [
        "S: nonsense
         E: closed: the server does not speak SMTP: nonsense",
        "S: 421 4.3.2 Bye
         E: closed: the server ended the session: 421 4.3.2 Bye",
        "D: end
         C: .
         S: nonsense
         E: closed, (0) in doubt: the server does not speak SMTP: nonsense",
        "D: end
         C: .
         S: 354 What?
         E: closed, (0) in doubt: the server does not speak SMTP: 354 What? (to Dot)",
        "D: end
         C: .
         S: 421 4.3.2 Bye
         E: outcome (0).0 Message: 421 4.3.2 Bye
         E: outcome (0).1 Message: 421 4.3.2 Bye
         E: closed: the server ended the session: 421 4.3.2 Bye",
    ];
    for end in ends {
        smtp(PIPELINING, &[before, "\n", end].concat());
    }
}

/// In LMTP, the recipients with an outcome are not in doubt, and the others are until the last reply.
#[test]
fn in_lmtp_a_transaction_is_in_doubt_until_its_last_reply() {
    let mut client = Client::new(Protocol::Lmtp, "a");
    let mut input = b"220 a\r\n250 b\r\n".as_slice();
    assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
    let to = recipients(&["a@b", "c@d"]);
    let id = client.send(&Transaction::new(&sender("s@a"), &to, Declared::default()));
    let mut input = b"250 a\r\n250 b\r\n250 c\r\n354 d\r\n".as_slice();
    assert_eq!(client.next(&mut input), Some(ClientEvent::SendBody { transaction: id }));
    assert_eq!(client.in_doubt(), None);
    client.body_by_caller();
    assert_eq!(client.in_doubt(), Some(id));
    for (place, in_doubt) in [(0, Some(id)), (1, None)] {
        let outcome = client.next(&mut b"250 e\r\n".as_slice());
        let recipient = match outcome {
            Some(ClientEvent::Outcome { recipient, .. }) => recipient,
            other => panic!("{other:?}"),
        };
        assert_eq!((recipient, client.in_doubt()), (place, in_doubt));
    }
}

#[test]
fn what_a_server_announces_is_known() {
    let announced = |lines: &[&str]| {
        let mut client = Client::new(Protocol::Smtp, "a");
        let said =
            format!("220-mail.example\r\n220 Exim 4.96\r\n250-{}\r\n250 HELP\r\n", lines.join("\r\n250-"));
        assert_eq!(client.next(&mut said.as_bytes()), Some(ClientEvent::Ready));
        assert_eq!(client.server().greeting, "mail.example Exim 4.96");
        client.server().clone()
    };
    let nothing = announced(&["PIPELINING"]);
    let mut expected = Server::default();
    expected.greeting.clone_from(&nothing.greeting);
    assert_eq!(nothing, expected, "the first line is a name");
    type Test = fn(&Server) -> bool;
    let cases: &[(&str, Test)] = &[
        ("PIPELINING", |server| server.pipelining),
        ("pipelining", |server| server.pipelining),
        ("PIPELININGS", |server| !server.pipelining),
        ("SIZE", |server| server.size && server.size_limit.is_none()),
        ("SIZE 0", |server| server.size && server.size_limit.is_none()),
        ("SIZE 10240000", |server| server.size && server.size_limit == Some(10_240_000)),
        ("8BITMIME", |server| server.eight_bit_mime),
        ("SMTPUTF8", |server| server.smtputf8),
        ("DSN", |server| server.dsn),
        ("STARTTLS", |server| server.starttls),
        ("AUTH plain LOGIN", |server| server.auth == ["PLAIN", "LOGIN"] && server.offers_auth("LOGIN")),
        ("AUTH=LOGIN", |server| server.auth == ["LOGIN"] && !server.offers_auth("PLAIN")),
        ("LIMITS RCPTMAX=100", |server| {
            server.max_recipients == Some(100) && server.max_transactions.is_none()
        }),
        ("LIMITS X=1 rcptmax=2 MAILMAX=3", |server| {
            (server.max_recipients, server.max_transactions) == (Some(2), Some(3))
        }),
        ("LIMITS RCPTMAX=0 MAILMAX=x", |server| {
            (server.max_recipients, server.max_transactions) == (None, None)
        }),
    ];
    for (line, holds) in cases {
        let server = announced(&["mail.example", line]);
        assert!(holds(&server), "{line}: {server:?}");
    }
}
