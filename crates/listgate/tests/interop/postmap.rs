//! Postfix's own tool for looking up keys, on our maps.

use crate::support::{Site, socketmap, tcp};
use listgate::{Config, Gate};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `postmap -q KEY` for one key, or for those on standard input if the key is `-`.
fn postmap(gate: &Gate, map: &str, key: &str, keys: &str) -> Output {
    let table = format!("socketmap:inet:{}:{map}", socketmap(gate));
    let mut command = Command::new("/usr/sbin/postmap");
    command.args(["-q", key, &table]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns what it prints, and its exit code: 0 if the key is found, 1 if not. It must not warn of anything.
fn query(gate: &Gate, map: &str, key: &str) -> (String, i32) {
    let Output { status, stdout, stderr } = postmap(gate, map, key, "");
    assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    (String::from_utf8(stdout).unwrap().trim_end().to_owned(), status.code().unwrap())
}

fn gate(site: &Site) -> Gate {
    let postmaster = Some("mylist@example.com".parse().unwrap());
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    site.gate(Config { postmaster, socketmap: listen, ..site.config() })
}

#[test]
#[ignore = "needs postfix"]
fn every_form_of_an_address_is_found_and_no_other() {
    let site = Site::with_list();
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let gate = gate(&site);
    let forms = [
        "mylist",
        "mylist-owner",
        "mylist-bounces",
        "mylist-request",
        "mylist-confirm",
        "mylist-join",
        "mylist-subscribe",
        "mylist-leave",
        "mylist-unsubscribe",
        "mylist+detail",
        "mylist-confirm+token",
        "mylist-bounces+anne=example.org",
        "MyList-JOIN",
        "postmaster",
    ];
    let strangers = ["nobody", "mylist-admin", "mylist-", "join", "mylist-join-join", "mylist bogus"];
    let all = ["example.com", "alias.example"].map(|domain| {
        let whole = |name: &&str| format!("{name}@{domain}");
        (forms.iter().map(whole).collect::<Vec<_>>(), strangers.iter().map(whole).collect::<Vec<_>>())
    });
    let transport = format!("lmtp:inet:[127.0.0.1]:{}", tcp(&gate).port());
    for (map, value) in [("recipients", "OK"), ("transport", &transport)] {
        for (known, unknown) in &all {
            let keys = [known.join("\n"), unknown.join("\n"), "mylist@example.org\n".to_owned()].join("\n");
            let stdout = String::from_utf8(postmap(&gate, map, "-", &keys).stdout).unwrap();
            let expected: String = known.iter().map(|key| format!("{key}\t{value}\n")).collect();
            assert_eq!(stdout, expected);
        }
    }
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs postfix"]
fn acceptance_refusal_and_temporary_failure_are_distinguished() {
    let site = Site::with_list();
    let gate = gate(&site);
    assert_eq!(query(&gate, "recipients", "mylist-join@example.com"), ("OK".to_owned(), 0));
    assert_eq!(query(&gate, "domains", "example.com"), ("example.com".to_owned(), 0));
    for (map, key) in [
        ("recipients", "nobody@example.com"),
        ("recipients", "mylist"),
        ("recipients", "@example.com"),
        ("transport", "nobody@example.com"),
        ("transport", "example.com"),
        ("transport", "*"),
        ("domains", "example.org"),
        ("domains", ".example.com"),
    ] {
        assert_eq!(query(&gate, map, key), (String::new(), 1), "{map} {key}");
    }
    site.stdout(&["list", "pause", "mylist@example.com"]);
    let Output { status, stdout, stderr } = postmap(&gate, "recipients", "mylist@example.com", "");
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stdout.is_empty());
    assert!(text.contains("temporary error: 450 4.2.1 The list is paused"), "{text}");
    let stderr = String::from_utf8(postmap(&gate, "aliases", "mylist@example.com", "").stderr).unwrap();
    assert!(stderr.contains("permanent error: no such map"), "{stderr}");
    gate.stop().unwrap();
}
