//! Properties that hold for any input: one function for each fuzz target in `fuzz/`, which tries to break it. The
//! tests replay the inputs that the fuzzer found worth keeping.

use crate::backends::mailman::entry::Entry;
use crate::config::{Config, ConfigError, keys};
use crate::error_chain::Chain;
use crate::limits;
use crate::message::mailman_id;
use crate::message::{HeaderEdit, ID_DIGITS, MessageId, Style, ascii_field};
use crate::net::Networks;
use crate::socketmap::{netstring, requests::Requests};
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};

/// The sender of all messages.
pub(crate) const FROM: &str = "anne@example.com";

/// Checks that editing a message in pieces yields the same message and the same facts as editing it as a whole, and
/// that a second edit changes nothing. The first octet of the input is the size of the pieces.
pub fn header_edit(input: &[u8]) {
    let Some((&size, message)) = input.split_first() else { return };
    if message.len() > limits::HEADER_NAME {
        return;
    }
    for style in [Style::Plain, Style::Mailman] {
        let (edited, facts) = edited_in_pieces(style, message, usize::from(size).max(1));
        let at_once = edited_at_once(style, message);
        assert_eq!(edited.escape_ascii().to_string(), at_once.escape_ascii().to_string());
        assert_eq!(facts, edited_in_pieces(style, message, usize::MAX).1);
        let (twice, _) = edited_in_pieces(style, &edited, usize::MAX);
        // An id in nested brackets is corrected again by the second edit.
        if style == Style::Plain || !message.contains(&b'[') {
            assert_eq!(edited.escape_ascii().to_string(), twice.escape_ascii().to_string());
        }
    }
}

/// Returns the edited message, with zeros for the digits of a generated Message-ID, and the facts of its header as
/// text.
pub(crate) fn edited_in_pieces(style: Style, message: &[u8], size: usize) -> (Vec<u8>, String) {
    let mut edit = HeaderEdit::new(style, FROM.to_owned(), "host".to_owned(), None);
    let mut out = Vec::new();
    message.chunks(size).for_each(|piece| edit.push(piece, &mut out));
    if let MessageId::Missing(blanks) = edit.finish(&mut out) {
        for (at, text) in blanks.fill("0".repeat(ID_DIGITS)).1 {
            let blank = usize::try_from(at).expect("an index into the message");
            let blank = &mut out[blank..][..text.len()];
            assert!(blank.iter().all(|&octet| octet == b'0'), "zeros are where they are message to be");
            blank.copy_from_slice(text.as_bytes());
        }
    }
    (out, format!("{:?}", edit.into_facts()))
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\r" | b"\n")
}

/// Returns whether a line matches `^[\041-\071\073-\176]*:`, with blanks before the colon if the style allows them.
fn is_field(style: Style, line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| matches!(octet, 0x21..=0x39 | 0x3b..=0x7e)).count();
    let rest = &line[name..];
    let rest = if name > 0 && style.allows_blanks_before_colon() {
        let blanks = rest.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        &rest[blanks..]
    } else {
        rest
    };
    rest.first() == Some(&b':')
}

fn is_from_line(style: Style, line: &[u8]) -> bool {
    line.starts_with(b"From ") && !is_field(style, line)
}

fn lines(message: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let len = match rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')) {
            None => rest.len(),
            Some(at) if rest[at..].starts_with(b"\r\n") => at + 2,
            Some(at) => at + 1,
        };
        let (line, after) = rest.split_at(len);
        lines.push(line);
        rest = after;
    }
    lines
}

/// Edits a whole message at once, by the rules of Python's parser, with zeros for the digits of a generated
/// Message-ID. It has no limits.
pub(crate) fn edited_at_once(style: Style, message: &[u8]) -> Vec<u8> {
    let lines = lines(message);
    let belongs =
        |line: &[u8]| matches!(line[0], b' ' | b'\t') || is_from_line(style, line) || is_field(style, line);
    let mut header = lines.iter().take_while(|line| belongs(line)).count();
    let mut blank = lines.get(header).is_some_and(|line| is_blank(line));
    if header > 1 && is_from_line(style, lines[header - 1]) {
        header -= 1;
        blank = false;
    }
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for (at, line) in lines[..header].iter().enumerate() {
        let unended = at + 1 == lines.len() && !line.ends_with(b"\r") && !line.ends_with(b"\n");
        let line = [*line, if unended { b"\r\n" } else { b"" }].concat();
        match fields.last_mut() {
            // A `From ` line cannot be continued, but the line after it stays there anyway.
            Some(field) if matches!(line[0], b' ' | b'\t') => field.extend(line),
            _ => fields.push(line),
        }
    }
    let named = |field: &[u8], names: &[&str]| {
        let name = field.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii_end();
        !is_from_line(style, field) && names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    };
    let is_mailman = style == Style::Mailman;
    fields.retain(|field| !named(field, &["x-mailfrom"]));
    fields.retain(|field| !is_mailman || !named(field, &["message-id-hash", "x-message-id-hash"]));
    let is_empty = |field: &[u8]| {
        let value = field.iter().skip_while(|&&octet| octet != b':').skip(1);
        value.copied().all(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | 0))
    };
    let mut has_id = false;
    fields.retain(|field| {
        let is_id = named(field, &["message-id"]);
        let is_none = is_id && !is_mailman && !has_id && is_empty(field);
        has_id |= is_id && !is_none;
        !is_none
    });
    if !has_id {
        fields.push(format!("Message-ID: <{}@host>\r\n", "0".repeat(ID_DIGITS)).into_bytes());
    }
    if is_mailman {
        let id = fields.iter_mut().find(|field| named(field, &["message-id"])).expect("one is there now");
        id.iter_mut().filter(|octet| !octet.is_ascii()).for_each(|octet| *octet = b'?');
        let read = mailman_id::MessageId::of_field(id);
        let hash = read.hash();
        *id = read.corrected_field().unwrap_or_else(|| id.clone());
        let is_named = |field: &[u8]| !is_from_line(style, field) && !matches!(field[0], b' ' | b'\t');
        for field in fields.iter_mut().filter(|field| is_named(field)) {
            *field = ascii_field(field).into_owned();
            assert!(field.is_ascii());
        }
        fields.push(format!("Message-ID-Hash: {hash}\r\nX-Message-ID-Hash: {hash}\r\n").into_bytes());
    }
    fields.push(format!("X-MailFrom: {FROM}\r\n").into_bytes());
    fields.push(if blank { Vec::new() } else { b"\r\n".to_vec() });
    [fields.concat(), lines[header..].concat()].concat()
}

/// Checks that a queue file of Mailman is read or refused, and that the metadata shown is bounded.
pub fn queue_file(input: &[u8]) {
    if let Ok(entry) = Entry::read(input) {
        let shown = serde_json::to_string(&entry.metadata).expect("JSON can be written");
        // Each octet shown may need an escape, and each value a word.
        assert!(shown.len() <= 16 * limits::SHOWN_METADATA);
    }
}

/// Checks that the requests of a socketmap connection do not depend on the pieces in which its octets arrive, that
/// they match what was sent, and that none exceeds the maximum size. The first octet of the input is the size of
/// the pieces.
pub fn socketmap(input: &[u8]) {
    let Some((&size, octets)) = input.split_first() else { return };
    let found = requests_in_pieces(octets, usize::from(size).max(1));
    assert_eq!(found, requests_in_pieces(octets, usize::MAX));
    let (requests, error) = found;
    let mut rest = octets;
    for request in requests {
        assert!(request.len() <= limits::SOCKETMAP_REQUEST);
        let framed = [format!("{}:", request.len()).as_bytes(), &request, b","].concat();
        rest = rest.strip_prefix(framed.as_slice()).expect("a request is what was message");
    }
    assert_eq!(error.is_some(), netstring::read(rest, limits::SOCKETMAP_REQUEST).is_err());
}

/// Returns all requests, and the error that ended them.
fn requests_in_pieces(octets: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<String>) {
    let mut requests = Requests::new(Pieces(octets, size));
    let mut all = Vec::new();
    loop {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(requests.next()).poll(&mut context) {
            Poll::Ready(Ok(Some(request))) => all.push(request),
            Poll::Ready(Ok(None)) => return (all, None),
            Poll::Ready(Err(why)) => return (all, Some(why.to_string())),
            Poll::Pending => panic!("the octets are there"),
        }
    }
}

/// A reader that returns a limited number of the octets at a time.
struct Pieces<'i>(&'i [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(buffer.remaining()));
        buffer.put_slice(piece);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

/// Octets that a pipe holds before any are read, on any system.
const PIPE: usize = 4096;

/// Addresses inside and outside the networks that have names.
const ADDRESSES: [&str; 5] = ["127.0.0.1", "::1", "10.0.0.1", "fe80::1", "2001:db8::1"];

/// Checks that a configuration is read, or that the error names the file and what is wrong in it.
pub fn configuration(input: &[u8]) {
    if input.len() > PIPE {
        return;
    }
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
    writer.write_all(input).expect("a pipe takes so much");
    drop(writer);
    let path = format!("/dev/fd/{}", reader.as_raw_fd());
    match Config::read(Path::new(&path), "data") {
        Ok(config) => {
            assert!(config.max_connections > 0 && config.max_recipients > 0);
            assert!(config.max_in_flight >= config.max_message_size);
            let again = Networks::new(&config.allow.words()).expect("words that it printed itself");
            for address in ADDRESSES.map(|address| address.parse().expect("an address")) {
                assert_eq!(config.allow.contains(address), again.contains(address), "{address}");
            }
            assert!(listgate_lmtp::is_domain_name(&config.hostname), "{:?}", config.hostname);
            for address in config.listen.into_iter().chain(config.socketmap) {
                assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
        Err(why) => {
            // The error is in another file, and names that file.
            if why.is_of_mailman() {
                return;
            }
            let message = Chain(&why).to_string();
            assert!(message.contains(&path), "{message}");
            match why {
                ConfigError::Read { .. } => assert!(std::str::from_utf8(input).is_err(), "{message}"),
                ConfigError::Syntax { why, .. } => {
                    assert!(why.to_string().contains(" at line "), "{message}")
                }
                ConfigError::NotATable { name, .. } => {
                    assert!(keys().any(|key| key.parts().0 == name), "{message}");
                }
                ConfigError::Unknown { .. } | ConfigError::Value { .. } => {
                    assert!(message.contains(", line "), "{message}")
                }
                ConfigError::File { .. } => {}
                ConfigError::Field { .. }
                | ConfigError::Conflict(_)
                | ConfigError::Mailman(_)
                | ConfigError::Tls(_)
                | ConfigError::OutgoingTls(_)
                | ConfigError::Texts(_)
                | ConfigError::Credentials { .. } => {
                    unreachable!("a file is named: {message}")
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    proptest::proptest! {
        #[test]
        fn the_requests_of_a_socketmap_connection_are_the_same_in_any_pieces(
            size in 1_u8..20,
            requests in proptest::collection::vec("[a-z]{0,10} ?[a-z@]{0,20}", 0..5),
            mistake in "|.|[0-9]{1,4}:?|65536:|65537|9:short",
        ) {
            let netstrings: String =
                requests.iter().map(|request| crate::socketmap::netstring::write(request)).collect();
            super::socketmap(&[&[size], netstrings.as_bytes(), mistake.as_bytes()].concat());
        }
    }

    #[test]
    fn the_corpora_pass() {
        replay("configuration", super::configuration);
        replay("header_edit", super::header_edit);
        replay("queue_file", super::queue_file);
        replay("socketmap", super::socketmap);
    }
}
