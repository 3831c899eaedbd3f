//! Deferred entries come back after a pause that doubles.

use crate::support::Site;
use crate::{LONG, deliver, let_time_pass, open};
use listgate::queue::{Name, Verdict};
use std::time::Duration;

#[test]
fn pauses_double_up_to_an_hour() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let mut pauses = Vec::new();
    for attempt in 1..=11 {
        let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
        assert_eq!(lease.entry.attempts, attempt);
        pauses.push(lease.back_off().as_secs());
        let why = format!("attempt {attempt} failed");
        queue.settle(&[(lease, Verdict::Retry { after: LONG, why: why.clone() })]).unwrap();
        assert_eq!(queue.lease(1, LONG).unwrap().len(), 0);
        let entry = &site.json(&["queue", "ls"])[0];
        assert_eq!((&entry["state"], &entry["reason"]), (&"later".into(), &why.into()));
        let_time_pass(&site);
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
}

#[test]
fn pauses_and_leases_end_by_themselves() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com", "mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let mut leases = queue.lease(2, Duration::from_millis(30)).unwrap();
    let off = Verdict::Retry { after: Duration::from_millis(30), why: String::new() };
    queue.settle(&[(leases.pop().unwrap(), off)]).unwrap();
    let mut back = 0;
    crate::support::until("both come back", || {
        back += queue.lease(2, LONG).unwrap().len();
        back == 2
    });
}

#[test]
fn a_released_entry_costs_no_attempt() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    queue.settle(&[(lease, Verdict::Release)]).unwrap();
    assert_eq!(queue.lease(1, LONG).unwrap()[0].entry.attempts, 1);
}

#[test]
fn a_reason_is_kept_up_to_its_limit() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    queue.settle(&[(lease, Verdict::Shunt { why: "ä".repeat(5000) })]).unwrap();
    let entry = &site.json(&["queue", "ls"])[0];
    assert_eq!(entry["reason"], "ä".repeat(1024));
}
