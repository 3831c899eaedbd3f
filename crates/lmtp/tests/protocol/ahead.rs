//! A client that sends the next transaction before the reply to the last one (RFC 2920 section 3.1).

use crate::talk::talk;
use crate::util::{Peer, recipients, sender};
use listgate_lmtp::{Client, ClientEvent, Declared, Protocol, Transaction};
use std::{panic::AssertUnwindSafe, panic::catch_unwind};

const PIPELINING: &str = "
    S: 220 mail.example
    C: EHLO client.example
    S: 250-mail.example
    S: 250 PIPELINING
    E: ready
    D: send s@a a@b c@d
    C: MAIL FROM:<s@a>
    C: RCPT TO:<a@b>
    C: RCPT TO:<c@d>
    C: DATA
    S: 250 0
    S: 250 0
    S: 250 0
    S: 354 0
    E: body (0)
    D: body hello
    C: hello
    D: end
    C: .
    D: send t@a e@b
    C: MAIL FROM:<t@a>
    C: RCPT TO:<e@b>
    C: DATA";

fn ahead(script: &str) {
    talk(Protocol::Smtp, &[PIPELINING, script].concat());
}

#[test]
fn outcomes_arrive_in_order_and_name_their_transaction() {
    ahead(
        "
        S: 250 queued
        E: outcome (0).0 Message: 250 queued
        E: outcome (0).1 Message: 250 queued
        S: 250 1
        S: 250 1
        S: 354 1
        E: body (1)
        D: end
        C: .
        D: send <> x@y
        C: MAIL FROM:<>
        C: RCPT TO:<x@y>
        C: DATA
        S: 451 4.3.0 Later
        S: 250 2
        S: 550 5.1.1 No
        S: 503 5.5.1 No
        C: RSET
        E: outcome (1).0 Message: 451 4.3.0 Later
        E: outcome (2).0 Rcpt: 550 5.1.1 No
        S: 250 Ok
        E: ready",
    );
}

#[test]
fn in_lmtp_the_outcomes_arrive_in_order_too() {
    let script = PIPELINING.replace("EHLO", "LHLO")
        + "
        S: 250 queued
        S: 452 4.2.2 Full
        S: 250 1
        S: 250 1
        S: 354 1
        E: outcome (0).0 Message: 250 queued
        E: outcome (0).1 Message: 452 4.2.2 Full
        E: body (1)
        D: end
        C: .
        S: 250 queued
        E: outcome (1).0 Message: 250 queued
        E: ready";
    talk(Protocol::Lmtp, &script);
}

#[test]
fn a_refused_mail_does_not_touch_the_transaction_before() {
    ahead(
        "
        S: 554 5.7.1 Spam
        E: outcome (0).0 Message: 554 5.7.1 Spam
        E: outcome (0).1 Message: 554 5.7.1 Spam
        S: 450 4.7.1 Slow down
        E: outcome (1).0 Mail: 450 4.7.1 Slow down
        S: 503 1
        S: 503 1
        C: RSET
        D: send t@a e@b
        C: MAIL FROM:<t@a>
        C: RCPT TO:<e@b>
        C: DATA
        S: 250 RSET
        S: 250 2
        S: 250 2
        S: 354 2
        E: body (2)",
    );
}

/// An outcome that needs no reply waits for those of the transaction before.
#[test]
fn what_is_not_sent_is_reported_in_its_turn() {
    let script = PIPELINING.split("D: send t@a").next().unwrap().to_owned()
        + "
        D: send t@a \u{fc}@b
        D: send t@a e@b \u{fc}@b
        C: MAIL FROM:<t@a>
        C: RCPT TO:<e@b>
        C: DATA
        S: 250 queued
        E: outcome (0).0 Message: 250 queued
        E: outcome (0).1 Message: 250 queued
        E: outcome (1).0 NotSent: 553 5.6.7 Not sent: the recipient's address needs SMTPUTF8, which the server does not offer
        E: outcome (2).1 NotSent: 553 5.6.7 Not sent: the recipient's address needs SMTPUTF8, which the server does not offer
        S: 250 2
        S: 250 2
        S: 354 2
        E: body (2)
        D: end
        C: .
        D: send t@a \u{fc}@b
        S: 250 queued
        E: outcome (2).0 Message: 250 queued
        E: outcome (3).0 NotSent: 553 5.6.7 Not sent: the recipient's address needs SMTPUTF8, which the server does not offer
        E: ready";
    talk(Protocol::Smtp, &script);
}

#[test]
fn only_the_transaction_before_is_in_doubt() {
    ahead(
        "
        S: nonsense
        E: closed, (0) in doubt: the server does not speak SMTP: nonsense",
    );
    ahead(
        "
        S: 250 queued
        S: nonsense
        E: outcome (0).0 Message: 250 queued
        E: outcome (0).1 Message: 250 queued
        E: closed: the server does not speak SMTP: nonsense",
    );
    // The reply to the dot is missing: 354 is never an answer to it.
    ahead(
        "
        S: 354 1
        E: closed, (0) in doubt: the server does not speak SMTP: 354 1 (to Dot)",
    );
}

#[test]
fn the_next_transaction_waits_where_it_must() {
    let to = recipients(&["a@b"]);
    let from = sender("s@a");
    let transaction = Transaction::new(&from, &to, Declared::default());
    for (pipelines, announces, client) in [
        (true, true, Client::new(Protocol::Smtp, "a")),
        (false, false, Client::new(Protocol::Smtp, "a")),
        (false, true, Client::without_pipelining(Protocol::Smtp, "a")),
    ] {
        let mut peer = Peer::with(client, |command: &str| {
            let reply = match command.split(' ').next().unwrap() {
                "EHLO" if announces => "250-b\r\n250 PIPELINING",
                "DATA" => "354 c",
                _ => "250 d",
            };
            format!("{reply}\r\n")
        });
        assert_eq!(peer.events, [ClientEvent::Ready]);
        assert!(peer.client.may_send());
        peer.client.send(&transaction);
        assert!(!peer.client.may_send(), "the dot is not written");
        peer.exchange(String::new());
        assert!(!peer.client.may_send(), "the body is not written");
        peer.client.end_of_body();
        assert_eq!(peer.client.may_send(), pipelines);
        let sent = catch_unwind(AssertUnwindSafe(|| peer.client.send(&transaction)));
        assert_eq!(sent.is_ok(), pipelines);
        if pipelines {
            assert!(!peer.client.may_send(), "one transaction ahead");
        }
    }
}
