//! `listgate member`: members of lists are added, shown, changed and removed.

use crate::support::{OWNER, Site};
use rusqlite::Connection;
use std::time::{Duration, Instant};

const LIST: &str = "mylist@example.com";

fn addresses(site: &Site, args: &[&str]) -> Vec<String> {
    let members = site.json(&[&["member", "ls", LIST], args].concat());
    members.iter().map(|member| member["address"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_refused(site: &Site, args: &[&str], code: i32, parts: &[&str]) {
    let output = site.listgate(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?}: {part:?} is not in {stderr}");
    }
}

#[test]
fn members_are_added_listed_shown_and_removed() {
    let site = Site::with_list();
    let added = site.stdout(&["member", "add", LIST, "Anne@Example.ORG", "Bob B <bob@example.org>"]);
    assert_eq!(
        added,
        "Anne@Example.ORG is a member of mylist@example.com\nbob@example.org is a member of mylist@example.com\n"
    );
    let again = site.stdout(&["member", "add", LIST, "anne@example.org"]);
    assert_eq!(again, "anne@example.org is a member of mylist@example.com already\n");
    assert_eq!(addresses(&site, &[]), ["Anne@Example.ORG", "bob@example.org"]);
    let listed = site.stdout(&["member", "ls", LIST]);
    assert_eq!(listed, format!("Anne@Example.ORG\n{:<40} Bob B\n", "bob@example.org"), "it fits 80 columns");
    let shown = site.stdout(&["member", "show", LIST, "bob@example.org"]);
    assert!(
        shown.starts_with("address    bob@example.org\nrole       member\nname       Bob B\njoined "),
        "{shown}"
    );
    assert!(shown.ends_with("verified   no\ndelivery   on\nown_posts  yes\nhidden     no\n"), "{shown}");
    let removed = site.stdout(&["member", "remove", LIST, "ANNE@example.org"]);
    assert_eq!(removed, "ANNE@example.org is no longer a member of mylist@example.com\n");
    assert_eq!(addresses(&site, &[]), ["bob@example.org"]);
}

#[test]
fn an_address_has_several_roles() {
    let site = Site::with_list();
    for role in ["member", "owner", "moderator", "nonmember"] {
        site.stdout(&["member", "add", LIST, "anne@example.org", "--role", role]);
    }
    site.stdout(&["member", "add", LIST, "bob@example.org", "--role", "owner", "--name", "Bob B"]);
    assert_eq!(addresses(&site, &[]), ["anne@example.org"]);
    assert_eq!(addresses(&site, &["--role", "owner"]), [OWNER, "anne@example.org", "bob@example.org"]);
    assert_eq!(site.json(&["member", "show", LIST, "anne@example.org"]).len(), 4);
    let list = site.stdout(&["list", "show", LIST]);
    assert!(list.contains("\nmembers  1 member, 3 owners, 1 moderator, 1 nonmember\n"), "{list}");
    let list = &site.json(&["list", "show", LIST])[0];
    assert_eq!((list["members"].as_u64(), list["owners"].as_u64()), (Some(1), Some(3)));
    site.stdout(&["member", "remove", LIST, "anne@example.org", "--role", "owner"]);
    assert_eq!(addresses(&site, &["--role", "owner"]), [OWNER, "bob@example.org"]);
    assert_eq!(addresses(&site, &[]), ["anne@example.org"]);
}

#[test]
fn settings_of_a_member_are_changed() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "anne@example.org"]);
    let set = |changes: &[&str]| {
        site.stdout(&[&["member", "set", LIST, "anne@example.org"], changes].concat());
        site.json(&["member", "show", LIST, "anne@example.org"]).remove(0)
    };
    let anne = set(&["delivery=off", "own_posts=no", "hidden=yes", "name=Anne Person", "verified=yes"]);
    assert_eq!((&anne["delivery"], &anne["off_by"]), (&"off".into(), &"moderator".into()));
    assert_eq!((&anne["own_posts"], &anne["hidden"]), (&false.into(), &true.into()));
    assert_eq!(anne["name"], "Anne Person");
    assert!(anne["verified_at"].is_string());
    let listed = site.stdout(&["member", "ls", LIST]);
    assert_eq!(listed, format!("{:<40} {:<24} off (moderator)\n", "anne@example.org", "Anne Person"));
    let anne = set(&["delivery=off until 2099-12-24", "name=", "verified=no"]);
    assert_eq!(anne["off_until"], "2099-12-24T00:00:00.000Z");
    assert!(anne["name"].is_null() && anne["verified_at"].is_null());
    assert_eq!(set(&["delivery=on"])["delivery"], "on");
}

#[test]
fn a_list_is_created_with_its_owners() {
    let site = Site::new();
    let owners = ["--owner", "Anne Person <anne@example.org>", "--owner", "bob@example.org"];
    site.stdout(&[&["list", "create", LIST], &owners[..]].concat());
    assert_eq!(addresses(&site, &["--role", "owner"]), ["anne@example.org", "bob@example.org"]);
    assert_refused(
        &site,
        &["list", "create", "x@example.com", "--owner", "x@example.com"],
        1,
        &["the list itself"],
    );
    assert_eq!(site.json(&["list", "ls"]).len(), 1, "nothing was created");
}

#[test]
fn wrong_use_is_refused_with_the_fix() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "anne@example.org"]);
    let two = ["anne@example.org", "bob@example.org"];
    for (args, parts) in [
        (&["member", "add", "no@example.com", two[0]][..], &["no@example.com does not exist", "list ls"][..]),
        (&["member", "ls", "no@example.com"], &["no@example.com does not exist"]),
        (&["member", "add", LIST, "MyList@example.com"], &["is the list itself"]),
        (&["member", "remove", LIST, two[0], two[1]], &["bob@example.org is not a member", "member ls"]),
        (&["member", "show", LIST, two[1]], &["bob@example.org is not a member of mylist@example.com"]),
        (
            &["member", "set", LIST, two[0], "hidden=yes", "--role", "owner"],
            &["is not an owner", "--role owner"],
        ),
        (&["member", "set", LIST, two[0], "delivery=off until 2020-01-01"], &["in the future"]),
        (&["member", "add", LIST, two[0], two[1], "--name", "X"], &["--name fits one address"]),
    ] {
        assert_refused(&site, args, 1, parts);
    }
    for (args, parts) in [
        (&["member", "add", LIST, "anne"][..], &["write an address such as anne@example.com"][..]),
        (&["member", "add", LIST, two[0], "--role", "boss"], &["member, owner, moderator and nonmember"]),
        (&["member", "set", LIST, two[0], "digest=on"], &["the keys are delivery, own_posts"]),
    ] {
        assert_refused(&site, args, 2, parts);
    }
    assert_eq!(addresses(&site, &[]), ["anne@example.org"], "all were refused as a whole");
}

#[test]
fn members_and_tokens_of_a_mailman_site_are_mailmans_own() {
    let site = Site::new();
    let cfg = site.data().join("mailman.cfg");
    std::fs::write(&cfg, format!("[paths.here]\nvar_dir: {}\n", site.data().display())).unwrap();
    std::fs::create_dir(site.data().join("data")).unwrap();
    Connection::open(site.data().join("data/mailman.db")).unwrap().execute_batch("VACUUM").unwrap();
    let args = ["--mailman", cfg.to_str().unwrap(), "member", "ls", LIST];
    assert_refused(&site, &args, 1, &["of a Mailman site are Mailman's own", "mailman addmembers"]);
    for action in [&["ls"][..], &["rotate", "--yes"]] {
        let args = [&["--mailman", cfg.to_str().unwrap(), "key"], action].concat();
        assert_refused(
            &site,
            &args,
            1,
            &["the tokens of a Mailman site are Mailman's own: no key of Listgate"],
        );
    }
}

/// A list that is created again is another list, and a gate removes what is left of the old one.
#[test]
fn the_members_of_a_removed_list_are_gone_at_once_and_their_rows_later() {
    let site = Site::with_list();
    let many: Vec<String> = (0..1200).map(|n| format!("m{n}@example.org")).collect();
    let args: Vec<&str> =
        ["member", "add", LIST].into_iter().chain(many.iter().map(String::as_str)).collect();
    site.stdout(&args);
    assert_eq!(addresses(&site, &[]).len(), 1200);
    site.stdout(&["list", "remove", LIST]);
    site.create(LIST);
    assert!(addresses(&site, &[]).is_empty());
    site.stdout(&["member", "add", LIST, "anne@example.org"]);
    let gate = site.gate(site.config());
    let database = Connection::open(site.data().join("listgate.db")).unwrap();
    let rows = || {
        let sql = "SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM roster)";
        database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let end = Instant::now() + Duration::from_secs(30);
    // Those of the new list: its owner, and a member.
    while rows() != (2_i64, 1_i64) {
        assert!(Instant::now() < end, "{:?} rows are left", rows());
        std::thread::sleep(Duration::from_millis(50));
    }
    gate.stop().unwrap();
    assert_eq!(addresses(&site, &[]), ["anne@example.org"]);
}
