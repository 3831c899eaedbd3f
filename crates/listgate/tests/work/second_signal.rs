//! A second signal ends `listgate work` soon, even while another process holds the database's write lock, and
//! what it reports then is true.

use crate::handler::Workers;
use crate::support::{Site, until};
use crate::{deliver, states};
use rusqlite::Connection;
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

fn hold_write_lock(site: &Site) -> Connection {
    let holder = Connection::open(site.data().join("listgate.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

/// Waits long enough for a signal to be noticed, or for a call to the database to begin.
fn pause() {
    thread::sleep(Duration::from_secs(1));
}

/// Sends signals and returns what was written to standard error by the end, which must come soon after the last
/// signal.
fn ended_by(signals: usize, worker: &mut Workers, code: i32) -> String {
    for _ in 1..signals {
        worker.signal("TERM");
        pause();
    }
    let start = Instant::now();
    worker.signal("TERM");
    assert_eq!(worker.wait(), Some(code));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    worker.error_output()
}

/// Returns the time until which an entry stays leased, as reported.
fn reported_until(stderr: &str, id: &str) -> SystemTime {
    let words = format!("{id} stays leased until ");
    let (_, rest) = stderr.split_once(&words).unwrap_or_else(|| panic!("{words:?} in {stderr}"));
    humantime::parse_rfc3339(rest.split_whitespace().next().unwrap()).unwrap()
}

fn listed_until(site: &Site, at: usize) -> SystemTime {
    let listed = site.json(&["queue", "ls"]);
    assert_eq!(listed[at]["state"], "leased");
    humantime::parse_rfc3339(listed[at]["available_at"].as_str().unwrap()).unwrap()
}

#[test]
fn interrupted_entries_wait_again_if_the_database_can_be_written() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let mut worker = Workers::start_piped(&site, &["in", "--jobs", "2"], &["sleep", "60"]);
    worker.until_running(2);
    let stderr = ended_by(2, &mut worker, 1);
    assert!(stderr.contains("a second signal ends them now"), "{stderr}");
    assert!(stderr.contains("stopped at once; what ran waits again"), "{stderr}");
    assert_eq!(states(&site), ["1-1 waiting 0: ", "2-1 waiting 0: "]);
}

#[test]
fn running_entries_stay_leased_if_the_database_is_locked() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let mut worker = Workers::start_piped(&site, &["in", "--jobs", "2"], &["sleep", "60"]);
    worker.until_running(2);
    let lock = hold_write_lock(&site);
    let stderr = ended_by(2, &mut worker, 1);
    drop(lock);
    assert!(!stderr.contains("waits again"), "{stderr}");
    for (at, id) in ["1-1", "2-1"].into_iter().enumerate() {
        let (reported, listed) = (reported_until(&stderr, id), listed_until(&site, at));
        assert!(reported >= listed && reported < listed + Duration::from_secs(2), "{reported:?}, {listed:?}");
    }
}

#[test]
fn finished_entries_stay_leased_if_they_cannot_be_settled() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let go = site.data().join("go");
    let script = "while [ ! -e $0 ]; do sleep 0.05; done";
    let mut worker = Workers::start_piped(&site, &["in"], &["sh", "-c", script, go.to_str().unwrap()]);
    worker.until_running(1);
    let lock = hold_write_lock(&site);
    fs::write(go, "").unwrap();
    until("the command has ended", || worker.running().is_empty());
    pause();
    let stderr = ended_by(2, &mut worker, 1);
    drop(lock);
    assert!(!stderr.contains("waits again"), "{stderr}");
    assert!(reported_until(&stderr, "1-1") >= listed_until(&site, 0));
}

#[test]
fn extending_a_lease_does_not_delay_the_end() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut worker = Workers::start_piped(&site, &["in", "--lease", "6s"], &["sleep", "60"]);
    worker.until_running(1);
    let lock = hold_write_lock(&site);
    // The lease is extended after two seconds.
    thread::sleep(Duration::from_millis(2400));
    let stderr = ended_by(2, &mut worker, 1);
    drop(lock);
    assert!(reported_until(&stderr, "1-1") >= listed_until(&site, 0));
}

#[test]
fn the_first_signal_ends_an_idle_worker() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let lock = hold_write_lock(&site);
    let mut worker = Workers::start_piped(&site, &["in"], &["true"]);
    worker.until_it_handles_signals();
    pause();
    let stderr = ended_by(1, &mut worker, 0);
    drop(lock);
    assert!(!stderr.contains("leased"), "{stderr}");
    assert_eq!(states(&site), ["1-1 waiting 0: "]);
}
