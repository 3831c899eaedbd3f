//! `listgate key`: the keys that sign tokens, and what tokens do after a rotation, while the gate runs.

use crate::support::{Server, Site, Transaction, until};
use std::io::Write;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

const LIST: &str = "mylist@example.com";
const ANNE: &str = "anne@example.org";
const BOB: &str = "bob@example.org";

/// Sends a mail by LMTP.
fn send(server: &Server, from: &str, to: &str, fields: &str) {
    let mut peer = server.peer();
    peer.command("LHLO x");
    let mail = format!("From: {from}\r\n{fields}\r\n");
    assert_eq!(&peer.deliver(from, &[to], mail)[0][..3], "250", "{to}");
}

/// Waits for the next mail to a person, and returns its text and the address with a token that stands in it.
fn next(site: &Site, to: &str, count: usize) -> (String, String) {
    let to_them = || -> Vec<Transaction> {
        site.outbox().transactions().into_iter().filter(|mail| mail.recipients == [to]).collect()
    };
    until("the mail leaves", || to_them().len() >= count);
    let all = to_them();
    assert_eq!(all.len(), count, "no more than expected");
    let text = String::from_utf8(all[count - 1].message.clone()).unwrap();
    let is_between = |c: char| c.is_whitespace() || "<>,:".contains(c);
    let found = text.split(is_between).find(|word| word.contains('+') && word.contains('@'));
    let address = found.unwrap_or_else(|| panic!("it has no address with a token: {text}")).to_owned();
    (text, address)
}

/// Returns the fields of a reply to a mail.
fn reply_to(mail: &str) -> String {
    let (_, id) = mail.split_once("\r\nMessage-ID: ").unwrap();
    format!("In-Reply-To: {}\r\n", id.split_once("\r\n").unwrap().0)
}

/// Runs a command whose questions get this answer.
fn answered(site: &Site, args: &[&str], answer: &str) -> (Output, String) {
    let mut command = site.command();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let asked = String::from_utf8(output.stderr.clone()).unwrap();
    (output, asked)
}

/// Returns the numbers of the keys, the one that signs first.
fn keys(site: &Site) -> Vec<i64> {
    let keys = site.json(&["key", "ls"]);
    for (at, key) in keys.iter().enumerate() {
        assert_eq!((key["signs"] == true, key["replaced_at"].is_null()), (at == 0, at == 0), "{key}");
        assert_eq!(key.as_object().unwrap().len(), 4, "the secret is not shown: {key}");
    }
    keys.iter().map(|key| key["number"].as_i64().unwrap()).collect()
}

fn members(site: &Site) -> Vec<String> {
    let members = site.json(&["member", "ls", LIST]);
    members.iter().map(|member| member["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tokens_of_a_key_work_until_it_ends_and_then_leaving_is_confirmed() {
    let site = Site::with_list();
    let refused = site.listgate(&["key", "rotate"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("has no key yet: start `listgate serve`"));
    let server = site.distribute(&[]);
    assert_eq!(keys(&site), [1]);
    for person in [ANNE, BOB] {
        send(&server, person, "mylist-join@example.com", "");
    }
    let [anne_asked, bob_asked] = [ANNE, BOB].map(|person| next(&site, person, 1));
    // A reply that comes sooner after the hand-over counts as one that a program has sent.
    site.until_all_is_sent();
    thread::sleep(Duration::from_millis(5_200));
    send(&server, BOB, &bob_asked.1, &reply_to(&bob_asked.0));
    let (_, bob_leaves) = next(&site, BOB, 2);

    // A token of the old key, and then one of the new.
    assert_eq!(site.stdout(&["key", "rotate"]), "key 2 signs from now on; still valid: 1\n");
    send(&server, ANNE, &anne_asked.1, &reply_to(&anne_asked.0));
    let (_, anne_leaves) = next(&site, ANNE, 2);
    assert_eq!(members(&site), [BOB, ANNE]);
    let first_of_token = |address: &str| address.split_once('+').unwrap().1.chars().next();
    assert_ne!(first_of_token(&anne_leaves), first_of_token(&bob_leaves), "the gate signs with the new key");
    send(&server, "eve@example.net", &anne_leaves, "");
    next(&site, ANNE, 3);
    assert_eq!(members(&site), [BOB]);

    // The fourth rotation ends the key of bob's token.
    site.stdout(&["key", "rotate"]);
    site.stdout(&["key", "rotate"]);
    assert_eq!(keys(&site), [4, 3, 2, 1]);
    for answer in ["", "no\n", "yes please\n"] {
        let (output, asked) = answered(&site, &["key", "rotate"], answer);
        assert_eq!(output.status.code(), Some(1), "{asked}");
        assert!(asked.contains("After this, key 1 is not valid; it signed from "), "{asked}");
        assert!(asked.contains("1 member may have a leave address of that time"), "{asked}");
        assert!(asked.contains("Mail of the last days is affected too"), "{asked}");
        assert!(asked.contains("the key was not changed"), "{asked}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(keys(&site), [4, 3, 2, 1]);
    assert_eq!(site.stdout(&["key", "rotate", "--yes"]), "key 5 signs from now on; still valid: 4, 3, 2\n");
    send(&server, BOB, &bob_leaves, "");
    let (question, _) = next(&site, BOB, 3);
    assert!(question.contains("Subject: Please confirm that you want to leave"), "{question}");
    assert_eq!(members(&site), [BOB]);

    let (output, asked) = answered(&site, &["key", "rotate", "--end-all"], "Yes\n");
    assert!(output.status.success(), "{asked}");
    for key in [5, 4, 3, 2] {
        assert!(asked.contains(&format!("After this, key {key} is not valid")), "{asked}");
    }
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "key 6 signs from now on, and no other key is valid\n");
    assert_eq!(keys(&site), [6]);
    let shown = site.stdout(&["key", "ls"]);
    assert!(shown.starts_with("6     signs since 2") && shown.ends_with(" ago)\n"), "{shown}");
}
