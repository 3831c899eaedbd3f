//! The Debian package on a clean system, where no systemd runs: from its installation to its purge.

use crate::debian_root::{Gate, Root};
use crate::support::{Outbox, until};
use crate::{said, scratch, stage};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use xtask::packages::deb;

const DATA: &str = "/var/lib/listgate";
const BACKUPS: &str = "/var/backups/listgate";
const CONFIGURATION: &str = "/etc/listgate/listgate.toml";
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/listgate.service";

fn package(version: &str) -> PathBuf {
    let tree = stage("installed", version);
    deb::build(&tree, &scratch("installed")).unwrap()
}

/// Has the gate listen where no other program does, and put what it sends into a folder.
fn configure(root: &Root) {
    let file = root.path(CONFIGURATION);
    let text = fs::read_to_string(&file).unwrap();
    let changed = text
        .replace("listen = [\"127.0.0.1:8024\"]", "listen = [\"unix:/var/lib/listgate/lmtp\"]")
        .replace("to = \"smtp:127.0.0.1:25\"", "to = \"dir:/var/lib/listgate/outbox\"");
    assert_ne!(text, changed);
    fs::write(file, changed).unwrap();
}

fn listgate(root: &Root, arguments: &[&str]) -> String {
    said(root.listgate().args(arguments))
}

/// Sends a post to the list, and waits until Bob's copy is in the outbox.
fn post(root: &Root, number: usize) {
    let mut send = root.listgate();
    send.args(["send", "--from", "bob@example.net", "--to", "mylist@example.com"]);
    let mut child = send.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let post = format!(
        "From: bob@example.net\nTo: mylist@example.com\nMessage-ID: <{number}@example.org>\n\nHello\n"
    );
    child.stdin.take().unwrap().write_all(post.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let reply = String::from_utf8(output.stdout).unwrap();
    assert!(reply.contains("250 2.0.0 Ok: queued"), "{reply}");
    let copies = Outbox::new(root.path(DATA).join("outbox")).wait(number);
    assert_eq!(copies[number - 1].recipients, ["bob@example.net"]);
}

fn start(root: &Root) -> Gate {
    let _ = fs::remove_file(root.path(DATA).join("lmtp"));
    let gate = Gate::start(root);
    until("the gate listens", || root.has("/var/lib/listgate/lmtp"));
    gate
}

#[test]
#[ignore = "needs dpkg-deb, debian"]
fn the_debian_package_from_its_installation_to_its_purge() {
    let (older, newer) = (package("0.0.1"), package("0.1.0"));
    let root = Root::copy(&scratch("installed").join("root"));

    // What was never used leaves nothing but the user.
    root.install(&older);
    assert_eq!(root.owner(DATA), "listgate:listgate 750");
    root.run("dpkg", &["--purge", "listgate"]);
    assert!(!root.has(DATA) && !root.has(BACKUPS) && !root.has("/etc/listgate") && !root.has(ENABLED));

    root.install(&older);
    assert_eq!(root.run("dpkg", &["--verify", "listgate"]), "");
    assert_eq!(root.owner(DATA), "listgate:listgate 750");
    assert_eq!(root.owner(BACKUPS), "listgate:listgate 700");
    assert_eq!(root.owner(CONFIGURATION), "root:root 644");
    assert!(root.has(ENABLED), "the service starts with the system");
    let checked = listgate(&root, &["config", "check"]);
    assert!(checked.contains("data_dir = \"/var/lib/listgate\""), "{checked}");

    configure(&root);
    let gate = start(&root);
    listgate(&root, &["list", "create", "mylist@example.com", "--owner", "anne@example.org"]);
    listgate(&root, &["member", "add", "mylist@example.com", "bob@example.net"]);
    post(&root, 1);
    gate.stop();

    let configured = fs::read(root.path(CONFIGURATION)).unwrap();
    let upgraded = root.install(&newer);
    assert!(upgraded.contains("(0.1.0-1) over (0.0.1-1)"), "{upgraded}");
    assert!(configured == fs::read(root.path(CONFIGURATION)).unwrap());
    let gate = start(&root);
    assert!(listgate(&root, &["member", "ls", "mylist@example.com"]).contains("bob@example.net"));
    post(&root, 2);
    gate.stop();

    root.run("dpkg", &["--remove", "listgate"]);
    assert!(!root.has("/usr/bin/listgate") && root.has(CONFIGURATION) && root.has(DATA));

    let purged = root.run("dpkg", &["--purge", "listgate"]);
    assert!(purged.contains("/var/lib/listgate stays, with lists and mail"), "{purged}");
    assert!(!root.has("/etc/listgate") && !root.has(ENABLED));
    assert!(root.has("/var/lib/listgate/listgate.db"));
    assert_eq!(root.owner(DATA), "listgate:listgate 750");

    // A later installation goes on with what was left.
    root.install(&newer);
    assert!(listgate(&root, &["list", "ls"]).contains("mylist@example.com"));
}
