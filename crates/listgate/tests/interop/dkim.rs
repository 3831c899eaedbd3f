//! dkimpy signs messages, and verifies the copies that the members get. A signature stays valid unless it covers a field
//! that the list removes, replaces or adds.

use crate::support::{Peer, Site, installed, stuffed};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the script with dkimpy's Python, and returns what it prints.
fn signatures(what: &str, folder: &Path) -> String {
    let mut python = Command::new(installed("LISTGATE_DKIMPY", "dkimpy").join("bin/python"));
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/signatures.py"));
    let output = python.arg(what).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Distributes signed messages, in bulk or as copies of their own, and checks each signature.
fn distribute(personal: &str) {
    let site = Site::new();
    site.stdout(&["list", "create", "mylist@example.com", "--owner", "olga@example.org"]);
    site.stdout(&["member", "add", "mylist@example.com", "anne@example.org"]);
    site.stdout(&["list", "set", "mylist@example.com", &format!("personal={personal}")]);
    let signed = tempfile::tempdir().unwrap();
    signatures("sign", signed.path());
    let before = signatures("verify", signed.path());
    assert!(before.lines().all(|line| line.ends_with(" valid")), "{before}");
    let server = site.distribute(&[]);
    let mut peer = Peer::greeted(server.address);
    for file in fs::read_dir(signed.path()).unwrap() {
        let message = fs::read(file.unwrap().path()).unwrap();
        let replies = peer.deliver("anne@example.org", &["mylist@example.com"], stuffed(&message));
        assert!(replies[0].starts_with("250"), "{replies:?}");
    }
    site.outbox().wait(before.lines().count());
    let after = signatures("verify", &site.data().join("outbox"));
    assert_eq!(after.lines().count(), before.lines().count());
    let expected = |line: &str| match line.split('-').next() {
        Some("kept") => line.ends_with(" valid"),
        Some("lost") => line.ends_with(" invalid"),
        _ => false,
    };
    let wrong: Vec<&str> = after.lines().filter(|line| !expected(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let kept = after.lines().filter(|line| line.starts_with("kept")).count();
    assert!(kept >= 200, "{kept} signatures");
}

#[test]
#[ignore = "needs dkimpy"]
fn signatures_of_authors_stay_valid_in_copies_for_many() {
    distribute("never");
}

#[test]
#[ignore = "needs dkimpy"]
fn signatures_of_authors_stay_valid_in_copies_for_one() {
    distribute("always");
}
