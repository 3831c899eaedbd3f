//! One reply for each accepted recipient, in the order of their RCPT commands (RFC 2033 section 4.2).

use crate::util::{Seen, Server, play};
use listgate_lmtp::{Event, Refusal, Refused, Session};
use std::{panic::AssertUnwindSafe, panic::catch_unwind, sync::Arc, time::Instant};

#[test]
fn recipients_have_outcomes_of_their_own() {
    let mut server = Server::greeted();
    play(
        &mut server,
        "C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<full@example.com>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<no@example.com>
         S: 550 5.1.1 No such list
         C: RCPT TO:<b@example.com>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<full-too@example.com>
         S: 250 2.1.5 Recipient ok
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: .
         S: 452 4.2.2 List full
         S: 250 2.0.0 Ok: queued as id-2
         S: 452 4.2.2 List full",
    );
}

#[test]
fn a_recipient_named_twice_gets_two_replies() {
    let mut server = Server::greeted();
    let twice = b"RCPT TO:<a@example.com>\r\n".repeat(2);
    server.say(&[b"MAIL FROM:<ann@example.org>\r\n", twice.as_slice(), b"DATA\r\n"].concat());
    let replies = server.say(b"x\r\n.\r\n");
    assert_eq!(replies, "250 2.0.0 Ok: queued as id-1\r\n250 2.0.0 Ok: queued as id-2\r\n");
    let both = vec!["a@example.com".to_owned(); 2];
    assert!(server.seen.contains(&Seen::Complete(both)));
}

#[test]
fn a_transaction_can_fail_as_a_whole() {
    let mut server = Server::greeted();
    let envelope =
        b"MAIL FROM:<broken@example.org>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n";
    server.say(envelope);
    assert_eq!(server.say(b"x\r\n.\r\n"), "451 4.3.0 Out of order, try again later\r\n".repeat(3));
    server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    assert_eq!(server.say(b"x\r\n.\r\n"), "250 2.0.0 Ok: queued as id-1\r\n", "usable after");
}

#[test]
fn too_many_recipients_are_452_and_the_others_are_served() {
    let mut server = Server::greeted_with(|settings| settings.limits.recipients = 2);
    play(
        &mut server,
        "C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<no@example.com>
         S: 550 5.1.1 No such list
         C: RCPT TO:<a@example.com>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<b@example.com>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<c@example.com>
         S: 452 4.5.3 Too many recipients; send the rest in another transaction
         C: RCPT TO:<d@example.com>
         S: 452 4.5.3 Too many recipients; send the rest in another transaction
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: .
         S: 250 2.0.0 Ok: queued as id-1
         S: 250 2.0.0 Ok: queued as id-2
         C: MAIL FROM:<ann@example.org>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<c@example.com>
         S: 250 2.1.5 Recipient ok",
    );
    let told = server.seen.iter().filter_map(|seen| match seen {
        Seen::Refused(Refused::Recipient(path), why) => Some((path.to_string(), &why[..9])),
        _ => None,
    });
    let refused = ["c@example.com", "d@example.com"].map(|path| (path.to_owned(), "452 4.5.3"));
    assert_eq!(told.collect::<Vec<_>>(), refused);
}

/// Returns a session at [`Event::Complete`], and the values of that event.
fn at_complete(recipients: usize) -> (Session<(), String>, listgate_lmtp::PerRecipient<()>) {
    let mut session = Session::new(Arc::new(crate::util::settings()));
    let wire = format!("LHLO a\r\nMAIL FROM:<>\r\n{}DATA\r\n.\r\n", "RCPT TO:<a@b>\r\n".repeat(recipients));
    let mut input = wire.as_bytes();
    loop {
        match session.next(Instant::now(), &mut input).expect("the data ends") {
            Event::Mail(_) => session.accept_mail(),
            Event::Recipient(_) => session.accept(()),
            Event::Complete(asked) => return (session, asked),
            _ => {}
        }
    }
}

/// Mistakes of a caller are detected at once.
#[test]
fn wrong_answers_panic() {
    fn panics(name: &str, act: impl FnOnce()) {
        assert!(catch_unwind(AssertUnwindSafe(act)).is_err(), "{name}");
    }
    let refusal = Refusal::new(451, 3, 0, "Later");
    let (_, foreign) = at_complete(1);
    let outcomes = foreign.map(|()| Ok("x".to_owned()));
    panics("outcomes of another length", || at_complete(2).0.finish(&outcomes));
    panics("the next event while one is owed an answer", || {
        at_complete(1).0.next(Instant::now(), &mut b"".as_slice());
    });
    panics("MAIL accepted unasked", || at_complete(1).0.accept_mail());
    panics("RCPT accepted unasked", || at_complete(1).0.accept(()));
    panics("refused unasked", || at_complete(1).0.refuse(&refusal));
    let fresh = || Session::<(), String>::new(Arc::new(crate::util::settings()));
    panics("finished unasked", || fresh().finish(&outcomes));
    panics("failed unasked", || fresh().refuse_message(&refusal));
    panics("a refusal that is none", || drop(Refusal::new(250, 0, 0, "Ok")));
    panics("an enhanced code of four digits", || drop(Refusal::new(550, 1000, 0, "")));
}

#[test]
fn outcomes_of_an_earlier_transaction_are_not_accepted() {
    let (mut session, first) = at_complete(1);
    session.refuse_message(&Refusal::new(451, 3, 0, "Later"));
    let mut input = b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n".as_slice();
    let second = loop {
        match session.next(Instant::now(), &mut input).expect("the data ends") {
            Event::Mail(_) => session.accept_mail(),
            Event::Recipient(_) => session.accept(()),
            Event::Complete(asked) => break asked,
            _ => {}
        }
    };
    let stale = first.map(|()| Ok("x".to_owned()));
    assert!(catch_unwind(AssertUnwindSafe(|| session.finish(&stale))).is_err());
    session.finish(&second.map(|()| Ok("queued as y".to_owned())));
    assert!(session.output().ends_with(b"250 2.0.0 Ok: queued as y\r\n"));
}
