//! Many commands in one packet (RFC 2920).

use crate::util::{Seen, Server};

/// RFC 2920 section 3.1: the next MAIL may share a packet with the final dot.
#[test]
fn a_whole_session_in_one_packet_is_answered_in_order() {
    let wire = b"LHLO client.example\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<a@example.com>\r\n\
        RCPT TO:<no@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\none\r\n.\r\n\
        MAIL FROM:<bob@example.org>\r\nRCPT TO:<full@example.com>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n";
    let expected = "220 lists.example.com Listgate\r\n250-lists.example.com\r\n250-PIPELINING\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 1000\r\n250 2.1.0 Sender ok\r\n\
        250 2.1.5 Recipient ok\r\n550 5.1.1 No such list\r\n250 2.1.5 Recipient ok\r\n\
        354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as id-1\r\n\
        250 2.0.0 Ok: queued as id-2\r\n250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n\
        354 End data with <CR><LF>.<CR><LF>\r\n452 4.2.2 List full\r\n221 2.0.0 Bye\r\n";
    let mut in_one = Server::new();
    assert_eq!(in_one.say(wire), expected);
    let mut by_octets = Server::new();
    assert_eq!(by_octets.say_in_pieces(wire, 1), expected);
    assert_eq!(in_one.seen, by_octets.seen);
    assert_eq!(in_one.bodies(), [b"one\r\n", b"two\r\n"]);
    assert_eq!(in_one.replies_to_data, [(2, 2), (1, 1)]);
}

/// RFC 2920 section 3.2: replies to MAIL, RCPT and RSET may wait, others may not. The replies after the data
/// do not wait either: if the connection is lost before they arrive, the message is sent twice.
#[test]
fn replies_that_must_not_wait_are_flushed() {
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<no@d>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\n");
    let text = |text: &str| text.to_owned();
    let expected = [
        Seen::Mail(text("a@b")),
        Seen::Abandoned,
        Seen::Mail(text("a@b")),
        Seen::Recipient(text("c@d")),
        Seen::Recipient(text("no@d")),
        Seen::Flush,
        Seen::Complete(vec![text("c@d")]),
        Seen::Flush,
        Seen::Mail(text("<>")),
    ];
    assert_eq!(server.seen, expected);
    for line in ["NOOP", "VRFY a", "HELP", "LHLO a", "NONSENSE", "EXPN a", "EHLO a"] {
        let mut server = Server::greeted();
        server.say(format!("{line}\r\n").as_bytes());
        assert_eq!(server.seen, [Seen::Flush], "{line}");
    }
}

#[test]
fn a_group_after_a_refused_mail_is_answered_line_by_line() {
    let mut server = Server::greeted();
    let replies = server.say(b"MAIL FROM:<no@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nRSET\r\n");
    let expected = "550 5.7.1 Not from you\r\n503 5.5.1 Say MAIL first\r\n503 5.5.1 Say MAIL first\r\n\
        503 5.5.1 Say MAIL and RCPT first\r\n250 2.0.0 Ok\r\n";
    assert_eq!(replies, expected);
}

#[test]
fn nothing_after_quit_is_read() {
    let mut server = Server::greeted();
    assert_eq!(server.say(b"QUIT\r\nNOOP\r\nMAIL FROM:<a@b>\r\n"), "221 2.0.0 Bye\r\n");
    assert_eq!(server.seen, [Seen::Close]);
    assert_eq!(server.say(b"NOOP\r\n"), "");
}
