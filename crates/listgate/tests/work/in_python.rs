//! The program of docs/queue.md, word for word, on a queue that a real gate filled.

use crate::support::{PATIENCE, Peer, Site, tcp, until};
use crate::{LONG, deliver, ids, open, states};
use listgate::queue::{Name, Verdict};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Returns the program in the page.
fn program() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/queue.md");
    let page = fs::read_to_string(page).unwrap();
    let lines = page.lines().skip_while(|line| *line != "    #!/usr/bin/env python3");
    let lines = lines.map_while(|line| line.strip_prefix("    ").or(line.is_empty().then_some("")));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The program, working on the queue `in`; killed when dropped.
struct Consumer {
    process: Child,
    lines: Receiver<String>,
    folder: PathBuf,
}

impl Consumer {
    fn start(site: &Site) -> Self {
        let (script, folder) = (site.data().join("consume.py"), site.data().join("saved"));
        fs::write(&script, program()).unwrap();
        let mut command = Command::new("python3");
        command.arg(script).arg(site.data()).arg("in").arg(&folder);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let (line, lines) = mpsc::channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { process, lines, folder }
    }

    /// Returns the next line that it prints.
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it says more")
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn database(site: &Site) -> Connection {
    let connection = Connection::open(site.data().join("listgate.db")).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection
}

/// Makes the handler of an entry wait until the test reads what it saves.
fn slow(site: &Site, id: &str) -> PathBuf {
    let folder = site.data().join("saved");
    fs::create_dir(&folder).unwrap();
    let saved = folder.join(id);
    assert!(Command::new("mkfifo").arg(&saved).status().unwrap().success());
    saved
}

#[test]
#[ignore = "needs python3"]
fn entries_are_done_and_the_lists_take_turns() {
    let site = Site::with_list();
    site.create("other@example.com");
    site.create("third@example.com");
    let to = ["mylist", "mylist", "mylist", "third", "other"].map(|list| format!("{list}@example.com"));
    deliver(&site, &to.each_ref().map(String::as_str));
    let message = site.message("2-1");
    fs::create_dir(site.data().join("saved")).unwrap();
    let consumer = Consumer::start(&site);
    for expected in ["1-1 mylist", "5-1 other", "4-1 third", "2-1 mylist", "3-1 mylist"] {
        assert_eq!(consumer.next(), format!("{expected}@example.com None"));
    }
    until("they are settled", || site.ids("in").is_empty());
    assert_eq!(fs::read(consumer.folder.join("2-1")).unwrap(), message);
}

#[test]
#[ignore = "needs python3"]
fn a_failure_is_retried_and_mail_from_the_list_itself_is_shunted() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(10_000));
    for message in [large.as_str(), "List-Id: <mylist.example.com>\r\n\r\n"] {
        assert_eq!(peer.deliver("", &["mylist@example.com"], message)[0][..3], *"250");
    }
    let message = site.message("1-1");
    let consumer = Consumer::start(&site);
    let missing = format!("[Errno 2] No such file or directory: '{}/1-1'", consumer.folder.display());
    let failed = format!("1-1 later 1: {missing}");
    let shunted = "2-1 shunted 1: it came through this list before";
    until("both have failed", || states(&site) == [failed.as_str(), shunted]);
    let sql = "SELECT span FROM entry WHERE state = 'later'";
    let span: i64 = database(&site).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(span, 10_000 + 60_000, "the first pause");

    fs::create_dir(&consumer.folder).unwrap();
    site.stdout(&["queue", "retry", "1-1"]);
    assert_eq!(consumer.next(), "1-1 mylist@example.com None");
    assert!(fs::read(consumer.folder.join("1-1")).unwrap() == message);
    until("it is settled", || states(&site) == [shunted]);
    let spool = || fs::read_dir(site.data().join("spool")).unwrap().count();
    until("the gate removes its file", || spool() == 0);
    gate.stop().unwrap();
}

#[test]
#[ignore = "needs python3"]
fn a_late_consumer_changes_nothing() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let saved = slow(&site, "1-1");
    let consumer = Consumer::start(&site);
    until("it is leased", || states(&site) == ["1-1 leased 1: "]);
    site.stdout(&["queue", "retry", "--leased", "1-1"]);
    let mut queue = open(&site, Name::In);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();

    fs::read(&saved).unwrap();
    assert_eq!(consumer.next(), "1-1 mylist@example.com None");
    assert_eq!(consumer.next(), "the lease lapsed, or the entry was removed: nothing was changed");
    assert_eq!(queue.settle(&[(lease, Verdict::Release)]).unwrap(), [Ok(())]);

    until("it is leased again", || states(&site) == ["1-1 leased 1: "]);
    fs::read(&saved).unwrap();
    assert_eq!(consumer.next(), "1-1 mylist@example.com None");
    until("it is settled", || site.ids("in").is_empty());
}

#[test]
#[ignore = "needs python3"]
fn expired_leases_are_taken_over_and_a_lock_is_waited_for() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com", "mylist@example.com"]);
    let leases = open(&site, Name::In).lease(2, LONG).unwrap();
    assert_eq!(ids(&leases), ["1-1", "2-1"]);
    let day = 24 * 3600 * 1000;
    let database = database(&site);
    let sql = "UPDATE entry SET available_at = available_at + ?2 WHERE delivery = ?1";
    // One lease has lapsed; the clock that stamped the other was set back.
    for (delivery, shift) in [(1, -day), (2, day)] {
        database.execute(sql, [delivery, shift]).unwrap();
    }
    let saved = slow(&site, "1-1");

    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut consumer = Consumer::start(&site);
    // Longer than Python waits for a lock by default.
    thread::sleep(Duration::from_secs(6));
    assert!(consumer.process.try_wait().unwrap().is_none(), "it waits");
    database.execute_batch("ROLLBACK").unwrap();
    let woken = ["1-1 leased 2: its lease lapsed", "2-1 waiting 1: its lease lapsed"];
    until("both leases are over", || states(&site) == woken);
    fs::read(&saved).unwrap();
    assert_eq!(consumer.next(), "1-1 mylist@example.com None");
    assert_eq!(consumer.next(), "2-1 mylist@example.com None");
    until("they are settled", || site.ids("in").is_empty());
}

#[test]
fn the_page_names_every_column() {
    let site = Site::with_list();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/queue.md");
    let page = fs::read_to_string(page).unwrap();
    let database = database(&site);
    for table in ["entry", "delivery"] {
        let (_, rows) = page.split_once(&format!("\n| column of `{table}` | what |\n")).unwrap();
        let rows = rows.split("\n\n").next().unwrap();
        let named = rows.lines().filter_map(|row| Some(row.strip_prefix("| ")?.split_once(" |")?.0));
        let mut named: Vec<&str> = named.flat_map(|names| names.split(", ")).collect();
        let mut query = database
            .prepare(&format!("SELECT '`' || name || '`' FROM pragma_table_info('{table}')"))
            .unwrap();
        let columns = query.query_map([], |row| row.get(0)).unwrap();
        let mut columns: Vec<String> = columns.map(Result::unwrap).collect();
        named.sort_unstable();
        columns.sort_unstable();
        assert_eq!(named, columns, "{table}");
    }
}
