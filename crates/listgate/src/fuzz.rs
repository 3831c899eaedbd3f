//! What holds whatever the octets are: one function for each of the fuzzer's targets (`fuzz/`), which
//! tries to break it. The tests replay what it found worth keeping.

use crate::config::{Config, ConfigError};
use crate::limits;
use crate::lists::ListAddress;
use crate::message::{HeaderEdit, ID_DIGITS, MessageId};
use crate::peers::Peers;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Who the sender is.
pub(crate) const FROM: &str = "anne@example.com";

/// The edit in pieces is the edit of the whole, and so are the facts it finds; and there is nothing left
/// that another edit would change.
/// The first octet says how large the pieces are.
pub fn header_edit(input: &[u8]) {
    let Some((&size, message)) = input.split_first() else { return };
    if message.len() > limits::HEADER_NAME {
        return;
    }
    let (edited, facts) = edited_in_pieces(message, usize::from(size).max(1));
    assert_eq!(edited.escape_ascii().to_string(), edited_at_once(message).escape_ascii().to_string());
    assert_eq!(facts, edited_in_pieces(message, usize::MAX).1);
    let (twice, _) = edited_in_pieces(&edited, usize::MAX);
    assert_eq!(edited.escape_ascii().to_string(), twice.escape_ascii().to_string());
}

/// The edited message, and the facts of its header in words.
fn edited_in_pieces(message: &[u8], size: usize) -> (Vec<u8>, String) {
    let mut edit = HeaderEdit::new(FROM.to_owned(), "host".to_owned(), None);
    let mut out = Vec::new();
    message.chunks(size).for_each(|piece| edit.push(piece, &mut out));
    if let MessageId::Missing { at } = edit.finish(&mut out) {
        let digits = usize::try_from(at).expect("an index into the message");
        assert!(out[digits..].starts_with(&[b'0'; ID_DIGITS]), "the digits are where they are said to be");
    }
    (out, format!("{:?}", edit.into_facts()))
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\r" | b"\n")
}

/// `^(From |[\041-\071\073-\176]*:|[\t ])`
fn is_header_line(line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| matches!(octet, 0x21..=0x39 | 0x3b..=0x7e)).count();
    line.starts_with(b"From ") || line.get(name) == Some(&b':') || matches!(line[0], b' ' | b'\t')
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

/// The edit of a whole message at once, after the words of Python's parser; the Message-ID of ours with
/// zeros for its digits. It knows no bound.
pub(crate) fn edited_at_once(message: &[u8]) -> Vec<u8> {
    let lines = lines(message);
    let mut header = lines.iter().take_while(|line| is_header_line(line)).count();
    let mut blank = lines.get(header).is_some_and(|line| is_blank(line));
    if header > 1 && lines[header - 1].starts_with(b"From ") {
        header -= 1;
        blank = false;
    }
    let mut out = Vec::new();
    let (mut keep, mut has_id) = (true, false);
    for (at, line) in lines[..header].iter().enumerate() {
        let name = line.split(|&octet| octet == b':').next().unwrap_or_default();
        if matches!(line[0], b' ' | b'\t') {
            // As the line it continues.
        } else if line.starts_with(b"From ") {
            keep = true;
        } else {
            keep = !name.eq_ignore_ascii_case(b"x-mailfrom");
            has_id |= name.eq_ignore_ascii_case(b"message-id");
        }
        if keep {
            out.extend_from_slice(line);
            let unended = at + 1 == lines.len() && !line.ends_with(b"\r") && !line.ends_with(b"\n");
            out.extend_from_slice(if unended { b"\r\n" } else { b"" });
        }
    }
    if !has_id {
        out.extend_from_slice(b"Message-ID: <00000000000000000000000000000000@host>\r\n");
    }
    out.extend_from_slice(format!("X-MailFrom: {FROM}\r\n").as_bytes());
    out.extend_from_slice(if blank { b"" } else { b"\r\n" });
    out.extend_from_slice(&lines[header..].concat());
    out
}

/// What a pipe takes before anybody reads it, on any system.
const PIPE: usize = 4096;

/// Within and without the networks that have names.
const ADDRESSES: [&str; 5] = ["127.0.0.1", "::1", "10.0.0.1", "fe80::1", "2001:db8::1"];

/// A configuration is read, or its error names the file and what is wrong in it.
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
            let anew = Peers::new(&config.allow.words()).expect("words that it said itself");
            for address in ADDRESSES.map(|address| address.parse().expect("an address")) {
                assert_eq!(config.allow.contains(address), anew.contains(address), "{address}");
            }
            assert!(config.postmaster.is_none_or(|list| list.parse::<ListAddress>().is_ok()));
            for address in config.listen {
                assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
        Err(why) => {
            let said = why.to_string();
            assert!(said.contains(&path), "{said}");
            match why {
                ConfigError::Read { .. } => assert!(std::str::from_utf8(input).is_err(), "{said}"),
                ConfigError::Toml { why, .. } => assert!(why.contains(" at line "), "{said}"),
                ConfigError::Value { why, .. } => assert!(names_a_key(&why), "{said}"),
            }
        }
    }
}

/// `table.key: …` or `table.key = …`
fn names_a_key(why: &str) -> bool {
    let (name, _) = why.split_once([':', ' ']).unwrap_or_default();
    let tables = ["site", "server", "lmtp", "addresses", "storage", "queue", "admin", "log"];
    name.split_once('.').is_some_and(|(table, key)| tables.contains(&table) && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// An input that once broke something is among these, and breaks it no more.
    fn replay(target: &str, holds: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let inputs = fs::read_dir(&corpus).unwrap();
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            eprintln!("{}", path.display());
            holds(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn the_corpora_hold() {
        replay("header_edit", super::header_edit);
        replay("configuration", super::configuration);
    }
}
