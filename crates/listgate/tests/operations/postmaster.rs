//! postmaster@, abuse@ and mailer-daemon@ of the domains of lists.

use crate::support::socketmap::Socketmap;
use crate::support::{Server, Site, free_address, until};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;

const LIST: &str = "mylist@example.com";
const ALL: [&str; 3] = ["postmaster@example.com", "Abuse@Example.com", "mailer-daemon@alias.example"];

/// Creates a site with a list, an alias domain, and a domain without lists.
fn site() -> Site {
    let site = Site::new();
    site.stdout(&["list", "create", LIST, "--owner", "olga@example.org"]);
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    site.stdout(&["domain", "add", "empty.example"]);
    site
}

/// Writes a configuration file with these lines, and returns its path.
fn configured(site: &Site, toml: &str) -> String {
    let file = site.data().join("listgate.toml");
    fs::write(&file, format!("[storage]\nmin_free = 0\n{toml}")).unwrap();
    file.to_str().unwrap().to_owned()
}

fn serve(site: &Site, file: &str, options: &[&str]) -> Server {
    let mut command = site.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "json", "--config", file]).args(options);
    command.stderr(Stdio::piped());
    Server::start(command)
}

/// Stops a server, and returns its log.
fn stopped(mut server: Server) -> String {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log
}

/// Delivers a message, and returns the reply.
fn deliver(server: &Server, from: &str, to: &str, message: &str) -> String {
    let mut peer = server.peer();
    peer.command("LHLO x");
    peer.deliver(from, &[to], message).remove(0)
}

/// Returns what has left: the envelope and the message.
fn left(outbox: &PathBuf) -> Vec<(Value, String)> {
    let Ok(files) = fs::read_dir(outbox) else { return Vec::new() };
    let files = files.map(|file| file.unwrap().path());
    let mut envelopes: Vec<PathBuf> = files.filter(|file| file.extension().unwrap() == "json").collect();
    envelopes.sort();
    let both = |file: &PathBuf| {
        let envelope = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        (envelope, fs::read_to_string(file.with_extension("eml")).unwrap())
    };
    envelopes.iter().map(both).collect()
}

#[test]
fn mail_to_each_of_the_addresses_arrives_and_never_comes_back_twice() {
    let (site, map) = (site(), free_address());
    let owner = "[engine]\nenabled = true\n[site]\nowner = \"Pia@example.org\"\n";
    let file = configured(&site, &format!("{owner}[socketmap]\nlisten = [\"{map}\"]\n"));
    let outbox = site.data().join("outbox");
    let to = format!("dir:{}", outbox.display());
    let server = serve(&site, &file, &["--outgoing", &to]);
    let mut postfix = Socketmap::connect(map);
    for address in ALL.into_iter().chain(["postmaster@empty.example"]) {
        assert_eq!(postfix.query("recipients", address), "OK OK", "{address}");
        assert!(postfix.query("transport", address).starts_with("OK lmtp:"), "{address}");
    }
    assert_eq!(postfix.query("recipients", "postmaster@elsewhere.example"), "NOTFOUND ");
    for (n, address) in ALL.iter().enumerate() {
        let message = format!("From: x@example.net\r\nMessage-ID: <{n}@x>\r\n\r\nHelp {n}.\r\n");
        assert!(deliver(&server, "x@example.net", address, &message).starts_with("250"), "{address}");
        until("it leaves", || left(&outbox).len() == n + 1);
    }
    let all = left(&outbox);
    for (n, (local, domain)) in
        [("postmaster", "example.com"), ("abuse", "example.com"), ("mailer-daemon", "alias.example")]
            .into_iter()
            .enumerate()
    {
        let (envelope, message) = &all[n];
        assert_eq!(envelope["recipients"], serde_json::json!(["Pia@example.org"]));
        assert_eq!(
            (&envelope["kind"], &envelope["list_id"]),
            (&"owner".into(), &format!("{local}@{domain}").into())
        );
        let from = envelope["mail_from"].as_str().unwrap();
        assert!(
            from.starts_with(&format!("{local}-bounces+")) && from.ends_with(&format!("@{domain}")),
            "{from}"
        );
        assert!(message.contains(&format!("X-Loop: {local}-owner@{domain}\r\n")), "{message}");
        assert!(message.ends_with(&format!("\r\n\r\nHelp {n}.\r\n")), "{message}");
        assert_eq!(postfix.query("recipients", from), "OK OK");
    }
    // A forwarder sends it back, and the address does not exist.
    let (envelope, message) = &all[0];
    assert!(deliver(&server, "pia@example.org", "abuse@example.com", message).starts_with("250"));
    let bounce = "From: MAILER-DAEMON@example.org\r\nSubject: failure notice\r\n\r\n\
                  <Pia@example.org>: 550 5.1.1 no such user\r\n";
    assert!(deliver(&server, "", envelope["mail_from"].as_str().unwrap(), bounce).starts_with("250"));
    until("both are decided", || site.ids("in").len() + site.ids("bounces").len() == 0);
    let log = stopped(server);
    assert!(log.contains("it went to the postmaster before, and has come back (X-Loop)"), "{log}");
    let token = log.lines().find(|line| line.contains("bounce recorded")).unwrap();
    assert!(token.contains("\"token\":\"notice\"") && token.contains("permanent"), "{token}");
    assert_eq!(left(&outbox).len(), 3, "nothing else has left");
    let posts = site.json(&["post", "ls"]);
    assert_eq!(posts.len(), 3);
    assert_eq!((&posts[1]["list_id"], &posts[1]["state"]), (&"abuse@example.com".into(), &"finished".into()));
    let shown = site.json(&["post", "show", &posts[1]["id"].to_string()]);
    assert_eq!(shown[0]["sent"], 1, "{shown:?}");
}

#[test]
fn what_waits_outlives_its_domain_and_an_engine_that_is_off() {
    let site = site();
    let file = configured(&site, "[engine]\nenabled = true\n[site]\npostmaster = \"pia@example.org\"\n");
    let outbox = site.data().join("outbox");
    let to = format!("dir:{}", outbox.display());
    // Nothing leaves to a file.
    fs::write(&outbox, "").unwrap();
    let server = serve(&site, &file, &["--outgoing", "smtp:127.0.0.1:1"]);
    for n in [1, 2] {
        let message = format!("Message-ID: <{n}@x>\r\n\r\nHelp {n}.\r\n");
        assert!(deliver(&server, "x@y", "abuse@empty.example", &message).starts_with("250"));
    }
    until("both are on their way", || site.json(&["post", "ls"]).len() == 2);
    stopped(server);
    site.stdout(&["domain", "remove", "empty.example"]);
    let server = serve(&site, &file, &["--no-engine"]);
    let refused = "550 5.1.1 Requested action not taken: mailbox unavailable";
    let mut peer = server.peer();
    peer.command("LHLO x");
    peer.command("MAIL FROM:<>");
    for address in ["abuse@empty.example", "abuse@example.com", "mailer-daemon@example.com", "postmaster"] {
        assert_eq!(peer.command(&format!("RCPT TO:<{address}>")), refused, "{address}");
    }
    drop(peer);
    stopped(server);
    assert_eq!(site.json(&["post", "ls"]).len(), 2);
    fs::remove_file(&outbox).unwrap();
    let server = serve(&site, &file, &["--outgoing", &to]);
    until("they leave", || left(&outbox).len() == 2);
    stopped(server);
}

#[test]
fn check_mta_and_doctor_say_who_gets_it_or_why_nobody_does() {
    let site = site();
    let on = "[engine]\nenabled = true\n[site]\n";
    let off = "[engine]\nenabled = false\n[site]\n";
    for (toml, why, verdict) in [
        (format!("{on}owner = \"pia@example.org\"\n"), "pia@example.org gets the mail to postmasters", "ok"),
        (
            format!("{on}postmaster = \"Pia@example.org\"\n"),
            "Pia@example.org gets the mail to postmasters",
            "ok",
        ),
        (format!("{on}postmaster = \"{LIST}\"\n"), "its owners get the mail to postmasters", "ok"),
        (format!("{off}postmaster = \"{LIST}\"\n"), "its owners get the mail to postmasters", "ok"),
        (on.to_owned(), "neither site.postmaster nor site.owner is set", "note"),
        (
            format!("{on}postmaster = \"pia@alias.example\"\n"),
            "pia@alias.example would get it, which is in a domain of this site and not a list",
            "wrong",
        ),
        (
            format!("{on}owner = \"pia@example.com\"\n"),
            "pia@example.com would get it, which is in a domain of this site and not a list",
            "note",
        ),
        (
            format!("{off}owner = \"pia@example.org\"\n"),
            "the engine is off, and site.postmaster names no list whose owners would get it",
            "note",
        ),
        (
            format!("{off}postmaster = \"pia@example.org\"\n"),
            "the engine is off, and pia@example.org is not a list whose owners would get it",
            "wrong",
        ),
    ] {
        let file = configured(&site, &toml);
        let taken = verdict == "ok";
        for address in ALL {
            let output = site.listgate(&["check", "--json", "--config", &file, address]);
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&answer["why"], output.status.success()), (&why.into(), taken), "{toml}");
            assert_eq!(answer["role"].as_str(), taken.then_some("owner"), "{toml}");
        }
        for server in [&["postfix", "--fresh"][..], &["exim"]] {
            let printed = site.stdout(&[&["mta"], server, &["--config", &file]].concat());
            assert_eq!(printed.contains("postmaster@example.com"), !taken, "{printed}");
            assert_eq!(printed.contains("mailer-daemon@"), taken, "{printed}");
        }
        let doctor = site.listgate(&["doctor", "--json", "--config", &file]);
        let lines = String::from_utf8(doctor.stdout).unwrap();
        let mut findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let finding = findings.find(|finding| finding["check"] == "site.postmaster").unwrap();
        assert_eq!(finding["verdict"], verdict, "{toml}: {finding}");
    }
}
