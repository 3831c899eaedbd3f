//! `listgate request`: requests that wait for an answer, without a running gate.

use crate::support::Site;
use rusqlite::{Connection, params};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

const LIST: &str = "mylist@example.com";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn database(site: &Site) -> Connection {
    Connection::open(site.data().join("listgate.db")).unwrap()
}

/// Makes a site with two lists, and stores requests: to join, by Anne, for both, and to leave, by Bob, for the first.
fn site() -> Site {
    let site = Site::new();
    for list in [LIST, "other@example.com"] {
        site.stdout(&["list", "create", list, "--owner", "olga@example.org"]);
    }
    for (list, kind, phase, address, name) in [
        (1, "join", "confirm", "anne@example.org", Some("Anne \u{7}Person")),
        (2, "join", "moderate", "anne@example.org", None),
        (1, "leave", "confirm", "bob@example.org", None),
    ] {
        let sql = "INSERT INTO request (list, kind, phase, address, name, confirmed, asked_at, forget_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?3 = 'moderate', ?6 - 7200000, ?6 + 86400000)";
        database(&site).execute(sql, params![list, kind, phase, address, name, now()]).unwrap();
    }
    site
}

fn ids(requests: &[Value]) -> Vec<i64> {
    requests.iter().map(|request| request["id"].as_i64().unwrap()).collect()
}

#[test]
fn requests_are_listed_shown_and_removed() {
    let site = site();
    assert_eq!(ids(&site.json(&["request", "ls"])), [1, 2, 3]);
    assert_eq!(ids(&site.json(&["request", "ls", LIST])), [1, 3]);
    let text = site.stdout(&["request", "ls"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "1            2h  join   anne@example.org -> mylist.example.com: waits for a confirmation"
    );
    assert!(lines[1].ends_with("anne@example.org -> other.example.com: waits for a moderator"), "{text}");
    let shown = &site.json(&["request", "show", "1"])[0];
    for (key, value) in [
        ("list_id", Value::from("mylist.example.com")),
        ("kind", "join".into()),
        ("phase", "confirm".into()),
        ("address", "anne@example.org".into()),
        ("name", "Anne \u{7}Person".into()),
        ("confirmed", false.into()),
        ("asked", 1.into()),
        ("mails_last_day", 0.into()),
        ("handed_over_at", Value::Null),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let shown = site.stdout(&["request", "show", "1"]);
    assert!(shown.contains("name       Anne  Person\n"), "{shown}");
    assert!(shown.contains("waits for  a confirmation\n"), "{shown}");
    assert!(shown.contains("last sent  no mail has left yet\n"), "{shown}");
    assert_eq!(site.stdout(&["request", "remove", "1", "2"]), "removed 1\nremoved 2\n");
    assert_eq!(ids(&site.json(&["request", "ls"])), [3]);
}

#[test]
fn a_request_that_does_not_wait_is_an_error() {
    let site = site();
    let old = "UPDATE request SET forget_at = ?1 - 1000 WHERE id = 2";
    database(&site).execute(old, [now()]).unwrap();
    assert_eq!(ids(&site.json(&["request", "ls"])), [1, 3], "it is forgotten, even if its row is there");
    for args in [&["request", "show", "2"][..], &["request", "show", "99"], &["request", "remove", "1", "2"]]
    {
        let output = site.listgate(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("waits; `listgate request ls` lists them"), "{stderr}");
    }
    assert_eq!(ids(&site.json(&["request", "ls"])), [1, 3], "none was removed");
    let output = site.listgate(&["request", "show", "x"]);
    assert_eq!(output.status.code(), Some(2));
    site.stdout(&["list", "remove", LIST]);
    assert_eq!(ids(&site.json(&["request", "ls"])), [0; 0]);
}

#[test]
fn notices_are_not_posts() {
    let site = site();
    database(&site)
        .execute_batch(
            "INSERT INTO post (list, kind, message_id, accepted_at, settings, personal, cutoff, turn)
             VALUES (1, 'notice', '<notice.1.1@example.com>', 0, '{}', 1, 0, 1);
             INSERT INTO recipient (post, seq, state, address, reply, at, due_at, due_span)
             VALUES (1, 0, 'deferred', 'anne@example.org', '', 0, 0, 60000);
             INSERT INTO notice (post, template, subject, request, address, account, domain, at, counted)
             VALUES (1, 'confirm-join', 1, 1, 'anne@example.org', 'anne@example.org', 'example.org', 0, 1);",
        )
        .unwrap();
    assert_eq!(site.json(&["post", "ls"]), [Value::Null; 0]);
    assert_eq!(site.listgate(&["post", "show", "1"]).status.code(), Some(1));
    let status = site.json(&["queue", "status"]);
    let outgoing = status.iter().find(|line| line["queue"] == "outgoing").unwrap();
    for (key, value) in [("notices", 1), ("posts", 0), ("deferred", 0), ("sending", 0), ("left", 0)] {
        assert_eq!(outgoing[key], value, "{key}");
    }
    let text = site.stdout(&["queue", "status"]);
    assert!(text.contains("  notices that wait to leave: 1\n"), "{text}");
}

#[test]
fn an_invitation_that_would_not_leave_is_refused() {
    let site = site();
    let off = site.data().join("off.toml");
    std::fs::write(&off, "[engine]\nenabled = false\n").unwrap();
    let invite = ["member", "invite", LIST, "carl@example.org"];
    let output = site.listgate(&[&invite[..], &["--config", off.to_str().unwrap()]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("carl@example.org is not invited: the engine is off"), "{stderr}");
    assert_eq!(ids(&site.json(&["request", "ls"])), [1, 2, 3]);
    assert_eq!(site.stdout(&invite), "invited carl@example.org to mylist@example.com\n");
    assert_eq!(ids(&site.json(&["request", "ls"])), [1, 2, 3, 4]);
}
