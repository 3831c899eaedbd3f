//! `listgate held`: posts that wait for a moderator, with and without a running gate.

use crate::support::{Server, Site, until};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;

const LIST: &str = "mylist@example.com";

fn site() -> Site {
    let site = Site::new();
    for list in [LIST, "other@example.com"] {
        site.stdout(&["list", "create", list, "--owner", "olga@example.org"]);
    }
    site.stdout(&["member", "add", LIST, "anne@example.org", "bob@example.org"]);
    site
}

fn serve(site: &Site) -> Server {
    fs::write(site.data().join("listgate.toml"), "[storage]\nmin_free = 0\n").unwrap();
    let mut command = site.command();
    command.arg("--config").arg(site.data().join("listgate.toml"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--outgoing"]);
    command.arg(format!("dir:{}", site.data().join("out").display()));
    Server::start(command)
}

fn post(server: &Server, from: &str, subject: &str) {
    let message = format!(
        "From: {from}\r\nTo: {LIST}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nHello.\r\n"
    );
    let mut peer = server.peer();
    peer.command("LHLO x");
    assert_eq!(&peer.deliver(from, &[LIST], message)[0][..3], "250");
}

fn held(site: &Site) -> Vec<Value> {
    site.json(&["held", "ls"])
}

/// Returns the subject and the recipients of each transaction of a post that was written, in the order of their files.
fn sent(site: &Site) -> Vec<(String, String)> {
    let Ok(dir) = fs::read_dir(site.data().join("out")) else { return Vec::new() };
    let mut files: Vec<_> = dir.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |file: std::path::PathBuf| {
        let about: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let message = fs::read_to_string(file.with_extension("eml")).unwrap();
        let subject = message.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        let is_notice = message.contains("\nAuto-Submitted: auto-");
        (!is_notice).then(|| (subject.to_owned(), about["recipients"][0].as_str().unwrap().to_owned()))
    };
    files.into_iter().filter_map(read).collect()
}

/// A notice that has left: its recipient and its whole message.
struct Notice {
    to: String,
    message: String,
}

impl Notice {
    /// Returns the address that accepts the post, or the one that rejects it.
    fn link(&self, at: usize) -> String {
        let links = self.message.lines().filter_map(|line| line.trim().strip_prefix("mailto:"));
        links.collect::<Vec<_>>()[at].to_owned()
    }
}

/// Returns the notices with this text in their subject, in the order in which they left.
fn notices(site: &Site, subject: &str) -> Vec<Notice> {
    let all = site.outbox().transactions().into_iter().map(|sent| Notice {
        to: sent.recipients[0].clone(),
        message: String::from_utf8(sent.message).unwrap(),
    });
    let has_subject = |notice: &Notice| {
        let subjects = notice.message.lines().filter_map(|line| line.strip_prefix("Subject: "));
        subjects.into_iter().any(|found| found.contains(subject))
    };
    all.filter(has_subject).collect()
}

fn mail(server: &Server, from: &str, to: &str, fields: &str) {
    let message = format!("From: {from}\r\n{fields}\r\n");
    let mut peer = server.peer();
    peer.command("LHLO x");
    assert_eq!(&peer.deliver(from, &[to], message)[0][..3], "250");
}

#[test]
fn moderators_decide_by_mail_and_the_second_is_too_late() {
    let site = site();
    site.stdout(&["member", "add", LIST, "--role", "moderator", "mia@example.org", "max@example.org"]);
    site.stdout(&["list", "set", LIST, "emergency=yes"]);
    let server = site.distribute(&[]);
    let copies = |subject: &str| {
        let line = format!("\r\nSubject: {subject}\r\n");
        let all = site.outbox().transactions().into_iter();
        all.filter(|sent| String::from_utf8_lossy(&sent.message).contains(&line)).count()
    };
    // A stranger is not notified, and each moderator gets a separate mail.
    post(&server, "carl@example.org", "one");
    until("two are asked", || notices(&site, "waits for you: one").len() == 2);
    let [mia, max] = notices(&site, "waits for you: one").try_into().ok().unwrap();
    assert_eq!((mia.to.as_str(), max.to.as_str()), ("mia@example.org", "max@example.org"));
    let tokens = [mia.link(0), mia.link(1), max.link(0), max.link(1)];
    assert_eq!(tokens.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{tokens:?}");
    assert!(mia.message.contains("Reply-To: mylist-owner@example.com\r\n"), "{}", mia.message);
    assert!(!mia.message.contains("Hello.\r\n"), "nothing of the text is quoted");
    let id = held(&site)[0]["id"].to_string();
    assert!(mia.message.contains(&format!("\r\n    listgate held accept {id}\r\n")), "{}", mia.message);
    let shown = site.stdout(&["held", "show", &id]);
    assert!(shown.contains("notified   mia@example.org\nnotified   max@example.org\n"), "{shown}");
    // A vacation reply decides nothing.
    mail(
        &server,
        "mia@example.org",
        &mia.link(0),
        "Auto-Submitted: auto-replied\r\nMessage-ID: <away@x>\r\n",
    );
    until("it is ignored", || decisions(&site).iter().any(|(id, _)| id == "<away@x>"));
    assert_eq!((held(&site).len(), notices(&site, "one").len()), (1, 2));
    mail(&server, "mia@elsewhere.example", &mia.link(0), "Message-ID: <yes@x>\r\n");
    until("it is sent", || copies("one") == 2);
    mail(&server, "max@example.org", &max.link(1), "Message-ID: <no@x>\r\n");
    until("max is notified", || notices(&site, "had already been accepted").len() == 1);
    assert_eq!(notices(&site, "had already been accepted")[0].to, "max@example.org");
    let explained = site.stdout(&["explain", "one@x"]);
    assert!(explained.contains("the moderator mia@example.org accepted the held post"), "{explained}");
    // A member is notified that a post is held, and that it was rejected.
    post(&server, "anne@example.org", "two");
    until("anne is notified that it is held", || notices(&site, "waits for a moderator").len() == 1);
    until("max is asked", || notices(&site, "waits for you: two").len() == 2);
    mail(&server, "max@example.org", &notices(&site, "waits for you: two")[1].link(1), "");
    until("anne is notified that it was rejected", || notices(&site, "was not accepted").len() == 1);
    let told: Vec<String> = ["waits for a moderator", "was not accepted"]
        .iter()
        .flat_map(|subject| notices(&site, subject))
        .map(|notice| notice.to)
        .collect();
    assert_eq!(told, ["anne@example.org", "anne@example.org"], "carl is never notified");
    assert_eq!((held(&site).len(), copies("two")), (0, 0));
    let outcome = decisions(&site).into_iter().find(|(id, _)| id == "<two@x>").unwrap().1;
    assert_eq!(outcome, "rejected");
}

fn decisions(site: &Site) -> Vec<(String, String)> {
    let database = Connection::open(site.data().join("listgate.db")).unwrap();
    let mut rows = database
        .prepare("SELECT message_id, outcome FROM decision WHERE outcome <> 'held' ORDER BY id")
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn held_posts_are_listed_and_shown_with_their_reasons() {
    let site = site();
    let server = serve(&site);
    post(&server, "carl@example.org", "one");
    until("it is held", || held(&site).len() == 1);
    let listed = held(&site).remove(0);
    for (key, value) in [
        ("list_id", "mylist.example.com"),
        ("mail_from", "carl@example.org"),
        ("author", "carl@example.org"),
        ("subject", "one"),
        ("message_id", "<one@x>"),
    ] {
        assert_eq!(listed[key], value, "{key}");
    }
    let reason = "carl@example.org is not a member, and its posts are held";
    assert_eq!(listed["reasons"], serde_json::json!([reason]));
    assert_eq!(site.json(&["held", "ls", LIST]), std::slice::from_ref(&listed));
    assert_eq!(site.json(&["held", "ls", "other@example.com"]).len(), 0);
    let id = listed["id"].to_string();
    let shown = site.stdout(&["held", "show", &id]);
    assert!(shown.contains("\r\n\r\nHello.\r\n") && shown.contains(reason), "{shown}");
    let message = site.stdout(&["held", "show", &id, "--message"]);
    assert!(message.ends_with("\r\n\r\nHello.\r\n"), "{message}");
    assert_eq!(message.len().to_string(), listed["size"].to_string());
    assert_eq!(site.json(&["held", "show", &id])[0]["message"], message);
    let said = site.stdout(&["held", "ls"]);
    assert!(said.contains("carl@example.org -> mylist.example.com") && said.contains(reason), "{said}");
    assert!(site.stdout(&["queue", "status"]).contains("posts that wait for moderators"));
}

#[test]
fn an_accepted_post_is_sent_as_if_it_had_not_been_held() {
    let site = site();
    site.stdout(&["list", "set", LIST, "emergency=yes"]);
    site.stdout(&["member", "set", LIST, "anne@example.org", "own_posts=no"]);
    let mut server = serve(&site);
    for subject in ["one", "two", "three"] {
        post(&server, "Anne@Example.org", subject);
        until("it is held", || held(&site).iter().any(|held| held["subject"] == subject));
    }
    site.stdout(&["list", "set", LIST, "emergency=no", "subject_prefix=[My]"]);
    let ids: Vec<String> = held(&site).iter().map(|held| held["id"].to_string()).collect();
    assert_eq!(site.stdout(&["held", "accept", &ids[0]]), format!("accepted {}\n", ids[0]));
    until("it is sent", || sent(&site).len() == 1);
    assert_eq!(sent(&site), [("[My] one".to_owned(), "bob@example.org".to_owned())], "not to its author");
    assert_eq!(site.stdout(&["held", "discard", &ids[1]]), format!("discarded {}\n", ids[1]));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    // Without a gate.
    site.stdout(&["held", "accept", &ids[2]]);
    assert_eq!(held(&site).len(), 0);
    assert_eq!(site.json(&["post", "ls"])[1]["state"], "ready");
    let _server = serve(&site);
    until("it is sent", || sent(&site).len() == 2);
    assert_eq!(sent(&site)[1].0, "[My] three");
    let decided = |subject: &str, outcome: &str| (format!("<{subject}@x>"), outcome.to_owned());
    assert_eq!(
        decisions(&site),
        [decided("one", "accepted"), decided("two", "discarded"), decided("three", "accepted")]
    );
}

#[test]
fn a_post_that_is_not_held_is_reported_and_nothing_is_decided() {
    let site = site();
    let server = serve(&site);
    post(&server, "carl@example.org", "one");
    until("it is held", || held(&site).len() == 1);
    let id = held(&site)[0]["id"].to_string();
    for action in ["accept", "reject", "discard"] {
        let output = site.listgate(&["held", action, &id, "999"]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no held post has the number 999; `listgate held ls` lists them"), "{said}");
    }
    assert_eq!(held(&site).len(), 1);
    site.stdout(&["list", "remove", LIST]);
    assert_eq!(held(&site).len(), 0, "its list is gone");
    assert_eq!(site.listgate(&["held", "accept", &id]).status.code(), Some(1));
}
