//! Peers that speak another protocol: one 421, and nothing of what they sent is executed.

use crate::util::{Seen, Server};
use listgate_lmtp::{ForeignProtocol, Refused};

/// What a web page could have a browser send.
const COMMANDS: &str = "LHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<list@example.com>\r\n\
    DATA\r\nSubject: spam\r\n\r\nspam\r\n.\r\nQUIT\r\n";

/// Checks that a connection with these octets ends with one 421, however they are split.
fn is_refused(wire: &[u8], expected: ForeignProtocol, first_of_all: &str) {
    let last = format!("421 4.7.0 This is LMTP, not {expected}: closing");
    for size in [1, 2, 3, 7, 16, 17, 100, wire.len()] {
        let mut server = Server::new();
        let replies = server.say_in_pieces(&[first_of_all.as_bytes(), wire].concat(), size);
        let shown = wire.escape_ascii();
        assert!(replies.ends_with(&format!("{last}\r\n")), "{shown} by {size}: {replies}");
        assert_eq!(replies.matches("421").count(), 1, "{shown} by {size}: {replies}");
        assert_eq!(replies.matches("\r\n500").count(), 0, "{shown} by {size}: {replies}");
        let refused = Seen::Refused(Refused::Protocol(expected), last.clone());
        assert!(server.seen.ends_with(&[refused, Seen::Close]), "{shown} by {size}: {:?}", server.seen);
        let executed = |seen: &Seen| matches!(seen, Seen::Complete(_) | Seen::Body(_));
        assert!(!server.seen.iter().any(executed), "{shown} by {size}: {:?}", server.seen);
        assert_eq!(server.session.deadline(), None);
        assert_eq!(server.say(b"NOOP\r\n"), "", "nothing follows the end");
    }
}

/// A request as a browser writes it, with headers that a page can choose.
fn request(line: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "{line}\r\nHost: 127.0.0.1:8024\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n\
         Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nOrigin: http://evil.example\r\n\
         Connection: keep-alive\r\nReferer: http://evil.example/\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_request_of_a_browser_sends_no_mail() {
    let multipart = format!(
        "-----------------------------41184676334\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\
         \r\n{COMMANDS}\r\n-----------------------------41184676334--\r\n"
    );
    let long = format!("POST /{} HTTP/1.1", "a".repeat(9000));
    let custom = format!("NOOP /{} HTTP/1.1", "a".repeat(9000));
    for line in [
        "POST / HTTP/1.1",
        "GET / HTTP/1.1",
        "PUT /a?b=c HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "HEAD / HTTP/1.1",
        "patch / HTTP/1.1",
        "MAIL / HTTP/1.1",
        "LHLO / HTTP/1.1",
        "NOOP / HTTP/1.1",
        &long,
        &custom,
    ] {
        is_refused(&request(line, "text/plain;charset=UTF-8", COMMANDS), ForeignProtocol::Http, "");
        let boundary = "multipart/form-data; boundary=---------------------------41184676334";
        is_refused(&request(line, boundary, &multipart), ForeignProtocol::Http, "");
    }
}

/// `curl --data-binary`, with HTTP/1.1 and with the preface of HTTP/2.
#[test]
fn a_request_of_curl_sends_no_mail() {
    for line in ["POST / HTTP/1.1", "GET / HTTP/1.1", "PUT / HTTP/1.1", "OPTIONS / HTTP/1.1"] {
        let wire = format!(
            "{line}\r\nHost: 127.0.0.1:8024\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
             Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{COMMANDS}",
            COMMANDS.len()
        );
        is_refused(wire.as_bytes(), ForeignProtocol::Http, "");
    }
    let http2 = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0".as_slice(), COMMANDS.as_bytes()];
    is_refused(&http2.concat(), ForeignProtocol::Http, "");
}

#[test]
fn other_protocols_are_refused_at_their_first_octets() {
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), COMMANDS.as_bytes()].concat();
    is_refused(&hello, ForeignProtocol::Tls, "");
    is_refused(&hello[..2], ForeignProtocol::Tls, "");
    let v1 = format!("PROXY TCP4 192.0.2.1 192.0.2.2 56324 8024\r\n{COMMANDS}");
    is_refused(v1.as_bytes(), ForeignProtocol::Proxy, "");
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[1; 12], COMMANDS.as_bytes()].concat();
    is_refused(&v2, ForeignProtocol::Proxy, "");
    let ssh = format!("SSH-2.0-OpenSSH_9.6\r\n{COMMANDS}");
    is_refused(ssh.as_bytes(), ForeignProtocol::Ssh, "");
    is_refused(b"\x03\x00\x00\x2f\x2a\xe0", ForeignProtocol::Binary, "");
    is_refused(b"\0\0\0\x85\xffSMB", ForeignProtocol::Binary, "");
}

/// The check is for every line, not for the first alone.
#[test]
fn other_protocols_are_refused_after_lhlo_too() {
    for first in ["LHLO a\r\n", "NOOP\r\n", "LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"] {
        is_refused(b"GET / HTTP/1.1\r\n", ForeignProtocol::Http, first);
        is_refused(b"\x16\x03\x01", ForeignProtocol::Tls, first);
        is_refused(b"PROXY UNKNOWN\r\n", ForeignProtocol::Proxy, first);
        is_refused(b"SSH-2.0-Go\r\n", ForeignProtocol::Ssh, first);
    }
}

#[test]
fn a_request_with_bare_newlines_is_refused_when_it_is_read() {
    let mut server = Server::greeted();
    server.say(b"GET / HTTP/1.1\nHost: a\n\n");
    assert_eq!(server.wait(2 * crate::util::SECOND), "421 4.7.0 This is LMTP, not HTTP: closing\r\n");
    assert!(server.is_closed());
}

#[test]
fn lines_of_lmtp_are_not_taken_for_another_protocol() {
    for line in [
        "NOOP",
        "HELP",
        "HELO a",
        "EHLO a",
        "GETX",
        "GETX /",
        "POSTMASTER",
        "PUTS x",
        "PRIVATE",
        "PROXYX",
        "SSH",
        "XCLIENT ADDR=192.0.2.1",
        "VRFY get",
        "NOOP GET /",
        "NOOP HTTP/",
        "HELP HTTP",
        "BDAT 10",
        "EXPN post",
        "",
        " GET / ",
        "\u{c3}\u{9c}BER",
        "\u{16}\u{4}",
        "\u{1}",
    ] {
        for size in [1, 2, 100] {
            let mut server = Server::greeted();
            let reply = server.say_in_pieces(format!("{line}\r\n").as_bytes(), size);
            assert!(!reply.starts_with("421"), "{line:?}: {reply}");
            assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n", "{line:?}");
        }
    }
}

#[test]
fn a_message_may_contain_other_protocols() {
    let text = b"GET / HTTP/1.1\r\nSSH-2.0-a\r\nPROXY TCP4\r\n\x16\x03\x01\r\n\r\n\r\n\0\r\nQUIT\n\r\n";
    for size in [1, 2, 3, 100] {
        let mut server = Server::greeted();
        server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        let reply = server.say_in_pieces(&[text.as_slice(), b".\r\n"].concat(), size);
        assert_eq!(reply, "250 2.0.0 Ok: queued as id-1\r\n");
        assert_eq!(server.bodies(), [text]);
    }
}

/// What looks like the beginning of a PROXY header and is none is input like any other.
#[test]
fn octets_that_were_held_back_are_read_as_lines() {
    for (wire, expected) in [
        (b"\r\nNOOP\r\n".as_slice(), "500 5.5.2 Empty command\r\n250 2.0.0 Ok\r\n".to_owned()),
        (b"\r\n\r\n\r\n", "500 5.5.2 Empty command\r\n".repeat(3)),
        (b"\rNOOP\r\n", "500 5.5.2 Bare CR or LF in a command: lines end with CR LF\r\n".to_owned()),
    ] {
        for size in 1..=wire.len() {
            let mut server = Server::new();
            server.say(b"");
            assert_eq!(server.say_in_pieces(wire, size), expected, "{} by {size}", wire.escape_ascii());
        }
    }
    let mut server = Server::greeted();
    assert_eq!(server.say(b"\r\n\r\n"), "500 5.5.2 Empty command\r\n".repeat(2), "not at the beginning");
}

#[test]
fn the_reply_names_the_protocol() {
    for (protocol, name) in [
        (ForeignProtocol::Http, "HTTP"),
        (ForeignProtocol::Tls, "TLS"),
        (ForeignProtocol::Proxy, "the PROXY protocol"),
        (ForeignProtocol::Ssh, "SSH"),
        (ForeignProtocol::Binary, "a binary protocol"),
    ] {
        assert_eq!(protocol.to_string(), name);
    }
}
