//! Mail, settings and tokens that are meant to do harm.

use crate::support::{Peer, Server, Site, Transaction, until};
use rusqlite::Connection;

const LIST: &str = "mylist@example.com";
const OTHER: &str = "other@example.com";

/// Creates two lists with a member each.
fn site() -> Site {
    let site = Site::new();
    for (list, member) in [(LIST, "anne@example.org"), (OTHER, "bob@example.org")] {
        site.stdout(&["list", "create", list, "--owner", "olga@example.org"]);
        site.stdout(&["member", "add", list, member]);
    }
    site
}

fn post(server: &Server, n: usize, fields: &str) {
    let message =
        format!("From: anne@example.org\r\nTo: {LIST}\r\nMessage-ID: <{n}@x>\r\n{fields}\r\nHello.\r\n");
    let reply = Peer::greeted(server.address).deliver("anne@example.org", &[LIST], message).remove(0);
    assert!(reply.starts_with("250"), "{reply}");
}

fn rows(site: &Site, sql: &str) -> Vec<String> {
    let database = Connection::open(site.data().join("listgate.db")).unwrap();
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns the names of the fields of a message.
fn names(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(message);
    let header = text.split("\r\n\r\n").next().unwrap();
    let lines = header.split(['\r', '\n']).filter(|line| !line.is_empty() && !line.starts_with([' ', '\t']));
    lines.map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn no_name_or_prefix_adds_a_field() {
    let site = site();
    for injected in
        ["x\r\nBcc: spy@example.net", "x\nBcc: spy@example.net", "x\rBcc: spy@example.net", "x\u{85}y"]
    {
        for key in ["display_name", "subject_prefix", "description"] {
            let output = site.listgate(&["list", "set", LIST, &format!("{key}={injected}")]);
            assert_eq!(output.status.code(), Some(2), "{key}={injected:?}");
        }
        let name = format!("a{injected}@example.com");
        assert!(!site.listgate(&["list", "create", &name, "--owner", "o@example.org"]).status.success());
    }
    let server = site.distribute(&[]);
    post(&server, 0, "Subject: plain\r\n");
    let plain = names(&site.outbox().wait(1)[0].message);
    for (n, name) in [
        "\"><script>\\\"",
        "=?utf-8?q?x=0D=0ABcc=3A_spy?=",
        "a: b, c <d@e>;",
        "\u{2028}Bcc: spy\u{2029}",
        "\u{202e}\u{1f600}\u{fc}",
    ]
    .into_iter()
    .enumerate()
    {
        let changes = [format!("display_name={name}"), format!("subject_prefix={name}")];
        site.stdout(&["list", "set", LIST, &changes[0], &changes[1]]);
        post(&server, n + 1, "Subject: =?utf-8?q?x=0D=0ABcc=3A_spy?=\r\n =?utf-8?b?DQpCY2M6IHNweQ==?=\r\n");
        let copy = site.outbox().wait(n + 2).pop().unwrap();
        assert_eq!(names(&copy.message), plain, "{name}");
        assert_eq!(copy.recipients, ["anne@example.org"]);
    }
}

#[test]
fn a_header_of_200_000_lines_is_refused_by_the_list_and_stops_nobody() {
    let site = site();
    let server = site.distribute(&[]);
    post(&server, 0, &"X: y\r\n".repeat(200_000));
    post(&server, 1, &format!("Cc: {}x@example.net\r\n", "a@example.net,\r\n ".repeat(60_000)));
    post(&server, 2, "");
    let outcomes = || rows(&site, "SELECT message_id || ' ' || outcome FROM decision ORDER BY message_id");
    until("all are decided", || outcomes().len() == 3);
    assert_eq!(outcomes(), ["<0@x> rejected", "<1@x> held", "<2@x> accepted"]);
    // A copy, and the notices of the held post for the owner and the author.
    let sent = site.outbox().wait(3);
    let is_copy = |sent: &&Transaction| String::from_utf8_lossy(&sent.message).contains("Message-ID: <2@x>");
    assert_eq!(sent.iter().filter(is_copy).count(), 1);
}

/// Returns the token in an address such as `mylist-bounces+TOKEN@example.com`.
fn token(address: &str) -> &str {
    address.split_once('+').unwrap().1.split_once('@').unwrap().0
}

/// Returns a token with each of its bits changed in turn.
fn altered(token: &str) -> Vec<String> {
    const DIGITS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = (0..token.len()).flat_map(|at| (0..5).map(move |bit| (at, bit)));
    bits.map(|(at, bit)| {
        let mut octets = token.as_bytes().to_vec();
        let value = DIGITS.iter().position(|digit| *digit == octets[at]).expect("a digit of base32");
        octets[at] = DIGITS[value ^ (1 << bit)];
        String::from_utf8(octets).unwrap()
    })
    .collect()
}

const BOUNCE: &str = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
    Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; anne@example.org\r\n\
    Status: 5.1.1\r\n\r\n--b--\r\n";

#[test]
fn a_token_counts_only_unchanged_for_its_purpose_and_its_list() {
    let site = site();
    let server = site.distribute(&[]);
    post(&server, 0, "");
    let copy = site.outbox().wait(1).remove(0);
    let text = String::from_utf8(copy.message).unwrap();
    let leave = token(text.lines().find(|line| line.starts_with("List-Unsubscribe:")).unwrap());
    let bounce = token(&copy.mail_from);
    let mut peer = Peer::greeted(server.address);
    let mut send = |to: &str| {
        let reply = peer.deliver("", &[to], BOUNCE).remove(0);
        assert!(reply.starts_with("250"), "{to}: {reply}");
    };
    let altered = altered(bounce);
    assert_eq!(altered.len(), 130);
    for token in &altered {
        send(&format!("mylist-bounces+{token}@example.com"));
    }
    send(&format!("mylist-bounces+{leave}@example.com"));
    send(&format!("other-bounces+{bounce}@example.com"));
    send(&format!("other-bounces+{leave}@example.com"));
    send("mylist-bounces@example.com");
    let unsigned = altered.len() + 4;
    let recorded = |signed: &str| rows(&site, &format!("SELECT class FROM bounce WHERE purpose {signed}"));
    until("all are recorded", || recorded("IS NULL").len() == unsigned);
    assert!(recorded("IS NOT NULL").is_empty());
    send(&copy.mail_from);
    send(&copy.mail_from.replace(bounce, &bounce.to_uppercase()));
    until("the genuine ones count", || recorded("= 'member'").len() == 2);
    assert_eq!(recorded("IS NULL").len(), unsigned);
    assert_eq!(recorded("= 'member'"), ["permanent", "permanent"]);
    assert_eq!(site.json(&["member", "ls", LIST]).len(), 1, "nobody was removed");
    assert_eq!(site.outbox().len(), 1, "nothing was answered");
}
