//! What leaves is the author's: real messages are distributed, with the default settings for what members get. The
//! body of each copy is the one that came in, and so is the header, except for the changes that are listed here.

use crate::support::{Peer, Site, stuffed};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fields that are removed, because they are private or ask receivers for something.
const REMOVED: &[&str] = &[
    "X-MailFrom",
    "Message-ID-Hash",
    "Return-Path",
    "Bcc",
    "Resent-Bcc",
    "Approved",
    "Approve",
    "X-Approved",
    "X-Approve",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    "List-Unsubscribe-Post",
    "Feedback-ID",
];

/// Fields that are removed, because the list has its own, or has no archive.
const REPLACED: &[&str] = &[
    "List-Id",
    "List-Help",
    "List-Owner",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Archive",
];

/// The field that is added before all others.
const FIRST: &str = "X-BeenThere: LIST.example.com\r\n";

/// Added after all others if the message has no Message-ID, or an empty one, which is removed.
const IF_NO_ID: &str = "Message-ID: <GENERATED>\r\n";

/// Added after that if the message has no Precedence.
const IF_NO_PRECEDENCE: &str = "Precedence: list\r\n";

/// Added last. `LEAVE` is `mylist-leave`, with a token if the copy is for one member.
const LAST: &str = "List-Id: <LIST.example.com>\r\n\
    List-Help: <mailto:LIST-request@example.com?subject=help>\r\n\
    List-Owner: <mailto:LIST-owner@example.com>\r\n\
    List-Post: <mailto:LIST@example.com>\r\n\
    List-Subscribe: <mailto:LIST-join@example.com>\r\n\
    List-Unsubscribe: <mailto:LEAVE@example.com>\r\n";

/// The members of each list.
const MEMBERS: [&str; 2] = ["first@members.example", "second@members.example"];

/// A message, and where it comes from.
struct Sample {
    name: String,
    octets: Vec<u8>,
}

#[test]
fn messages_leave_as_they_came_in_except_for_the_documented_changes() {
    let (samples, is_complete) = samples();
    assert!(!is_complete || samples.len() >= 200, "only {} messages", samples.len());
    let mut samples: Vec<Sample> = samples.into_iter().flat_map(with_usual_line_ends).collect();
    // Some messages are in two sources.
    let mut seen = HashSet::new();
    samples.retain(|sample| seen.insert(sample.octets.clone()));
    let lists = assign(&samples);
    let site = Site::new();
    let count = lists.iter().max().unwrap() + 1;
    create_lists(&site, count);
    let config = site.data().join("listgate.toml");
    fs::write(&config, "[server]\nhostname = \"gate.example\"\n").unwrap();
    let server = site.distribute(&["--config", config.to_str().unwrap()]);
    let mut peer = Peer::greeted(server.address);
    let mut expected = BTreeMap::new();
    for (sample, list) in samples.iter().zip(&lists) {
        let (bulk, personal) = (format!("bulk{list}"), format!("personal{list}"));
        let to = [format!("{bulk}@example.com"), format!("{personal}@example.com")];
        let replies = peer.deliver("stranger@example.net", &[&to[0], &to[1]], stuffed(&sample.octets));
        assert!(replies.iter().all(|reply| reply.starts_with("250")), "{}: {replies:?}", sample.name);
        let name = &sample.name;
        expected.insert(copy(&sample.octets, &bulk, "LIST-leave"), (name, 1));
        expected.insert(copy(&sample.octets, &personal, "LIST-leave+TOKEN"), (name, MEMBERS.len()));
    }
    let total: usize = expected.values().map(|(_, count)| count).sum();
    assert_eq!(total, samples.len() * 3, "all messages differ");
    for transaction in site.outbox().wait(total) {
        let is_bulk = transaction.list_id.starts_with("bulk");
        assert_eq!(transaction.recipients.len(), if is_bulk { MEMBERS.len() } else { 1 });
        let found = without_generated(&transaction.message);
        let Some((_, left)) = expected.get_mut(&found) else {
            panic!("no message has this copy: {}", found[..found.len().min(4000)].escape_ascii())
        };
        *left -= 1;
    }
    let missing: Vec<_> = expected.values().filter(|(_, left)| *left > 0).collect();
    assert!(missing.is_empty(), "{missing:?}");
    eprintln!("{} messages, {total} copies", samples.len());
}

/// Creates lists in pairs: one whose members share a copy, and one whose members get copies of their own. They take posts
/// of anyone; all settings that say what members get have their defaults.
fn create_lists(site: &Site, count: usize) {
    for n in 0..count {
        for (name, personal) in [("bulk", "never"), ("personal", "always")] {
            let list = &format!("{name}{n}@example.com");
            site.stdout(&["list", "create", list, "--owner", "owner@members.example"]);
            site.stdout(&["member", "add", list, MEMBERS[0], MEMBERS[1]]);
            let personal = format!("personal={personal}");
            site.stdout(&["list", "set", list, "default_nonmember_action=accept", &personal]);
        }
    }
}

/// Returns the list for each message: a list takes a Message-ID once.
fn assign(samples: &[Sample]) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let list = |sample: &Sample| {
        let header = Header::of(&sample.octets);
        let Some(id) = header.value("Message-ID").filter(|id| !id.is_empty()) else { return 0 };
        let next = seen.entry(id).or_default();
        *next += 1;
        *next - 1
    };
    samples.iter().map(list).collect()
}

/// Returns the message as it is, and with CR LF at the end of each line, as mail servers pass it on, if that differs. LMTP
/// gives it a line end at its end.
fn with_usual_line_ends(Sample { name, mut octets }: Sample) -> Vec<Sample> {
    if !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    let mut usual = Vec::new();
    for line in lines(&octets) {
        let end = line.iter().rposition(|octet| !b"\r\n".contains(octet)).map_or(0, |at| at + 1);
        usual.extend_from_slice(&line[..end]);
        usual.extend_from_slice(b"\r\n");
    }
    let changed = (usual != octets).then(|| Sample { name: format!("{name}, CR LF"), octets: usual });
    [Some(Sample { name, octets }), changed].into_iter().flatten().collect()
}

/// Splits octets into lines, each with its end: CR, LF or CR LF.
fn lines(octets: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let end = match rest.iter().position(|octet| b"\r\n".contains(octet)) {
            Some(at) if rest[at..].starts_with(b"\r\n") => at + 2,
            Some(at) => at + 1,
            None => rest.len(),
        };
        let (line, after) = rest.split_at(end);
        lines.push(line);
        rest = after;
    }
    lines
}

/// The header of a message, read by the rules that ARCHITECTURE.md names, line by line and in memory.
struct Header<'m> {
    /// Each field with its continuation lines; and `From ` lines.
    fields: Vec<Vec<u8>>,
    /// What follows: the empty line, if there is one, and the body.
    rest: &'m [u8],
}

impl<'m> Header<'m> {
    fn of(message: &'m [u8]) -> Self {
        let mut fields: Vec<Vec<u8>> = Vec::new();
        let mut at = 0;
        let mut before_from = None;
        for line in lines(message) {
            let is_blank = line.starts_with(b" ") || line.starts_with(b"\t");
            let is_from = line.starts_with(b"From ") && name(line).is_none();
            if !is_blank && !is_from && name(line).is_none() {
                break;
            }
            if is_blank && !fields.is_empty() {
                fields.last_mut().unwrap().extend_from_slice(line);
            } else {
                fields.push(line.to_vec());
            }
            // Such a line belongs to the body, unless it is the first, or the header goes on after it.
            before_from = (is_from && at > 0).then(|| (at, fields.len() - 1));
            at += line.len();
        }
        if let Some((start, count)) = before_from {
            at = start;
            fields.truncate(count);
        }
        Self { fields, rest: &message[at..] }
    }

    /// Returns the value of the first field with this name, on one line.
    fn value(&self, wanted: &str) -> Option<String> {
        let field = self.fields.iter().find(|field| is_named(field, wanted))?;
        let colon = field.iter().position(|&octet| octet == b':').unwrap();
        let value = String::from_utf8_lossy(&field[colon + 1..]);
        Some(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Returns the name of the field that begins with this line.
fn name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let name = line[..colon].trim_ascii_end();
    name.iter().all(|octet| matches!(octet, b'!'..=b'~')).then_some(name)
}

fn is_named(field: &[u8], wanted: &str) -> bool {
    name(field).is_some_and(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Returns the copy of a message that the members of a list get.
fn copy(message: &[u8], list: &str, leave: &str) -> Vec<u8> {
    let header = Header::of(message);
    let has_id = header.value("Message-ID").is_some_and(|id| !id.is_empty());
    let is_removed = |field: &Vec<u8>| REMOVED.iter().chain(REPLACED).any(|name| is_named(field, name));
    let mut fields = header.fields.clone();
    if !has_id && let Some(empty) = fields.iter().position(|field| is_named(field, "Message-ID")) {
        fields.remove(empty);
    }
    fields.retain(|field| !is_removed(field));
    let first = usize::from(fields.first().is_some_and(|line| name(line).is_none()));
    fields.insert(first, FIRST.into());
    let mut added = String::new();
    if !has_id {
        added += IF_NO_ID;
    }
    if header.value("Precedence").is_none() {
        added += IF_NO_PRECEDENCE;
    }
    added += LAST;
    fields.push(added.into_bytes());
    let fields = fields.iter().map(|field| match std::str::from_utf8(field) {
        Ok(text) => text.replace("LEAVE", leave).replace("LIST", list).into_bytes(),
        Err(_) => field.clone(),
    });
    // A header without an empty line at its end gets one.
    let empty: &[u8] =
        if header.rest.starts_with(b"\r") || header.rest.starts_with(b"\n") { b"" } else { b"\r\n" };
    let parts: Vec<Vec<u8>> = fields.chain([empty.to_vec(), header.rest.to_vec()]).collect();
    parts.concat()
}

/// Returns a copy with placeholders for a token and a generated Message-ID.
fn without_generated(copy: &[u8]) -> Vec<u8> {
    let mut header = Header::of(copy);
    for field in &mut header.fields {
        let Ok(text) = std::str::from_utf8(field) else { continue };
        if let Some((before, after)) = text.split_once("-leave+") {
            let (token, after) = after.split_once('@').unwrap_or_default();
            if text.starts_with("List-Unsubscribe: <mailto:personal") && token.len() == 26 {
                *field = format!("{before}-leave+TOKEN@{after}").into_bytes();
            }
        } else if let Some(id) = text.strip_prefix("Message-ID: <") {
            let digits = id.bytes().take_while(u8::is_ascii_hexdigit).count();
            if digits == 32 && &id[digits..] == "@gate.example>\r\n" {
                *field = IF_NO_ID.into();
            }
        }
    }
    [header.fields.concat(), header.rest.to_vec()].concat()
}

/// Returns all messages, and whether no source of them is missing.
fn samples() -> (Vec<Sample>, bool) {
    let mut samples = ours();
    let mut is_complete = true;
    for (what, folder) in [
        ("the bounces of LISTGATE_CORPORA", corpora()),
        ("the mail of Python's tests", python()),
        ("the mail of the tests of mail-parser", mail_parser()),
    ] {
        match folder {
            Some(folder) => read(&folder, &mut samples),
            None => {
                eprintln!("skipped: {what} is not here");
                is_complete = false;
            }
        }
    }
    (samples, is_complete)
}

fn corpora() -> Option<PathBuf> {
    std::env::var_os("LISTGATE_CORPORA").map(|corpora| Path::new(&corpora).join("bounces"))
}

/// Returns the folder of test mail in Python's standard library, which some distributions leave out.
fn python() -> Option<PathBuf> {
    let script = "import os, test.test_email as t; print(os.path.dirname(t.__file__))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let folder = Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("data");
    folder.is_dir().then_some(folder)
}

/// Returns the folder of test mail in the package mail-parser, as cargo has unpacked it.
fn mail_parser() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?.flatten();
    let packages = registries.filter_map(|registry| fs::read_dir(registry.path()).ok()).flatten().flatten();
    let packages =
        packages.filter(|package| package.file_name().to_string_lossy().starts_with("mail-parser-"));
    packages.map(|package| package.path().join("resources/eml")).find(|folder| folder.is_dir())
}

/// Reads the messages in a folder and the folders in it: `*.eml` and `*.txt`.
fn read(folder: &Path, samples: &mut Vec<Sample>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, samples);
        } else if path.extension().is_some_and(|suffix| suffix == "eml" || suffix == "txt") {
            samples.push(Sample { octets: fs::read(&path).unwrap(), name: path.display().to_string() });
        }
    }
}

/// Returns messages that programs are known to damage.
fn ours() -> Vec<Sample> {
    let signed = "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; \
        boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello \t\r\n-- \r\n--b\r\n\
        Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nx\r\n\
        -----END PGP SIGNATURE-----\r\n--b--\r\n";
    let with = |fields: &str, body: &[u8]| {
        [format!("From: a@b.example\r\n{fields}\r\n").into_bytes(), body.to_vec()].concat()
    };
    let all = [
        ("nothing", Vec::new()),
        ("no header", b"\r\nOnly a body.\r\n".to_vec()),
        ("no body", b"Subject: no body\r\n".to_vec()),
        ("no empty line", b"Subject: x\r\nThis is not a field.\r\n".to_vec()),
        ("dots", with("Subject: dots\r\n", b".\r\n..\r\n. \r\n.x\r\n\n.\n\r.\r\nend\r\n.\r\n")),
        ("no final line end", with("Subject: no end\r\n", b"no end")),
        (
            "bare CR and LF",
            b"From: a@b.example\nSubject: bare\rX: y\r\n\rone\rtwo\nthree\r\r\n\n\r\n".to_vec(),
        ),
        ("8 bit", with("Subject: \u{fc}\r\n", b"\xfc \xff\xfe \x00 \x1a \x7f\r\n")),
        ("8 bit header", b"From: a@b.example\r\nSubject: \xe4\xf6\r\nX-\xe4: y\r\n\r\nx\r\n".to_vec()),
        ("a long line", with("Subject: long\r\n", &vec![b'x'; 1 << 20])),
        ("a long field", with(&format!("X-Long: {}\r\n", "x ".repeat(100_000)), b"x\r\n")),
        ("signed", with(signed, b"")),
        (
            "encrypted",
            with("Subject: x\r\n", b"-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n-----END PGP MESSAGE-----\r\n"),
        ),
        ("broken MIME", with("Content-Type: multipart/mixed; boundary=\"\r\n", b"--\r\n\r\n----\r\n")),
        ("blanks", with("Subject :  x \t\r\n \t\r\nTo:\r\n\ta@b,\r\n  c@d\r\n", b" \r\n\t\r\n\r\n\r\n")),
        (
            "of another list",
            with("List-Id: <x>\r\nList-Unsubscribe: <y>,\r\n <z>\r\nX-BeenThere: w\r\n", b"x\r\n"),
        ),
        ("private", with("Bcc: x\r\nApproved: y\r\nSubject: x\r\nfeedback-id: z\r\n", b"Bcc: x\r\n")),
        ("an empty id", with("Message-ID: \r\nSubject: x\r\n", b"x\r\n")),
        ("two ids", with("Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\nPrecedence: bulk\r\n", b"x\r\n")),
        ("of a mailbox", b"From a@b Mon Jan 1\r\nFrom: a@b\r\n\r\nx\r\n".to_vec()),
    ];
    all.into_iter().map(|(name, octets)| Sample { name: name.to_owned(), octets }).collect()
}
