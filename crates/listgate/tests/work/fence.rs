//! A consumer that comes too late changes nothing.

use crate::support::Site;
use crate::{LONG, deliver, let_time_pass, open};
use listgate::queue::{Name, Stale, Verdict};
use std::time::{Duration, SystemTime};

#[test]
fn a_lease_starts_when_the_lock_is_acquired() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let holder = rusqlite::Connection::open(site.data().join("listgate.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let hold = Duration::from_millis(400);
    let leasing = std::thread::spawn(move || queue.lease(1, hold).unwrap().remove(0));
    std::thread::sleep(2 * hold);
    let released = SystemTime::now();
    holder.execute_batch("COMMIT").unwrap();
    let ends = leasing.join().unwrap().entry.state.until().unwrap();
    assert!(ends + Duration::from_millis(1) >= released + hold, "in whole milliseconds");
}

#[test]
fn a_lease_from_before_a_retry_by_the_operator_is_stale() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let late = queue.lease(1, LONG).unwrap().pop().unwrap();
    let_time_pass(&site);
    let shunted = queue.lease(1, LONG).unwrap().pop().unwrap();
    queue.settle(&[(shunted, Verdict::Shunt { why: "no".to_owned() })]).unwrap();
    site.stdout(&["queue", "retry", "1-1"]);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!(lease.entry.attempts, late.entry.attempts, "the count starts again");
    assert_eq!(queue.settle(&[(late, Verdict::Done)]).unwrap(), [Err(Stale)]);
    assert_eq!(site.ids("in"), ["1-1"]);
}
