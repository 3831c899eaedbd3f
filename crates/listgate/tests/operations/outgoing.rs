//! What operators see of posts on their way: `queue status`, `post`, `doctor` and the metrics.

use crate::support::smtp_server::{Manner, SmtpServer};
use crate::support::{Server, Site, free_address, get, until};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;

const LIST: &str = "mylist@example.com";

/// Starts a mail server that refuses recipients whose names begin with `bad`, and defers those whose names begin with
/// `later`.
fn mail_server(manner: Manner) -> SmtpServer {
    let reply = |address: &str| {
        let reply = match address {
            _ if address.starts_with("bad") => "550 5.1.1 no such user",
            _ if address.starts_with("later") => "450 4.2.1 mailbox busy",
            _ => "250 2.1.5 Ok",
        };
        reply.to_owned()
    };
    SmtpServer::scripted(manner, |_, _| None, reply)
}

/// Starts a gate that sends to a mail server, with metrics on the port that it returns.
fn serve(site: &Site, to: &str) -> (Server, SocketAddr) {
    let admin = free_address();
    let file = site.data().join("listgate.toml");
    let toml = format!("[storage]\nmin_free = 0\n[admin]\nlisten = \"{admin}\"\n");
    fs::write(&file, toml).unwrap();
    let mut command = site.command();
    command.arg("--config").arg(file).args(["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--outgoing").arg(format!("smtp:{to}"));
    (Server::start(command), admin)
}

fn site(members: &[&str]) -> Site {
    let site = Site::new();
    site.stdout(&["list", "create", LIST, "--owner", "olga@example.org"]);
    site.stdout(&[&["member", "add", LIST], members].concat());
    site
}

fn post(server: &Server, from: &str) {
    let message = format!("From: {from}\r\nTo: {LIST}\r\nMessage-ID: <{from}>\r\n\r\nHello.\r\n");
    let mut peer = server.peer();
    peer.command("LHLO x");
    assert_eq!(&peer.deliver(from, &[LIST], message)[0][..3], "250");
}

/// Returns what `queue status` says of posts on their way.
fn outgoing(site: &Site) -> Value {
    site.json(&["queue", "status"]).into_iter().find(|line| line["queue"] == "outgoing").unwrap()
}

fn doctor(site: &Site, check: &str) -> Value {
    let output = site.listgate(&["doctor", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["check"] == check).unwrap()
}

#[test]
fn each_recipient_and_each_reply_of_a_post_is_shown() {
    let site = site(&["anne@example.org", "bad@example.org", "later@example.org"]);
    let to = mail_server(Manner::default());
    let (server, admin) = serve(&site, &to.address);
    assert_eq!(site.json(&["post", "ls"]).len(), 0);
    post(&server, "anne@example.org");
    until("two recipients have their outcomes", || {
        site.json(&["post", "ls"]).first().is_some_and(|post| post["state"] == "waiting")
    });
    let listed = site.json(&["post", "ls", LIST]).remove(0);
    for (key, value) in [("sent", 1), ("refused", 1), ("deferred", 1), ("rejected", 0), ("doubted", 0)] {
        assert_eq!(listed[key], value, "{key}: {listed}");
    }
    assert_eq!((&listed["kind"], &listed["message_id"]), (&"post".into(), &"<anne@example.org>".into()));
    assert!(listed["finished_at"].is_null());
    let id = listed["id"].to_string();
    let shown = site.json(&["post", "show", &id]);
    assert_eq!((&shown[0]["type"], &shown[0]["left"]), (&"post".into(), &0.into()));
    let batch = shown.iter().find(|line| line["type"] == "batch").unwrap();
    assert_eq!((&batch["recipients"], &batch["sent"]), (&3.into(), &1.into()));
    let refused = shown.iter().find(|line| line["address"] == "bad@example.org").unwrap();
    assert_eq!((&refused["state"], &refused["reply"]), (&"refused".into(), &"550 5.1.1 no such user".into()));
    let deferred = shown.iter().find(|line| line["address"] == "later@example.org").unwrap();
    assert_eq!(
        (&deferred["state"], &deferred["reply"]),
        (&"deferred".into(), &"450 4.2.1 mailbox busy".into())
    );
    assert_eq!((&deferred["attempts"], shown.len()), (&1.into(), 4));
    let text = site.stdout(&["post", "show", &id]);
    assert!(text.contains("recipients sent 1, refused 1, deferred 1\n"), "{text}");
    assert!(text.contains("bad@example.org: refused\n    550 5.1.1 no such user\n"), "{text}");
    let line = site.stdout(&["post", "ls"]);
    assert!(line.contains(": sent 1, refused 1, deferred 1\n"), "{line}");
    assert_eq!((&outgoing(&site)["posts"], &outgoing(&site)["deferred"]), (&1.into(), &1.into()));
    let metrics = get(admin, "/metrics");
    for line in ["outgoing_posts 1", "outgoing_deferred 1", "outgoing_doubted 0", "outgoing_stopped 0"] {
        assert!(metrics.contains(&format!("\nlistgate_{line}\n")), "{line}: {metrics}");
    }
    let said = site.listgate(&["post", "show", "77"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("no post has the number 77; `listgate post ls` lists them"), "{said}");
}

#[test]
fn a_mail_server_that_refuses_all_mail_raises_an_alarm_until_it_takes_mail() {
    let site = site(&["anne@example.org", "bob@example.org"]);
    let to = mail_server(Manner::default().greeting("554 5.3.2 no mail from you"));
    let (server, admin) = serve(&site, &to.address);
    assert_eq!(doctor(&site, "outgoing")["verdict"], "ok");
    post(&server, "carl@example.org");
    post(&server, "anne@example.org");
    until("it is stopped", || !outgoing(&site)["stopped_since"].is_null());
    let now = outgoing(&site);
    assert_eq!((&now["stopped_reason"], &now["posts"]), (&"554 5.3.2 no mail from you".into(), &1.into()));
    let text = site.stdout(&["queue", "status"]);
    assert!(text.contains("the mail server refuses all mail: 554 5.3.2 no mail from you"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let finding = doctor(&site, "outgoing");
    assert_eq!(finding["verdict"], "wrong");
    assert!(finding["found"].as_str().unwrap().contains("554 5.3.2 no mail from you"), "{finding}");
    let metrics = get(admin, "/metrics");
    for line in ["outgoing_stopped 1", "held_posts 1"] {
        assert!(metrics.contains(&format!("\nlistgate_{line}\n")), "{line}: {metrics}");
    }
    to.set(Manner::default());
    until("everybody has it", || site.json(&["post", "ls"])[0]["sent"] == 2);
    until("the alarm is over", || outgoing(&site)["stopped_since"].is_null());
    assert_eq!(doctor(&site, "outgoing")["verdict"], "ok");
    assert!(!site.stdout(&["queue", "status"]).contains("STOPPED"));
}

#[test]
fn an_absent_mail_server_is_named_as_the_reason() {
    let site = site(&["anne@example.org"]);
    let (server, _) = serve(&site, &free_address().to_string());
    post(&server, "anne@example.org");
    until("it was tried", || outgoing(&site)["reason"].as_str().is_some_and(|why| why.contains("connect")));
    assert_eq!(outgoing(&site)["stopped_since"], Value::Null, "it may come back at any moment");
    let text = site.stdout(&["queue", "status"]);
    assert!(text.contains("posts: 1") && text.contains("Connection refused"), "{text}");
}

#[test]
fn the_doctor_notes_bounces_that_come_without_their_tokens() {
    let site = site(&["anne@example.org"]);
    let (server, _) = serve(&site, &free_address().to_string());
    let mut peer = server.peer();
    peer.command("LHLO x");
    for (count, verdict) in [(19, "ok"), (1, "note")] {
        for n in 0..count {
            let message = format!("Subject: failed\r\nMessage-ID: <{n}-{count}@x>\r\n\r\nIt failed.\r\n");
            assert_eq!(&peer.deliver("", &["mylist-bounces@example.com"], message)[0][..3], "250");
        }
        until("all are recorded", || site.ids("bounces").is_empty());
        let finding = doctor(&site, "bounces");
        assert_eq!(finding["verdict"], verdict, "{finding}");
    }
    let finding = doctor(&site, "bounces");
    assert_eq!(finding["found"], "of the last week, with a valid token: 0; without: 20");
}
