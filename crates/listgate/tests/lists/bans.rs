//! `listgate ban`: addresses that may not join.

use crate::support::Site;
use std::fs;

const LIST: &str = "mylist@example.com";

fn patterns(site: &Site, scope: &str) -> Vec<String> {
    let bans = site.json(&["ban", "ls", scope]);
    bans.iter().map(|ban| ban["pattern"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn bans_are_added_listed_and_removed() {
    let site = Site::with_list();
    let added = site.stdout(&["ban", "add", LIST, "Anne@Example.org", "@B\u{fc}cher.example", "^spam.*@"]);
    assert_eq!(added, "anne@example.org is banned\n@xn--bcher-kva.example is banned\n^spam.*@ is banned\n");
    assert_eq!(site.stdout(&["ban", "add", LIST, "^spam.*@"]), "^spam.*@ is banned already\n");
    site.stdout(&["ban", "add", "site", "bob@example.org"]);
    assert_eq!(patterns(&site, LIST), ["@xn--bcher-kva.example", "^spam.*@", "anne@example.org"]);
    assert_eq!(site.stdout(&["ban", "ls", "site"]), "bob@example.org\n");
    let removed = site.stdout(&["ban", "remove", LIST, "ANNE@example.org"]);
    assert_eq!(removed, "anne@example.org is no longer banned\n");
    assert_eq!(patterns(&site, LIST), ["@xn--bcher-kva.example", "^spam.*@"]);
    site.stdout(&["list", "remove", LIST]);
    site.create(LIST);
    assert!(patterns(&site, LIST).is_empty(), "it is another list");
}

#[test]
fn a_banned_address_joins_neither_one_by_one_nor_by_import() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "spam-old@example.org"]);
    site.stdout(&["ban", "add", LIST, "^spam"]);
    site.stdout(&["ban", "add", "site", "@example.net"]);
    for (address, pattern) in [("Spammer@example.org", "^spam"), ("anne@Example.NET", "@example.net")] {
        let output = site.listgate(&["member", "add", LIST, "carl@example.org", address]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr.contains(&format!("{address} is banned by {pattern}; `listgate ban remove`")),
            "{stderr}"
        );
    }
    let file = site.data().join("members");
    fs::write(&file, "spam@example.org\ncarl@example.org\nanne@example.net\n").unwrap();
    let output = site.listgate(&["member", "import", LIST, file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("line 1: refused: spam@example.org: it is banned by ^spam\n"), "{stderr}");
    assert!(stderr.contains("line 3: refused: anne@example.net: it is banned by @example.net\n"), "{stderr}");
    assert_eq!(site.json(&["member", "ls", LIST]).len(), 2, "a member that was there stays");
}

#[test]
fn wrong_patterns_are_refused_with_the_right_form() {
    let site = Site::with_list();
    for (args, code, part) in [
        (&["ban", "add", LIST, "anne"][..], 2, "a domain such as @example.org"),
        (&["ban", "add", LIST, "^("], 2, "the regular expression is not valid"),
        (&["ban", "add", "everywhere", "^spam"], 2, "write an address such as mylist@example.com"),
        (&["ban", "ls", "no@example.com"], 1, "no@example.com does not exist"),
        (&["ban", "remove", LIST, "^spam"], 1, "^spam is not banned here; `listgate ban ls`"),
    ] {
        let output = site.listgate(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}
