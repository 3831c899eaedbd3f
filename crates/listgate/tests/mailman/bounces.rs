//! The bounces with which flufl.bounce, Mailman's reader of bounces, tests itself, sent as commands: none confirms, none is
//! answered.

use crate::support::{Peer, Site, installed, stuffed, until};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const MESSAGES: &str = "usr/lib/python3/dist-packages/flufl/bounce/tests/data";

/// The messages that look like mail of a person, unless their envelope sender is empty. A person did write the first: it
/// tests that not everything is taken for a bounce. The second is a bounce from an ordinary address. Its subject is "Re:",
/// the subject of the mail, and "(delivery failed)".
const LIKE_A_PERSONS: [&str; 2] = ["groupwise_03", "simple_20"];

/// A reply that comes sooner after the mail counts as one that a program has sent.
const SOONEST: Duration = Duration::from_secs(5);

/// Returns the name of each message, and its octets with the line ends of SMTP.
fn messages() -> Vec<(String, Vec<u8>)> {
    let dir = installed("LISTGATE_MAILMAN3", "mailman3").join(MESSAGES);
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let mut all: Vec<_> =
        files.map(|path: PathBuf| (name(&path), with_crlf(&fs::read(path).unwrap()))).collect();
    all.sort();
    all
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn with_crlf(message: &[u8]) -> Vec<u8> {
    let lines = message.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut sent = lines.collect::<Vec<_>>().join(&b"\r\n"[..]);
    if !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    sent
}

/// Returns the value of a field in the header of a message.
fn field(message: &[u8], name: &str) -> String {
    let message = str::from_utf8(message).unwrap();
    let value = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("{name} is not in {message}")).to_owned()
}

/// Returns each envelope sender, and what became of its mail, after the first mail.
fn decided(site: &Site) -> Vec<(String, String)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(site.data().join("listgate.db"), flags).unwrap();
    let sql = "SELECT mail_from, outcome || ' ' || reasons FROM decision ORDER BY id LIMIT -1 OFFSET 1";
    let mut rows = connection.prepare(sql).unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
#[ignore = "needs mailman3"]
fn no_bounce_confirms_or_is_answered() {
    let messages = messages();
    assert_eq!(messages.len(), 115);
    let site = Site::with_list();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "[storage]\nmin_free = 0\n").unwrap();
    let server = site.distribute(&["--config", file.to_str().unwrap()]);
    let mut peer = Peer::greeted(server.address);
    peer.deliver("carl@example.org", &["mylist-join@example.com"], "From: carl@example.org\r\n\r\n");
    let question = site.outbox().wait(1).remove(0).message;
    let token_address = field(&question, "Reply-To");
    let names_ours = format!("In-Reply-To: {}\r\n", field(&question, "Message-ID"));
    let others = ["mylist-join@example.com", "mylist-leave@example.com", "mylist-request@example.com"];
    let mut give = |sender: &str, message: &[u8], reply: &str| {
        for (to, message) in
            [(&others[..], message.to_owned()), (&[&*token_address], [reply.as_bytes(), message].concat())]
        {
            let replies = peer.deliver(sender, to, stuffed(&message));
            assert!(replies.iter().all(|reply| reply.starts_with("250")), "{sender}: {replies:?}");
        }
    };

    messages.iter().for_each(|(_, message)| give("", message, &names_ours));
    until("all are decided", || decided(&site).len() == 4 * messages.len());
    for (_, became) in decided(&site) {
        assert_eq!(became, r#"ignored ["it is automatic: its envelope sender is <>, as in bounces"]"#);
    }
    assert_eq!(site.outbox().transactions().len(), 1, "nothing but the question was sent");

    for (name, message) in &messages {
        // These two would confirm if they named our mail, as a reply by a person does.
        let reply = if LIKE_A_PERSONS.contains(&&**name) { "" } else { &names_ours };
        give(&format!("{name}@bounces.example"), message, reply);
    }
    until("all are decided", || decided(&site).len() == 8 * messages.len());
    let with_a_sender = decided(&site).split_off(4 * messages.len());
    let (ignored, others): (Vec<_>, Vec<_>) =
        with_a_sender.into_iter().partition(|(_, became)| became.starts_with(r#"ignored ["it is automatic"#));
    assert_eq!(ignored.len(), 4 * (messages.len() - LIKE_A_PERSONS.len()));
    for name in LIKE_A_PERSONS {
        let of_it = others.iter().filter(|(sender, _)| *sender == format!("{name}@bounces.example"));
        let confirming =
            of_it.filter(|(_, became)| became.contains("is not a reply to the mail that had it"));
        assert_eq!(confirming.count(), 1, "{others:?}");
    }
    assert_eq!(site.json(&["member", "ls", "mylist@example.com", "--role", "member"]).len(), 0);

    // The token was valid all the time.
    sleep(SOONEST);
    let reply = format!("From: carl@example.org\r\n{names_ours}\r\n");
    peer.deliver("carl@example.org", &[&token_address], reply);
    until("he is a member", || {
        site.json(&["member", "ls", "mylist@example.com", "--role", "member"]).len() == 1
    });
}
