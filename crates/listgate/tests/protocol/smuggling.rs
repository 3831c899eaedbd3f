//! Only CR LF `.` CR LF ends the data (RFC 5321 section 4.1.1.4) of a gate with a disk behind it.
//!
//! A message that contains a false end, followed by commands, is either one message, kept octet for octet, or
//! refused. The false ends are those that public write-ups and scanners name ("SMTP smuggling", CVE-2023-51764,
//! -51765 and -51766), and others made of characters that some software takes for a newline.

use crate::support::{Peer, Site, queued_as, tcp};
use listgate::{BareNewline, Config};

/// False ends with a CR or LF that is not part of a CR LF.
const BARE: &[&[u8]] = &[
    b"\n.\n",
    b"\n.\r",
    b"\n.\r\n",
    b"\n.\r\r\n",
    b"\n\n.\n",
    b"\n\n.\r\n",
    b"\n\x00.\r\n",
    b"\r.\r",
    b"\r.\n",
    b"\r.\r\n",
    b"\r.\r\r\n",
    b"\r\r.\r\r",
    b"\r\n.\n",
    b"\r\n.\n\n",
    b"\r\n.\r",
    b"\r\n.\r\r",
    b"\r\n.\r\r\n",
    b"\r\n.\n\r\n",
    b"\r\n.\r.\r\n",
    b"\r\n\x00.\r",
    b"\r\n\x00.\n",
    b"\r\n\r.\r\n",
    b"\r\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\r\n.\n",
    b"\n\r.\n\r",
    b"\n\r\n.\r\r\n",
];

/// False ends without one, which are taken whatever `bare_newline` says.
const NOT_BARE: &[&[u8]] = &[
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n.\x00\x00\r\n",
    b"\r\n. \r\n",
    b"\r\n .\r\n",
    b"\r\n.\t\r\n",
    b"\r\n..\r\n",
    b"\r\n...\r\n",
    b"\r\n.\x08\r\n",
    b"\r\n\x7f.\r\n",
    b"\r\n\x1a.\r\n",
    b"\x0b.\x0b",
    b"\x0b.\r\n",
    b"\r\n.\x0b\r\n",
    b"\x0c.\x0c",
    b"\r\n\x0c.\r\n",
    b"\r\n.\x0c\r\n",
    b"\x1c.\x1c",
    b"\x1e.\x1e",
    b"\x85.\x85",
    b"\x85.\r\n",
    b"\r\n.\x85\r\n",
    b"\xc2\x85.\xc2\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
    b"\r\n.\xe2\x80\xa8\r\n",
    b"\r\n\xef\xbc\x8e\r\n",
    b"\x8d\x8a.\x8d\x8a",
    b"\r\n\xae\r\n",
    b"=0D=0A.=0D=0A",
];

/// Commands and text that would become another message.
const SMUGGLED: &[u8] = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<mylist@example.com>\r\nDATA\r\n\
    Subject: smuggled\r\n\r\nsmuggled\r\n";

const TO: [&str; 2] = ["mylist@example.com", "mylist-owner@example.com"];

/// Sends one message with a false end in it, then the true end and a NOOP, and returns the replies to the
/// message. Writes `packet` octets at a time.
fn deliver(peer: &mut Peer, body: &[u8], packet: usize) -> Vec<String> {
    peer.begin("anne@example.com", &TO);
    let wire = [b"Message-ID: <a@b>\r\n\r\n", body, b"\r\n.\r\nNOOP\r\n"].concat();
    for octets in wire.chunks(packet) {
        peer.send(octets);
    }
    let replies = TO.iter().map(|_| peer.reply()).collect();
    assert_eq!(peer.reply(), "250 2.0.0 Ok", "the one command behind {}", body.escape_ascii());
    replies
}

/// Returns the body without the first dot of each line that CR LF began (RFC 5321 section 4.5.2), and with all
/// others.
fn unstuffed(body: &[u8]) -> Vec<u8> {
    let is_stuffing = |at: usize| body[at] == b'.' && body[..at].ends_with(b"\r\n");
    (0..body.len()).filter(|at| !is_stuffing(*at)).map(|at| body[at]).collect()
}

/// Sends every false end, in one packet and octet by octet. If it is taken, the message is stored once, as it
/// was sent; if it is refused, there is a reply for each recipient and nothing is stored.
fn nothing_is_smuggled(bare_newline: BareNewline) {
    let site = Site::with_list();
    let gate = site.gate(Config { bare_newline, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    let mut stored = Vec::new();
    for (ends, refused) in [(BARE, bare_newline == BareNewline::Reject), (NOT_BARE, false)] {
        for end in ends {
            let body = [b"before", *end, SMUGGLED].concat();
            for packet in [usize::MAX, 1] {
                let replies = deliver(&mut peer, &body, packet);
                if refused {
                    assert_eq!(
                        replies,
                        ["554 5.6.0 Bare CR or LF in the message"; 2],
                        "{}",
                        end.escape_ascii()
                    );
                    continue;
                }
                stored.extend(replies.iter().map(|reply| queued_as(reply).to_owned()));
                let message = site.message(queued_as(&replies[0]));
                let header = b"Message-ID: <a@b>\r\nX-MailFrom: anne@example.com\r\n\r\n".as_slice();
                let expected = [header, &unstuffed(&body), b"\r\n"].concat();
                assert_eq!(message.escape_ascii().to_string(), expected.escape_ascii().to_string());
            }
        }
    }
    let queued: Vec<_> = site.json(&["queue", "ls"]).iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(queued, stored, "one entry for each recipient that got a 250");
    peer.assert_usable();
}

#[test]
fn where_bare_newlines_are_kept_a_false_end_is_text() {
    nothing_is_smuggled(BareNewline::Keep);
}

#[test]
fn where_bare_newlines_are_rejected_a_false_end_is_refused_or_text() {
    nothing_is_smuggled(BareNewline::Reject);
}
