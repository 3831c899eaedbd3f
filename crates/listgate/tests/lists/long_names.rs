//! Joining, leaving and coming back with the addresses that are in the mail of lists with long names.

use crate::support::{Peer, Server, Site, Transaction};
use std::thread;
use std::time::Duration;

const NAME: &str = "the-association-of-very-long-names-and-even-longer-addresses";

/// The names of 29, 30 and 60 characters.
const NAMES: [&str; 3] = [NAME.split_at(29).0, NAME.split_at(30).0, NAME];

const ANNE: &str = "anne@example.org";

/// Returns the address with a token that stands in the text of a mail or its Reply-To.
fn token_address(mail: &Transaction) -> String {
    let text = String::from_utf8(mail.message.clone()).unwrap();
    assert!(!text.contains("=\r\n"), "its lines are whole: {text}");
    let is_between = |c: char| c.is_whitespace() || "<>,:".contains(c);
    let found = text.split(is_between).find(|word| word.contains('+') && word.contains('@'));
    found.unwrap_or_else(|| panic!("it has no address with a token: {text}")).to_owned()
}

/// Checks that an address fits what mail servers take, and is found.
fn check(site: &Site, address: &str, role: &str) {
    let (local, _) = address.trim_matches(['<', '>']).split_once('@').unwrap();
    assert!(local.len() <= 64, "{address}");
    let checked = &site.json(&["check", address])[0];
    assert_eq!(checked["role"], role, "{checked}");
    assert_eq!(checked["detail"].as_str().unwrap().len(), 26, "{checked}");
}

/// Sends a mail to an address, by LMTP.
fn send(server: &Server, to: &str, fields: &str) {
    let mut peer: Peer = server.peer();
    peer.command("LHLO x");
    let mail = format!("From: {ANNE}\r\n{fields}Message-ID: <1@example.org>\r\n\r\n");
    assert_eq!(&peer.deliver(ANNE, &[to], mail)[0][..3], "250", "{to}");
}

/// Waits until each list has sent one more mail to anne, and returns the last of each.
fn next(site: &Site, turn: usize, role: &str) -> Vec<(Transaction, String)> {
    let all = site.outbox().wait(turn * NAMES.len());
    let last = |name: &&str| {
        let list_id = format!("{name}.example.com");
        all.iter().rfind(|mail| mail.list_id == list_id).unwrap().clone()
    };
    let last = NAMES.iter().map(last);
    last.map(|mail| {
        assert_eq!(mail.recipients, [ANNE]);
        check(site, &mail.mail_from, "bounces");
        let address = token_address(&mail);
        check(site, &address, role);
        (mail, address)
    })
    .collect()
}

/// Answers each mail as a person does, later than a program.
fn reply(site: &Site, server: &Server, mails: &[(Transaction, String)]) {
    // The time counts from when the hand-over was stored.
    site.until_all_is_sent();
    thread::sleep(Duration::from_millis(5_200));
    for (mail, address) in mails {
        let text = String::from_utf8(mail.message.clone()).unwrap();
        let (_, id) = text.split_once("\r\nMessage-ID: ").unwrap();
        let id = id.split_once("\r\n").unwrap().0;
        send(server, address, &format!("In-Reply-To: {id}\r\n"));
    }
}

fn members(site: &Site) -> usize {
    NAMES.iter().map(|name| site.json(&["member", "ls", &format!("{name}@example.com")]).len()).sum()
}

#[test]
fn the_addresses_in_all_mail_of_a_list_with_a_long_name_work() {
    let site = Site::new();
    for name in NAMES {
        site.create(&format!("{name}@example.com"));
    }
    let none = members(&site);
    let server = site.distribute(&[]);
    for name in NAMES {
        assert!([29, 30, 60].contains(&name.len()));
        send(&server, &format!("{name}-join@example.com"), "");
    }
    reply(&site, &server, &next(&site, 1, "confirm"));
    let welcomes = next(&site, 2, "leave");
    assert_eq!(members(&site), none + NAMES.len());
    for (_, address) in &welcomes {
        send(&server, address, "");
    }
    let goodbyes = next(&site, 3, "confirm");
    assert_eq!(members(&site), none);
    reply(&site, &server, &goodbyes);
    next(&site, 4, "leave");
    assert_eq!(members(&site), none + NAMES.len());
}
