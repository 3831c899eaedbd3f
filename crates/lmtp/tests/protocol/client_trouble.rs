//! A client against servers that do not speak LMTP: it reports that, and reports no outcome that it did not receive.

use crate::util::{Peer, closed, recipients, wants_body};
use listgate_lmtp::{
    Client, ClientEvent, Closed, Declared, Phase, Protocol, ReversePath, Transaction, TransactionId,
};

/// Returns the client's event for `said`, the first octets that its server sends.
fn first_words(said: &[u8]) -> Option<ClientEvent> {
    Client::new(Protocol::Lmtp, "a").next(&mut { said })
}

fn garbled(said: &str) -> Closed {
    Closed::Confused { protocol: Protocol::Lmtp, said: said.to_owned() }
}

fn confused(said: &str) -> Option<ClientEvent> {
    Some(closed(garbled(said)))
}

#[test]
fn an_invalid_reply_ends_the_session() {
    for said in
        ["", "2", "22", "220hello", "220_hello", "abc hello", "199 x", "600 x", "22\u{e4} x", "HTTP/1.1 400"]
    {
        assert_eq!(first_words(format!("{said}\r\n").as_bytes()), confused(said));
    }
    assert_eq!(first_words(b"220-a\r\n221 b\r\n"), confused("221 b"), "the code changed within a reply");
    assert_eq!(first_words(b"\xff\xfe\x01\r\n"), confused("\u{fffd}\u{fffd}?"));
    assert_eq!(first_words(b"a\n1999-01-01 forged log line\r\n"), confused("a?1999-01-01 forged log line"));
    assert_eq!(first_words(b"220 hel"), None);
    assert_eq!(Closed::Quit.to_string(), "the session has ended");
    assert_eq!(garbled("x").to_string(), "the server does not speak LMTP: x");
}

#[test]
fn the_size_of_a_reply_is_bounded() {
    let long = [b"220 ".as_slice(), &[b'x'; 1020], b"\r\n"].concat();
    assert_eq!(first_words(&long), None, "long, but a greeting");
    let too_long = [b"220 ".as_slice(), &[b'x'; 1021], b"\r\n"].concat();
    assert_eq!(first_words(&too_long), confused("a reply line of more than 1,024 octets"));
    let many = [b"554-x\r\n".repeat(5000), b"554 y\r\n".to_vec()].concat();
    match first_words(&many) {
        Some(ClientEvent::Closed {
            why: Closed::Refused { phase: Some(Phase::Greeting), reply }, ..
        }) => {
            assert_eq!(reply.code, 554);
            assert_eq!(reply.lines.len(), 101);
            assert_eq!(reply.lines.last().map(String::as_str), Some("y"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unsolicited_reply_ends_the_session() {
    let mut peer =
        Peer::new(|command: &str| if command.is_empty() { "220 a\r\n" } else { "250 b\r\n" }.to_owned());
    assert_eq!(peer.events, [ClientEvent::Ready]);
    peer.exchange("250 2.0.0 one too many\r\n".to_owned());
    assert_eq!(peer.events.pop(), confused("250 2.0.0 one too many (to no command)"));
}

/// Runs a transaction with two recipients and returns its events and its number. `replies` are the server's; at each
/// `|` the client sends the body if it has been asked to.
fn transaction(replies: &str) -> (Vec<ClientEvent>, TransactionId) {
    let mut client = Client::new(Protocol::Lmtp, "a");
    let mut input = b"220 a\r\n250-b\r\n250 PIPELINING\r\n".as_slice();
    assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
    let to = recipients(&["a@b", "c@d"]);
    let id = client.send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
    let mut events = Vec::new();
    for (at, part) in replies.split('|').enumerate() {
        if at > 0 && wants_body(&events) {
            client.body(b"x");
            client.end_of_body();
        }
        let mut input = part.as_bytes();
        while let Some(event) = client.next(&mut input) {
            events.push(event);
        }
    }
    (events, id)
}

/// Each of these codes would lose a message if it were taken for a success.
#[test]
fn a_code_that_does_not_fit_the_command_is_not_a_success() {
    let (data, _) = transaction("250 a\r\n250 b\r\n250 c\r\n250 d\r\n");
    assert_eq!(data, [closed(garbled("250 d (to Data)"))]);
    let (data, _) = transaction("250 a\r\n250 b\r\n250 c\r\n334 d\r\n");
    assert_eq!(data, [closed(garbled("334 d (to Data)"))]);
    let (message, id) = transaction("250 a\r\n250 b\r\n250 c\r\n354 d\r\n|354 e\r\n");
    let confused = ClientEvent::Closed { why: garbled("354 e (to Message(0))"), in_doubt: Some(id) };
    assert_eq!(message, [ClientEvent::SendBody { transaction: id }, confused]);
    assert_eq!(transaction("354 a\r\n").0, [closed(garbled("354 a (to Mail)"))]);
    let (nobody, _) = transaction("250 a\r\n550 b\r\n550 c\r\n354 d\r\n");
    assert_eq!(nobody.last(), Some(&closed(garbled("354 d (with no recipient accepted)"))));
}

#[test]
fn a_reply_before_the_message_was_sent_is_not_an_outcome() {
    let (events, transaction) = transaction("250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 e\r\n");
    assert_eq!(events, [ClientEvent::SendBody { transaction }, closed(garbled("250 e (to no command)"))]);
}

/// With one reply for two recipients, the second has no outcome, and the client does not make one up.
#[test]
fn the_client_waits_for_a_missing_reply() {
    let (events, _) = transaction("250 a\r\n250 b\r\n250 c\r\n354 d\r\n|250 e\r\n");
    assert_eq!(crate::util::codes(&events, 2), [Some(250), None]);
    assert!(!events.contains(&ClientEvent::Ready));
}
