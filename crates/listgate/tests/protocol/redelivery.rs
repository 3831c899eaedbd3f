//! Mail that comes again because its last reply was lost.

use crate::support::{Peer, Site, queued_as, tcp};
use listgate::{Config, Redelivery};

const LIST: &str = "mylist@example.com";
const TRACED: &str =
    "Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n";

fn id(peer: &mut Peer, from: &str, to: &str, message: &str) -> String {
    queued_as(&peer.deliver(from, &[to], message)[0]).to_owned()
}

#[test]
fn traced_mail_is_not_queued_twice_and_gets_the_first_id() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let first = id(&mut peer, "anne@example.org", LIST, TRACED);
    assert_eq!(id(&mut peer, "anne@example.org", LIST, TRACED), first);
    // Each of these is different mail.
    let others = [
        id(&mut peer, "bart@example.org", LIST, TRACED),
        id(&mut peer, "anne@example.org", "mylist+detail@example.com", TRACED),
        id(&mut peer, "anne@example.org", "mylist-owner@example.com", TRACED),
        id(&mut peer, "anne@example.org", LIST, &TRACED.replace("Hello", "Hallo")),
    ];
    assert!(!others.contains(&first));
    assert_eq!(site.ids("in").len(), 1 + others.len());
    // The gate still knows it after a restart.
    gate.stop().unwrap();
    let database = rusqlite::Connection::open(site.data().join("listgate.db")).unwrap();
    let recent = database.query_row("SELECT count(*) FROM seen_lately", [], |row| row.get(0));
    assert_eq!(recent, Ok(0), "the next start has nothing to read");
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    assert_eq!(id(&mut peer, "anne@example.org", LIST, TRACED), first);
    assert_eq!(site.ids("in").len(), 1 + others.len());
}

#[test]
fn handled_mail_is_not_queued_again_and_the_reply_reports_it() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let first = id(&mut peer, "anne@example.org", LIST, TRACED);
    site.stdout(&["work", "in", "--drain", "--config", &site.without_engine(), "--", "true"]);
    let handled = format!("250 2.0.0 Ok: already handled as {first}");
    assert_eq!(peer.deliver("anne@example.org", &[LIST], TRACED), [handled.as_str()]);
    let listen = gate.addresses()[0].to_string();
    let file = site.data().join("message");
    std::fs::write(&file, TRACED).unwrap();
    let file = file.to_str().unwrap();
    let stdout =
        site.stdout(&["send", "--server", &listen, "--to", LIST, "--from", "anne@example.org", file]);
    assert_eq!(stdout, format!("{LIST}  {handled}\n"));
    assert!(site.ids("in").is_empty());
}

#[test]
fn mail_removed_by_an_operator_is_queued_when_it_is_repeated() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let large = TRACED.to_owned() + &("y".repeat(998) + "\r\n").repeat(100);
    for message in [TRACED, large.as_str()] {
        let mut last = id(&mut peer, "", LIST, message);
        for _ in 0..3 {
            site.stdout(&["queue", "remove", &last]);
            let again = id(&mut peer, "", LIST, message);
            assert_ne!(again, last);
            assert_eq!(id(&mut peer, "", LIST, message), again, "and that one is known");
            last = again;
        }
    }
}

#[test]
fn a_recreated_list_gets_mail_that_its_predecessor_had() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let first = id(&mut peer, "", LIST, TRACED);
    site.stdout(&["work", "in", "--drain", "--config", &site.without_engine(), "--", "true"]);
    site.stdout(&["list", "remove", LIST]);
    site.create(LIST);
    let second = id(&mut peer, "", LIST, TRACED);
    assert_ne!(second, first);
    assert_eq!(id(&mut peer, "", LIST, TRACED), second);
}

#[test]
fn in_one_transaction_only_the_new_recipients_are_queued() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let to = ["mylist-owner@example.com", LIST];
    let first = id(&mut peer, "", to[1], TRACED);
    let replies = peer.deliver("", &to, TRACED);
    assert_eq!((queued_as(&replies[0]), queued_as(&replies[1])), ("2-1", first.as_str()));
    // All of it came before, so no third message is stored.
    let replies = peer.deliver("", &to, TRACED);
    assert_eq!((queued_as(&replies[0]), queued_as(&replies[1])), ("2-1", first.as_str()));
    assert_eq!(site.ids("in"), [first.as_str(), "2-1"]);
}

#[test]
fn recipients_that_shared_an_entry_are_recognized_separately() {
    let site = Site::with_list();
    site.stdout(&["domain", "add", "alias.example", "--alias-of", "example.com"]);
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let replies = peer.deliver("", &[LIST, "MyList@alias.example"], TRACED);
    let first = queued_as(&replies[0]).to_owned();
    assert_eq!(queued_as(&replies[1]), first);
    // The second reply was lost, and only its recipient is retried.
    assert_eq!(id(&mut peer, "", "MyList@alias.example", TRACED), first);
    assert_eq!(site.ids("in"), [first.as_str()]);
}

#[test]
fn a_large_duplicate_leaves_no_second_file() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let large = TRACED.to_owned() + &("y".repeat(998) + "\r\n").repeat(100);
    let first = id(&mut peer, "", LIST, &large);
    assert_eq!(id(&mut peer, "", LIST, &large), first);
    assert_eq!(std::fs::read_dir(site.data().join("spool")).unwrap().count(), 1);
    assert!(site.message(&first).ends_with(b"y\r\n"));
}

#[test]
fn untraced_mail_is_queued_again_and_names_the_first() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let message = "Message-ID: <1@x>\r\n\r\nHello\r\n";
    let (first, second) = (id(&mut peer, "", LIST, message), id(&mut peer, "", LIST, message));
    assert_ne!(first, second);
    let entries = site.json(&["queue", "ls", "in"]);
    assert_eq!((&entries[0]["repeats"], &entries[1]["repeats"]), (&().into(), &first.as_str().into()));
}

#[test]
fn duplicates_can_be_queued_with_or_without_a_mark() {
    for (redelivery, marked) in [(Redelivery::Mark, true), (Redelivery::Off, false)] {
        let site = Site::with_list();
        let gate = site.gate(Config { redelivery, ..site.config() });
        let mut peer = Peer::greeted(tcp(&gate));
        let first = id(&mut peer, "", LIST, TRACED);
        assert_ne!(id(&mut peer, "", LIST, TRACED), first);
        let repeats = &site.json(&["queue", "ls", "in"])[1]["repeats"];
        assert_eq!(repeats.as_str(), marked.then_some(first.as_str()));
    }
}

#[test]
fn the_log_names_what_was_not_queued_twice() {
    let site = Site::with_list();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).stderr(std::process::Stdio::piped());
    let mut server = crate::support::Server::start(command);
    let mut peer = server.peer();
    peer.command("LHLO x");
    id(&mut peer, "", LIST, TRACED);
    id(&mut peer, "", LIST, TRACED);
    server.signal("TERM");
    server.wait();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut server.child.stderr.take().unwrap(), &mut log).unwrap();
    assert!(log.contains("mylist.example.com 1-1 (received before: not queued again)"), "{log}");
}
