//! Only CR LF `.` CR LF ends the data (RFC 5321 section 4.1.1.4). A server that accepts anything else as the
//! end lets a message smuggle in commands.

use crate::util::Server;
use listgate_lmtp::BareNewline;

/// None of these ends the data, whatever comes before and after.
const NO_END: [&[u8]; 14] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n. \r\n",
    b"\n.\r",
    b"\r.\n",
];

const SMUGGLED: &[u8] = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@example.com>\r\nDATA\r\nboo\r\n";

#[test]
fn no_variant_of_the_final_dot_ends_the_data() {
    for end in NO_END {
        let text = [b"text", end, SMUGGLED].concat();
        for size in [1, 2, 3, 4, 5, 7, text.len() + 5] {
            for bare_newline in [BareNewline::Keep, BareNewline::Reject] {
                let mut server = Server::greeted_with(|settings| settings.bare_newline = bare_newline);
                server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<list@example.com>\r\nDATA\r\n");
                assert_eq!(server.say_in_pieces(&text, size), "", "{} by {size}", end.escape_ascii());
                assert!(server.session.in_data());
                let reply = server.say_in_pieces(b".\r\n", size);
                assert_eq!(reply.lines().count(), 1, "{} by {size}: {reply}", end.escape_ascii());
                assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
            }
        }
    }
}

/// The same at the start of the data: directly after the reply 354, a dot ends the data only in one form.
#[test]
fn at_the_very_beginning_only_dot_cr_lf_ends_the_data() {
    for end in [b".\n".as_slice(), b".\r", b".\r\r\n", b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\x00.\r\n"] {
        for size in [1, 2, 100] {
            let mut server = Server::greeted();
            server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<list@example.com>\r\nDATA\r\n");
            assert_eq!(server.say_in_pieces(&[end, SMUGGLED].concat(), size), "", "{}", end.escape_ascii());
            assert!(server.session.in_data());
        }
    }
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<list@example.com>\r\nDATA\r\n");
    assert_eq!(server.say(b".\r\n"), "250 2.0.0 Ok: queued as id-1\r\n");
}

/// Every octet of the message is kept, so that any later reader sees what was sent.
#[test]
fn the_octets_of_a_variant_are_kept() {
    for (sent, kept) in [
        (b"a\n.\nb\r\n".as_slice(), b"a\n.\nb\r\n".as_slice()),
        (b"a\n.\r\nb\r\n", b"a\n.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n", b"a\r\n\nb\r\n"),
        (b"a\r.\rb\r\n", b"a\r.\rb\r\n"),
        (b"a\r\n.\rb\r\n", b"a\r\n\rb\r\n"),
        (b"a\r.\r\nb\r\n", b"a\r.\r\nb\r\n"),
        (b"a\r\n.\r\r\nb\r\n", b"a\r\n\r\r\nb\r\n"),
        (b"a\r\n\x00.\r\nb\r\n", b"a\r\n\x00.\r\nb\r\n"),
    ] {
        for size in 1..=sent.len() {
            let mut server = Server::greeted();
            server.say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<list@example.com>\r\nDATA\r\n");
            server.say_in_pieces(sent, size);
            assert_eq!(server.say(b".\r\n"), "250 2.0.0 Ok: queued as id-1\r\n");
            assert_eq!(server.bodies(), [kept], "{} by {size}", sent.escape_ascii());
        }
    }
}
