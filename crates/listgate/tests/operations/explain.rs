//! `listgate explain`: what became of the mail with a Message-ID.

use crate::support::{Server, Site, Transaction, until};
use serde_json::Value;
use std::time::Duration;

const LIST: &str = "mylist@example.com";
const REQUEST: &str = "mylist-request@example.com";

fn send(server: &Server, (from, to): (&str, &str), id: &str, fields: &str) {
    let message = format!("From: {from}\r\nTo: {to}\r\nMessage-ID: <{id}>\r\n{fields}\r\nHello.\r\n");
    let mut peer = server.peer();
    peer.command("LHLO x");
    let reply = peer.deliver(from, &[to], message);
    assert_eq!(&reply[0][..3], "250", "{reply:?}");
}

/// Returns what is known about a message, once it is decided.
fn explained(site: &Site, id: &str) -> Vec<Value> {
    let is_decided = || {
        let output = site.listgate(&["explain", id, "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success() && text.lines().next().unwrap().contains("\"type\":\"decision\"")
    };
    until("it is decided", is_decided);
    site.json(&["explain", id])
}

/// Returns the value of a field of a message.
fn field(message: &[u8], name: &str) -> String {
    let message = String::from_utf8_lossy(message).replace("\r\n ", " ");
    let value = message.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    value.unwrap_or_else(|| panic!("no {name} in {message}")).to_owned()
}

#[test]
fn each_message_is_explained_by_what_was_decided_about_it() {
    let site = Site::new();
    site.stdout(&["list", "create", LIST, "--owner", "olga@example.org"]);
    site.stdout(&["member", "add", LIST, "bob@example.org"]);
    let server = site.distribute(&[]);

    send(&server, ("eve@example.org", LIST), "held@x", "");
    let held = explained(&site, "held@x");
    assert_eq!((&held[0]["outcome"], &held[0]["list_id"]), (&"held".into(), &"mylist.example.com".into()));
    assert_eq!(held[0]["mail_from"], "eve@example.org");
    assert!(held[0]["reasons"][0].as_str().unwrap().contains("eve@example.org is not a member"), "{held:?}");
    let id = held[1]["id"].to_string();
    assert_eq!((&held[1]["type"], held.len()), (&"held_post".into(), 2));
    site.stdout(&["held", "show", &id]);
    site.stdout(&["held", "accept", &id]);
    let accepted = site.json(&["explain", "<held@x>"]);
    let outcomes: Vec<&str> = accepted.iter().filter_map(|line| line["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["held", "accepted"]);
    assert_eq!((&accepted[2]["type"], accepted.len()), (&"post".into(), 3));
    site.stdout(&["post", "show", &accepted[2]["id"].to_string()]);
    let text = site.stdout(&["explain", "held@x"]);
    assert!(text.contains("  mylist.example.com: held\n    from eve@example.org\n"), "{text}");
    assert!(text.contains("see `listgate post show"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");

    send(&server, ("anne@example.org", "mylist-join@example.com"), "join@x", "");
    let asked = explained(&site, "join@x");
    assert_eq!((&asked[0]["outcome"], asked.len()), (&"asked".into(), 1));
    let is_to_anne = |mail: &Transaction| mail.recipients == ["anne@example.org"];
    until("anne is asked", || site.outbox().transactions().iter().any(is_to_anne));
    let asks = site.outbox().transactions().into_iter().find(is_to_anne).unwrap().message;
    let (to, ours) = (field(&asks, "Reply-To"), field(&asks, "Message-ID"));
    let to = to.trim_matches(['<', '>']);
    let token = to.split(['+', '@']).nth(1).unwrap();
    assert_eq!(token.len(), 26);
    // A reply that comes sooner after the hand-over is taken for that of a program.
    site.until_all_is_sent();
    std::thread::sleep(Duration::from_secs(6));
    send(&server, ("anne@example.org", to), "confirm@x", &format!("In-Reply-To: {ours}\r\n"));
    let joined = explained(&site, "<confirm@x>");
    assert_eq!(joined[0]["outcome"], "done");
    assert_eq!(joined[0]["reasons"][0], "anne@example.org joined");

    let vacation = "Auto-Submitted: auto-replied\r\nSubject: Out of office\r\n";
    send(&server, ("carl@example.org", REQUEST), "vacation@x", vacation);
    let ignored = explained(&site, "vacation@x");
    assert_eq!(ignored[0]["outcome"], "ignored");
    assert!(ignored[0]["reasons"][0].as_str().unwrap().contains("Auto-Submitted"), "{ignored:?}");

    let output = site.listgate(&["explain", "unknown@x"]);
    let said = String::from_utf8(output.stderr).unwrap().replace("\n ", "");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("unknown@x") && said.contains("30 days") && said.contains("log"), "{said}");

    for id in ["held@x", "join@x", "confirm@x", "vacation@x"] {
        for args in [&["explain", id][..], &["explain", id, "--json"]] {
            assert!(!site.stdout(args).contains(token), "{id}");
        }
    }
}

#[test]
fn a_message_that_waits_in_a_queue_is_named_by_its_entry_and_without_its_token() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let token = "a".repeat(26);
    let to = format!("mylist-confirm+{token}@example.com");
    send(&server, ("anne@example.org", &to), "waits@x", "");
    let waits = site.json(&["explain", "waits@x"]);
    assert_eq!((&waits[0]["type"], waits.len()), (&"entry".into(), 1));
    assert_eq!((&waits[0]["queue"], &waits[0]["state"]), (&"command".into(), &"waiting".into()));
    assert_eq!(waits[0]["id"].as_str().unwrap(), site.ids("command")[0]);
    let text = site.stdout(&["explain", "<waits@x>"]);
    assert!(text.contains(&site.ids("command")[0]) && text.contains("not decided"), "{text}");
    assert!(!text.contains(&token) && !waits[0].to_string().contains(&token), "{text}");
    let config = site.without_engine();
    let shunts = ["work", "command", "--config", &config, "--drain", "--max-attempts", "1", "--", "false"];
    site.listgate(&shunts);
    assert_eq!(site.json(&["explain", "waits@x"])[0]["state"], "shunted");
}
