//! `listgate backup`: a complete copy while mail comes and goes, and a gate on the copy. The doctor is asked in
//! between.

use crate::support::{PATIENCE, Peer, Server, Site, queued_as, tcp};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SESSIONS: usize = 4;
const BACKUPS: usize = 40;

/// Returns the message with this number; every third goes to a spool file.
fn message(number: usize) -> String {
    let size = if number.is_multiple_of(3) { 70_000 + number % 97 * 1000 } else { number % 9973 };
    let line = format!("the body of {number}, again and again\r\n");
    format!("Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{}", line.repeat(size / line.len()))
}

/// Returns the same message as it is stored.
fn stored(number: usize) -> String {
    message(number).replacen("\r\n\r\n", "\r\nX-MailFrom: a@example.org\r\n\r\n", 1)
}

/// What the mail servers and the consumer know of the entries.
#[derive(Default)]
struct Known {
    /// The message number of each entry that was acknowledged, until its removal begins.
    there: HashMap<String, usize>,
    /// The entries whose removal has ended.
    gone: HashSet<String>,
}

/// Delivers with pauses, as the gate removes spool files when it is idle.
fn deliver(address: SocketAddr, session: usize, known: &Mutex<Known>, done: &AtomicBool) {
    let mut peer = Peer::greeted(address);
    let begun = Instant::now();
    for number in (session..).step_by(SESSIONS) {
        while begun.elapsed().as_millis() % 1000 > 300 && !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        if done.load(Ordering::Relaxed) {
            return;
        }
        let to = ["mylist@example.com", "mylist-owner@example.com"];
        for reply in peer.deliver("a@example.org", &to, message(number)) {
            known.lock().unwrap().there.insert(queued_as(&reply).to_owned(), number);
        }
    }
}

/// Removes entries as a consumer does.
fn consume(site: &Site, known: &Mutex<Known>, done: &AtomicBool) {
    let connection = Connection::open(site.data().join("listgate.db")).unwrap();
    connection.busy_timeout(crate::support::PATIENCE).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    while !done.load(Ordering::Relaxed) {
        let ids: Vec<String> = {
            let mut known = known.lock().unwrap();
            let ids: Vec<String> = known.there.keys().take(known.there.len() * 2 / 3).cloned().collect();
            for id in &ids {
                known.there.remove(id);
            }
            ids
        };
        for id in ids {
            let (delivery, n) = id.split_once('-').unwrap();
            let delivery = i64::from_str_radix(delivery, 16).unwrap();
            let sql = "DELETE FROM entry WHERE delivery = ?1 AND n = ?2";
            assert_eq!(connection.execute(sql, (delivery, n.parse::<i64>().unwrap())), Ok(1));
            known.lock().unwrap().gone.insert(id);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ends the load when dropped, so that it ends when a test fails, too.
struct SetAtTheEnd<'a>(&'a AtomicBool);

impl Drop for SetAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Checks that a copy is sound, with every body whole and no extra file. Returns its entries.
fn entries(copy: &Path) -> HashSet<String> {
    let mut names: Vec<PathBuf> = fs::read_dir(copy).unwrap().map(|file| file.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [copy.join("listgate.db"), copy.join("spool")]);
    let database = Connection::open(copy.join("listgate.db")).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let sql = "SELECT message_id, size, spool, body FROM delivery";
    let mut statement = database.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut files = 0;
    while let Some(row) = rows.next().unwrap() {
        let message_id: String = row.get(0).unwrap();
        let number = message_id[1..].split_once('@').unwrap().0.parse().unwrap();
        let octets: Vec<u8> = match row.get::<_, Option<String>>(2).unwrap() {
            Some(name) => {
                files += 1;
                fs::read(copy.join("spool").join(name)).unwrap()
            }
            None => row.get(3).unwrap(),
        };
        assert!(octets == stored(number).as_bytes(), "{message_id} is not what was sent");
        assert_eq!(row.get::<_, usize>(1).unwrap(), octets.len());
    }
    assert_eq!(fs::read_dir(copy.join("spool")).unwrap().count(), files);
    let sql = "SELECT printf('%x-%d', delivery, n) FROM entry";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn each_backup_under_load_has_all_acknowledged_mail_with_its_bodies() {
    let site = Site::with_list();
    let copies = tempfile::tempdir().unwrap();
    let gate = site.gate(site.config());
    let (known, done) = (Mutex::new(Known::default()), AtomicBool::new(false));
    let mut spooled = 0;
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (known, done, address) = (&known, &done, tcp(&gate));
            scope.spawn(move || deliver(address, session, known, done));
        }
        scope.spawn(|| consume(&site, &known, &done));
        let _done = SetAtTheEnd(&done);
        for round in 0..BACKUPS {
            // However slow the machine is, there must be load between two backups.
            let until = Instant::now() + PATIENCE;
            while known.lock().unwrap().gone.len() < 2 * round + 2 {
                assert!(Instant::now() < until, "nothing is removed");
                thread::sleep(Duration::from_millis(10));
            }
            let copy = copies.path().join(round.to_string());
            let (there, gone) = {
                let known = known.lock().unwrap();
                (known.there.clone(), known.gone.clone())
            };
            let stdout = site.stdout(&["backup", copy.to_str().unwrap()]);
            let still_there: HashSet<String> = known.lock().unwrap().there.keys().cloned().collect();
            let copied = entries(&copy);
            for id in there.keys().filter(|id| still_there.contains(*id)) {
                assert!(copied.contains(id), "{id} was acknowledged before backup {round} began");
            }
            assert!(copied.is_disjoint(&gone), "what was removed before does not come back");
            assert!(stdout.contains(&format!("entries      {}\n", copied.len())), "{stdout}");
            spooled += fs::read_dir(copy.join("spool")).unwrap().count();
            fs::remove_dir_all(copy).unwrap();
            if round % 8 == 0 {
                let doctor = site.listgate(&["doctor", "--listen", &tcp(&gate).to_string()]);
                let stdout = String::from_utf8(doctor.stdout).unwrap();
                assert!(doctor.status.success(), "files that come and go are not reported:\n{stdout}");
            }
        }
    });
    gate.stop().unwrap();
    assert!(spooled > BACKUPS / 10, "there were {spooled} large bodies in {BACKUPS} backups");
    assert!(!site.data().join("backup-links").exists());
}

#[test]
fn a_backup_waits_for_writers_to_finish() {
    let site = Site::with_list();
    let writer = Connection::open(site.data().join("listgate.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let copy = site.data().join("copy");
    let mut backup = site.command().arg("backup").arg(&copy).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(backup.try_wait().unwrap(), None, "it waits for the writer");
    writer.execute_batch("DELETE FROM list; COMMIT").unwrap();
    assert!(backup.wait().unwrap().success());
    let copied = Connection::open(copy.join("listgate.db")).unwrap();
    let lists: u64 = copied.query_row("SELECT count(*) FROM list", [], |row| row.get(0)).unwrap();
    assert_eq!(lists, 0, "what was written before is copied");
}

#[test]
fn a_gate_on_the_copy_has_the_lists_and_the_mail() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    for number in [1, 3] {
        peer.deliver("a@example.org", &["mylist@example.com"], message(number));
    }
    let copy = site.data().join("copy");
    let dir = copy.to_str().unwrap();
    let stdout = site.stdout(&["backup", dir]);
    for line in ["lists        1", "entries      2", "spool files  1"] {
        assert!(stdout.contains(line), "{stdout}");
    }
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
    gate.stop().unwrap();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--data-dir", dir]);
    let server = Server::start(command);
    Peer::greeted(server.address).assert_usable();
    let ids: Vec<String> = site.stdout(&["queue", "ls", "in", "--data-dir", dir]).lines().map(id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[2].starts_with("10003e9-"), "{ids:?}: no id that the first gate may give meanwhile");
    for (id, number) in ids.iter().zip([1, 3]) {
        assert_eq!(site.stdout(&["queue", "show", id, "--message", "--data-dir", dir]), stored(number));
    }
}

/// Returns the id, which is the first word of a line of `queue ls`.
fn id(line: &str) -> String {
    line.split_whitespace().next().unwrap().to_owned()
}

/// Returns what a failing `listgate backup` reports.
fn refused(site: &Site, args: &[&str]) -> String {
    let output = site.listgate(&[&["backup"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_nonempty_target_and_missing_data_are_refused() {
    let site = Site::with_list();
    let full = tempfile::tempdir().unwrap();
    fs::write(full.path().join("mine"), "").unwrap();
    let stderr = refused(&site, &[full.path().to_str().unwrap()]);
    assert!(stderr.contains("is not empty: name a directory that does not exist yet"), "{stderr}");
    assert!(full.path().join("mine").exists());
    let copy = full.path().join("copy");
    let nowhere = full.path().join("typo");
    let stderr = refused(&site, &[copy.to_str().unwrap(), "--data-dir", nowhere.to_str().unwrap()]);
    assert!(stderr.contains("no data found in"), "{stderr}");
    assert!(!copy.exists() && !nowhere.exists());
    let stderr = refused(&site, &[nowhere.join("copy").to_str().unwrap()]);
    assert!(stderr.contains("cannot create") && stderr.contains("typo"), "{stderr}");
    assert!(!site.data().join("backup-links").exists());
}

#[test]
fn for_a_mailman_site_the_refusal_names_what_to_copy() {
    let site = Site::new();
    let cfg = site.data().join("mailman.cfg");
    fs::write(&cfg, "").unwrap();
    let copy = site.data().join("copy");
    let stderr = refused(&site, &[copy.to_str().unwrap(), "--mailman", cfg.to_str().unwrap()]);
    assert!(
        stderr.contains("var_dir") && stderr.contains("queue_dir") && stderr.contains("database"),
        "{stderr}"
    );
    assert!(!stderr.contains("mailman create") && !copy.exists(), "{stderr}");
}

#[test]
fn a_failed_backup_leaves_nothing_and_links_of_a_killed_one_are_removed() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    Peer::greeted(tcp(&gate)).deliver("a@example.org", &["mylist@example.com"], message(3));
    let spool = site.data().join("spool");
    let body = fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let aside = site.data().join("aside");
    fs::rename(&body, &aside).unwrap();
    let copies = tempfile::tempdir().unwrap();
    let (new, empty) = (copies.path().join("new"), copies.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for copy in [&new, &empty] {
        let stderr = refused(&site, &[copy.to_str().unwrap()]);
        assert!(stderr.contains(body.to_str().unwrap()) && stderr.contains("listgate doctor"), "{stderr}");
    }
    assert!(!new.exists() && fs::read_dir(&empty).unwrap().count() == 0);
    fs::rename(&aside, &body).unwrap();

    let links = site.data().join("backup-links");
    fs::create_dir(&links).unwrap();
    fs::hard_link(&body, links.join("of-one-that-was-killed")).unwrap();
    let held = fs::File::open(&links).unwrap();
    held.lock().unwrap();
    let stderr = refused(&site, &[new.to_str().unwrap()]);
    assert!(stderr.contains("another backup") && !new.exists(), "{stderr}");
    drop(held);
    site.stdout(&["backup", empty.to_str().unwrap()]);
    assert_eq!(entries(&empty).len(), 1);
    assert!(!links.exists());
}
