//! A clock that was ahead is set right: no lease or pause that it stamped lasts longer than it can.

use crate::handler::work;
use crate::support::{Site, get};
use crate::{LONG, deliver, ids, open, states};
use listgate::queue::{Lease, Name, Queue, Stale, Verdict};
use std::time::Duration;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Leases two waiting entries, defers the second, and returns the other lease.
fn lease_one_and_defer_one(queue: &mut Queue) -> Lease {
    let mut leases = queue.lease(2, LONG).unwrap();
    let off = Verdict::Retry { after: LONG, why: "not now".to_owned() };
    assert_eq!(queue.settle(&[(leases.pop().unwrap(), off)]).unwrap(), [Ok(())]);
    leases.pop().unwrap()
}

#[test]
fn a_lease_by_a_clock_that_was_ahead_is_free_once_the_clock_is_right() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let (mut early, mut other) = (open(&site, Name::In), open(&site, Name::In));
    site.clock.advance(YEAR);
    let late = early.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!(other.lease(1, LONG).unwrap().len(), 0, "it holds while the clock is ahead");
    site.clock.set_back(YEAR);
    let lease = other.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!((late.entry.attempts, lease.entry.attempts), (1, 2));
    assert_eq!(lease.entry.state.reason(), Some("its lease lapsed"));
    assert_eq!(early.extend(&[&late], LONG).unwrap(), [Err(Stale)]);
    assert_eq!(early.settle(&[(late, Verdict::Done)]).unwrap(), [Err(Stale)]);
    assert_eq!(other.settle(&[(lease, Verdict::Done)]).unwrap(), [Ok(())]);
    assert_eq!(site.ids("in").len(), 0);
}

#[test]
fn a_lease_by_a_clock_that_was_ahead_does_not_block_operators() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let mut queue = open(&site, Name::In);
    site.clock.advance(YEAR);
    let late = queue.lease(2, LONG).unwrap();
    site.clock.set_back(YEAR);
    assert_eq!(site.stdout(&["queue", "hold", "1-1"]), "held 1-1\n");
    assert_eq!(site.stdout(&["queue", "retry", "2-1"]), "to be retried 2-1\n");
    assert_eq!(late.len(), 2);
    for lease in late {
        assert_eq!(queue.settle(&[(lease, Verdict::Done)]).unwrap(), [Err(Stale)]);
    }
    assert_eq!(states(&site), ["1-1 held 1: ", "2-1 waiting 0: "]);
}

#[test]
fn a_pause_by_a_clock_that_was_ahead_is_over_once_the_clock_is_right() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    site.clock.advance(YEAR);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    let off = Verdict::Retry { after: LONG, why: "not now".to_owned() };
    assert_eq!(queue.settle(&[(lease, off)]).unwrap(), [Ok(())]);
    assert_eq!(queue.lease(1, LONG).unwrap().len(), 0, "it lasts while the clock is ahead");
    site.clock.set_back(YEAR);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!(lease.entry.attempts, 2);
    assert_eq!(lease.entry.state.reason(), Some("not now"));
}

#[test]
fn in_order_mode_no_list_stalls_after_a_clock_that_was_ahead() {
    let site = Site::new();
    site.create("a@example.com");
    site.create("b@example.com");
    deliver(&site, &["a@example.com", "a@example.com", "b@example.com", "b@example.com"]);
    let mut queue = open(&site, Name::In).ordered();
    site.clock.advance(YEAR);
    // The first entry of one list stays leased, that of the other is deferred.
    let mut leases = queue.lease(10, LONG).unwrap();
    assert_eq!(ids(&leases), ["1-1", "3-1"]);
    let off = Verdict::Retry { after: LONG, why: "not now".to_owned() };
    queue.settle(&[(leases.pop().unwrap(), off)]).unwrap();
    assert_eq!(queue.lease(10, LONG).unwrap().len(), 0);
    site.clock.set_back(YEAR);
    let leases = queue.lease(10, LONG).unwrap();
    assert_eq!(ids(&leases), ["1-1", "3-1"], "the first of each list comes first again");
    let done: Vec<_> = leases.into_iter().map(|lease| (lease, Verdict::Done)).collect();
    assert_eq!(queue.settle(&done).unwrap(), [Ok(()); 2]);
    assert_eq!(ids(&queue.lease(10, LONG).unwrap()), ["2-1", "4-1"]);
}

#[test]
fn listgate_work_takes_entries_leased_or_deferred_by_a_clock_that_was_ahead() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let mut queue = open(&site, Name::In);
    site.clock.advance(YEAR);
    lease_one_and_defer_one(&mut queue);
    assert_eq!(states(&site), ["1-1 leased 1: ", "2-1 later 1: not now"]);
    work(&site, &["in", "--drain"], &["true"]);
    assert_eq!(states(&site).len(), 0);
}

#[test]
fn entries_leased_or_deferred_by_a_clock_that_was_ahead_count_as_waiting() {
    let site = Site::with_list();
    let age = Duration::from_secs(9000);
    site.clock.set_back(age);
    deliver(&site, &["mylist@example.com"]);
    site.clock.advance(age);
    let gate = site.gate(listgate::Config { admin: Some("127.0.0.1:0".parse().unwrap()), ..site.config() });
    let oldest = || {
        let metrics = get(gate.admin().unwrap(), "/metrics?of=queues");
        let value = "listgate_queue_oldest_seconds{queue=\"in\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(value)).unwrap().parse::<u64>().unwrap()
    };
    site.clock.advance(YEAR);
    open(&site, Name::In).lease(1, LONG).unwrap();
    assert_eq!(oldest(), 0, "somebody has it");
    site.clock.set_back(YEAR);
    let oldest = oldest();
    assert!((9000..10_000).contains(&oldest), "{oldest}");
}

/// NTP makes such corrections now and then.
#[test]
fn a_clock_that_is_set_back_by_less_than_a_minute_ends_nothing() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let (mut queue, mut other) = (open(&site, Name::In), open(&site, Name::In));
    let correction = Duration::from_secs(59);
    site.clock.advance(correction);
    let lease = lease_one_and_defer_one(&mut queue);
    site.clock.set_back(correction);
    assert_eq!(other.lease(2, LONG).unwrap().len(), 0);
    let stderr = String::from_utf8(site.listgate(&["queue", "hold", "1-1"]).stderr).unwrap();
    assert!(stderr.contains("1-1 is leased"), "{stderr}");
    assert_eq!(states(&site), ["1-1 leased 1: ", "2-1 later 1: not now"]);
    assert_eq!(queue.extend(&[&lease], LONG).unwrap(), [Ok(())]);
    assert_eq!(queue.settle(&[(lease, Verdict::Done)]).unwrap(), [Ok(())]);
}

#[test]
fn an_operator_sees_that_it_is_free_and_that_the_clock_was_ahead() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let mut queue = open(&site, Name::In);
    site.clock.advance(YEAR);
    lease_one_and_defer_one(&mut queue);
    site.clock.set_back(YEAR);
    let shown = site.stdout(&["queue", "ls"]);
    assert!(shown.contains("(leased, lapsed)") && shown.contains("(later, due)"), "{shown}");
    let doctor = site.listgate(&["doctor"]);
    let stdout = String::from_utf8(doctor.stdout).unwrap();
    assert!(stdout.contains("entries leased or deferred by a clock that was ahead: 2"), "{stdout}");
}

/// A consumer may have vanished without a trace, on another machine or in a debugger.
#[test]
fn an_operator_may_free_an_entry_from_a_lease() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let late = queue.lease(1, LONG).unwrap().pop().unwrap();
    let refused = site.listgate(&["queue", "retry", "1-1"]);
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && stderr.contains("`listgate queue retry --leased` frees the entry"),
        "{stderr}"
    );
    assert_eq!(site.stdout(&["queue", "retry", "--leased", "1-1"]), "to be retried 1-1\n");
    assert_eq!(states(&site), ["1-1 waiting 0: "]);
    assert_eq!(queue.settle(&[(late, Verdict::Done)]).unwrap(), [Err(Stale)]);
    let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
    assert_eq!(queue.settle(&[(lease, Verdict::Done)]).unwrap(), [Ok(())]);
}
