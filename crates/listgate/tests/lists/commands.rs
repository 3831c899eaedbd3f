//! `listgate list` and `listgate domain`: what they print, and what they refuse.

use crate::support::{OWNER, Peer, Site, tcp};
use std::process::Command;

/// Returns the exit code and the error message of a failing command.
fn refused(site: &Site, args: &[&str]) -> (Option<i32>, String) {
    let output = site.listgate(args);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn assert_refused(site: &Site, args: &[&str], parts: &[&str]) {
    let (code, stderr) = refused(site, args);
    assert_eq!(code, Some(1), "{args:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?}: {part:?} is not in {stderr}");
    }
}

#[test]
fn lists_are_created_shown_renamed_and_removed() {
    let site = Site::new();
    let created = site.stdout(&["list", "create", "MyList@Example.com", "--owner", OWNER]);
    assert!(created.starts_with("created mylist@example.com (list_id mylist.example.com)\n"), "{created}");
    let shadow = site.stdout(&["list", "create", "mylist-join@example.com", "--owner", OWNER]);
    assert!(shadow.contains("no longer the -join address of mylist@example.com"), "{shadow}");
    assert_eq!(site.json(&["list", "ls"]).len(), 2);
    let renamed = site.stdout(&["list", "rename", "mylist@example.com", "news@example.net"]);
    assert!(renamed.contains("list_id mylist.example.com stays"), "{renamed}");
    let shown = &site.json(&["list", "show", "news@example.net"])[0];
    assert_eq!(shown["list_id"], "mylist.example.com");
    let domains = site.json(&["domain", "ls"]);
    assert_eq!(domains.iter().map(|domain| domain["lists"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn removing_a_list_reports_how_many_entries_stay() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    Peer::greeted(tcp(&gate)).deliver(
        "",
        &["mylist@example.com", "mylist-owner@example.com"],
        "a: b\r\n\r\n",
    );
    let stdout = site.stdout(&["list", "remove", "mylist@example.com"]);
    assert_eq!(stdout, "removed mylist@example.com; 2 of its entries stay in their queues\n");
    assert_eq!(site.ids("in").len(), 2);
}

#[test]
fn impossible_changes_are_refused_with_the_fix() {
    let site = Site::with_list();
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    site.create("a.b@example.com");
    for (args, parts) in [
        (
            &["list", "remove", "nolist@example.com"][..],
            &["the list nolist@example.com does not exist", "listgate list ls"][..],
        ),
        (&["list", "rename", "mylist@example.com", "a.b@example.com"], &["exists already"]),
        (&["list", "rename", "mylist@example.com", "x+y@example.com"], &["could never be reached"]),
        (&["list", "show", "nolist@example.com"], &["the list nolist@example.com does not exist"]),
        (
            &["domain", "add", "x.example", "--alias-of", "y.example"],
            &["the domain y.example does not exist", "domain add y.example"],
        ),
        (&["domain", "add", "x.example", "--alias-of", "alias.example"], &["itself an alias", "example.com"]),
        (&["domain", "add", "example.com", "--alias-of", "alias.example"], &["itself an alias"]),
        (&["domain", "add", "alias.example"], &["is an alias of example.com", "domain remove"]),
        (&["domain", "remove", "example.com"], &["has lists or aliases"]),
        (&["domain", "remove", "nowhere.example"], &["the domain nowhere.example does not exist"]),
        (&["queue", "show", "ff-1"], &["the entry ff-1 does not exist", "queue ls"]),
        (&["queue", "remove", "ff-1"], &["the entry ff-1 does not exist"]),
    ] {
        assert_refused(&site, args, parts);
    }
    for args in [
        &["list", "create", "mylist"][..],
        &["list", "create", "my list@example.com"],
        &["list", "create", "a@[127.0.0.1]"],
        &["domain", "add", "-.example"],
        &["queue", "ls", "out"],
        &["queue", "show", "x"],
        &["frobnicate"],
    ] {
        assert_eq!(refused(&site, args).0, Some(2), "{args:?}");
    }
    let output = site.listgate(&["list", "create", "my list@example.com"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("a space or another character that needs quotes before the @"), "{stderr}");
    let stderr = String::from_utf8(site.listgate(&["serve", "--port", "8024"]).stderr).unwrap();
    assert!(stderr.contains("`--listen 127.0.0.1:8024`"), "{stderr}");
    let stderr = String::from_utf8(site.listgate(&["serve", "-v"]).stderr).unwrap();
    assert!(stderr.contains("-V prints the version") && stderr.contains("'-v'"), "{stderr}");
    assert_eq!(site.json(&["list", "ls"]).len(), 2);
}

#[test]
fn lists_that_cannot_be_created_are_refused_with_the_fix() {
    let site = Site::with_list();
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    site.create("a.b@example.com");
    for (addresses, parts) in [
        (&["mylist@example.com"][..], &["mylist@example.com exists already"][..]),
        (&["n@example.com", "N@example.com"], &["n@example.com is named twice", "nothing"]),
        (&["c++@example.com"], &["could never be reached", "without it"]),
        (&["a@b.example.com"], &["list_id a.b.example.com", "a.b@example.com has it"]),
        (&["x@alias.example"], &["alias domain", "name the list x@example.com"]),
        // It creates all lists or none.
        (&["one@example.com", "mylist@example.com"], &["exists already"]),
    ] {
        assert_refused(&site, &[&["list", "create", "--owner", OWNER], addresses].concat(), parts);
    }
    assert_eq!(site.json(&["list", "ls"]).len(), 2);
}

#[test]
fn reading_commands_create_no_data_directory() {
    let site = Site::new();
    let elsewhere = site.data().join("typo");
    let elsewhere = elsewhere.to_str().unwrap();
    assert_refused(
        &site,
        &["--data-dir", elsewhere, "queue", "ls"],
        &["typo", "--data-dir", "listgate serve"],
    );
    assert!(!std::path::Path::new(elsewhere).exists());
}

/// In the wrong directory, it would create a list that no gate knows.
#[test]
fn a_new_data_directory_is_noted_when_a_list_or_domain_is_created() {
    for create in
        [&["list", "create", "mylist@example.com", "--owner", OWNER][..], &["domain", "add", "example.com"]]
    {
        let site = Site::new();
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_listgate"));
            command.args(create).env_remove("LISTGATE_DATA_DIR").current_dir(site.data());
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let path = site.data().canonicalize().unwrap().join("var");
        let note = format!("note: the data directory {} is new, and no gate runs on it\n", path.display());
        let stdout = run();
        assert!(stdout.ends_with(&note), "{stdout}");
        assert!(!run().contains("is new"));
    }
    let site = Site::new();
    let gate = site.gate(site.config());
    assert!(!site.stdout(&["list", "create", "mylist@example.com", "--owner", OWNER]).contains("is new"));
    gate.stop().unwrap();
}

#[test]
fn an_existing_domain_is_not_reported_as_added() {
    let site = Site::new();
    let add = |args: &[&str]| site.stdout(&[&["domain", "add"], args].concat());
    assert!(add(&["example.com"]).starts_with("added example.com\n"));
    assert_eq!(add(&["example.com"]), "example.com exists already\n");
    let alias = ["alias.example", "--alias-of", "example.com"];
    assert_eq!(add(&alias), "alias.example is an alias of example.com\n");
    assert_eq!(add(&alias), "alias.example is an alias of example.com already\n");
    assert_eq!(site.json(&["domain", "ls"]).len(), 2);
}

/// Other list servers use these words.
#[test]
fn add_and_delete_are_accepted_too() {
    let site = Site::new();
    site.stdout(&["list", "add", "mylist@example.com", "--owner", OWNER]);
    site.stdout(&["list", "delete", "mylist@example.com"]);
    site.stdout(&["domain", "delete", "example.com"]);
    assert!(site.json(&["domain", "ls"]).is_empty());
}

#[test]
fn a_subaddress_that_is_another_list_is_shown_as_such() {
    let site = Site::with_list();
    site.create("mylist-join@example.com");
    let shown = site.stdout(&["list", "show", "mylist@example.com"]);
    assert!(shown.contains(" mylist-join@example.com is another list\n"), "{shown}");
    assert!(shown.contains(" mylist-leave@example.com\n"), "{shown}");
}
