//! Whoever comes too late changes nothing.

use crate::support::Site;
use crate::{LONG, deliver, let_time_pass, open};
use listgate::queue::{Name, Stale, Verdict};
use std::time::{Duration, SystemTime};

#[test]
fn a_lapsed_lease_is_stale_once_another_has_the_entry() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let (mut slow, mut other) = (open(&site, Name::In), open(&site, Name::In));
    let late = slow.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!(other.lease(1, LONG).unwrap().len(), 0);
    let_time_pass(&site);
    let lease = other.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!((late.entry.attempts, lease.entry.attempts), (1, 2));
    assert_eq!(lease.entry.reason.as_deref(), Some("its lease lapsed"));
    assert_eq!(slow.extend(&[&late], LONG).unwrap(), [Err(Stale)]);
    let mut settled = (late, Verdict::Done);
    for verdict in [
        Verdict::Done,
        Verdict::Release,
        Verdict::Retry { after: LONG, why: String::new() },
        Verdict::Shunt { why: String::new() },
    ] {
        settled.1 = verdict;
        assert_eq!(slow.settle(std::slice::from_ref(&settled)).unwrap(), [Err(Stale)]);
    }
    assert_eq!(other.extend(&[&lease], LONG).unwrap(), [Ok(())]);
    assert_eq!(other.settle(&[(lease, Verdict::Done)]).unwrap(), [Ok(())]);
    assert_eq!(site.ids("in").len(), 0);
}

#[test]
fn a_lease_lasts_from_when_the_lock_is_had() {
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
    let ends = leasing.join().unwrap().entry.available_at.unwrap();
    let least = (released + hold).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::try_from(ends).unwrap() >= least - 1, "in whole milliseconds");
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
    assert_eq!(lease.entry.attempts, late.entry.attempts, "they are counted anew");
    assert_eq!(queue.settle(&[(late, Verdict::Done)]).unwrap(), [Err(Stale)]);
    assert_eq!(site.ids("in"), ["1-1"]);
}
