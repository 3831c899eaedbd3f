//! Messages that are too large or have bare newlines: each is refused as a whole, with one reply per recipient.

use crate::util::{Seen, Server, play, sender};
use listgate_lmtp::{BareNewline, Refused, Sender};

const ENVELOPE: &[u8] =
    b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n\
    RCPT TO:<c@example.com>\r\nDATA\r\n";

const TOO_LARGE: &str = "552 5.3.4 Message too large";
const BARE_NEWLINE: &str = "554 5.6.0 Bare CR or LF in the message";

/// Returns the events for a message that is refused before its end.
fn refused(why: &str) -> [Seen; 3] {
    [Seen::Unwanted, Seen::Refused(Refused::Message, why.to_owned()), Seen::Flush]
}

/// Returns a message of this many octets, including its last line end.
fn message(octets: usize) -> Vec<u8> {
    [vec![b'x'; octets - 2], b"\r\n".to_vec()].concat()
}

fn deliver(server: &mut Server, message: &[u8], piece: usize) -> String {
    server.say(ENVELOPE);
    server.say_in_pieces(&[message, b".\r\n"].concat(), piece)
}

#[test]
fn a_declared_size_over_the_limit_is_552_at_mail() {
    let mut server = Server::greeted();
    play(
        &mut server,
        "C: MAIL FROM:<ann@example.org> SIZE=1001
         S: 552 5.3.4 Message too large
         C: MAIL FROM:<ann@example.org> SIZE=99999999999999999999
         S: 552 5.3.4 Message too large
         C: MAIL FROM:<ann@example.org> SIZE=1000
         S: 250 2.1.0 Sender ok",
    );
    let refused = |size| {
        let mut sender = Sender::new(sender("ann@example.org"));
        sender.size = Some(size);
        Seen::Refused(Refused::Mail(sender), TOO_LARGE.to_owned())
    };
    let taken = Seen::Mail("ann@example.org".to_owned());
    assert_eq!(server.seen, [refused(1001), refused(u64::MAX), taken]);
}

#[test]
fn the_limit_itself_is_not_too_large() {
    for piece in [1, 999, 5000] {
        let mut server = Server::greeted();
        assert_eq!(deliver(&mut server, &message(1000), piece).matches("250 2.0.0 Ok").count(), 3);
        assert_eq!(server.bodies(), [message(1000)]);
    }
}

#[test]
fn too_large_is_552_for_each_recipient_and_the_session_continues() {
    for piece in [1, 1000, 5000] {
        let mut server = Server::greeted();
        let replies = deliver(&mut server, &message(1001), piece);
        assert_eq!(replies, format!("{TOO_LARGE}\r\n").repeat(3));
        assert!(server.seen.ends_with(&refused(TOO_LARGE)), "{:?}", server.seen);
        assert_eq!(server.replies_to_data, [(3, 3)]);
        assert_eq!(deliver(&mut server, &message(10), piece).matches("250 2.0.0 Ok").count(), 3);
    }
}

/// RFC 1870 section 3: SIZE counts the octets of the message, not those added for transparency.
#[test]
fn stuffed_dots_are_not_counted() {
    let lines = b"..xxxxxxx\r\n".repeat(100);
    let mut server = Server::greeted();
    assert_eq!(deliver(&mut server, &lines, 7).matches("250 2.0.0 Ok").count(), 3);
    assert_eq!(server.bodies(), [b".xxxxxxx\r\n".repeat(100)]);
}

/// RFC 1870 section 6.3: the declared size does not determine where the message ends, and is not binding.
#[test]
fn a_wrong_declaration_changes_nothing() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<ann@example.org> SIZE=5\r\nRCPT TO:<a@example.com>\r\nDATA\r\n");
    server.say(&message(500));
    assert_eq!(server.say(b".\r\n"), "250 2.0.0 Ok: queued as id-1\r\n");
    assert_eq!(server.bodies(), [message(500)]);
}

#[test]
fn an_empty_message_is_accepted() {
    let mut server = Server::greeted();
    assert_eq!(deliver(&mut server, b"", 1).matches("250 2.0.0 Ok").count(), 3);
    assert!(server.bodies().is_empty());
}

const BARE: [&[u8]; 7] =
    [b"a\nb\r\n", b"a\rb\r\n", b"\n\r\n", b"a\r\r\n", b"a\r\n.\n\r\n", b"a\r\n.\rb\r\n", b"\r\r\n"];

#[test]
fn a_bare_newline_is_kept_as_it_is() {
    for text in BARE {
        for piece in 1..8 {
            let mut server = Server::greeted();
            assert_eq!(deliver(&mut server, text, piece).matches("250 2.0.0 Ok").count(), 3);
            let kept =
                if text.starts_with(b"a\r\n.") { [b"a\r\n", &text[4..]].concat() } else { text.to_vec() };
            assert_eq!(server.bodies(), [kept], "{}", text.escape_ascii());
        }
    }
}

#[test]
fn a_bare_newline_can_be_refused_for_each_recipient() {
    for text in BARE {
        for piece in 1..8 {
            let mut server = Server::greeted_with(|settings| settings.bare_newline = BareNewline::Reject);
            let replies = deliver(&mut server, text, piece);
            assert_eq!(replies, format!("{BARE_NEWLINE}\r\n").repeat(3), "{}", text.escape_ascii());
            assert!(server.seen.ends_with(&refused(BARE_NEWLINE)), "{:?}", server.seen);
            assert_eq!(deliver(&mut server, b"a\r\n\r\n..b\r\n", piece).matches("250 2.0.0 Ok").count(), 3);
        }
    }
}
