//! Leases, and the ways they end.

use super::{Check, LONG, Mail, Rig, checks, model};
use crate::backends::{LeaseRequest, LeaseStore, Leased};
use crate::model::{
    EntryId, Lease, LeaseId, MessageId, Name, NotStepped, Role, Stale, Step, Verdict, milliseconds,
};
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_lease_has_all_facts_about_its_entry,
    a_message_is_read_by_offset_and_length,
    a_lease_that_lapsed_is_stale_once_another_has_the_entry,
    settling_checks_the_fence_and_not_the_clock,
    a_clock_jump_delays_no_entry_for_longer_than_its_lease_or_pause,
    lists_take_turns,
    in_order_mode_a_list_waits_for_its_first_entry,
    model::leases_and_settles_agree_with_the_model,
];

async fn a_lease_has_all_facts_about_its_entry(rig: Rig) {
    let (queued, size) = rig.put(&Mail { to: &[("a", Role::Owner)], ..Mail::default() }).await;
    let lease = rig.lease(9).await.remove(0);
    let Lease { entry, .. } = &lease;
    assert_eq!(entry.id.to_string(), queued[0].id().to_string());
    assert_eq!((entry.queue.as_str(), entry.list_id.as_str()), ("in", "a.example.com"));
    assert_eq!((entry.recipient.as_deref(), entry.mail_from.as_deref()), (Some("a@example.com"), Some("<>")));
    assert_eq!((entry.attempts, entry.size, entry.received_lines), (1, size, 1));
    assert_eq!(entry.message_id.as_deref(), Some("<100@x>"));
    let until = entry.state.until().expect("it is leased, and says until when");
    assert_eq!(milliseconds(until), milliseconds(rig.clock.clock().now() + LONG));
    assert!(rig.lease(9).await.is_empty(), "nobody else has it meanwhile");
}

async fn a_message_is_read_by_offset_and_length(rig: Rig) {
    for octets in [0, 100, 200_000] {
        let (_, size) = rig.put(&Mail { octets, ..Mail::default() }).await;
        let lease = rig.lease_one().await;
        let message = MessageId(lease.entry.delivery);
        let read = |offset, length| rig.leases().read(message, offset, length);
        let whole = read(0, usize::MAX).await.unwrap().unwrap();
        assert_eq!(whole.len() as u64, size);
        assert!(whole.ends_with(if octets == 0 { b"\r\n\r\n" } else { &whole[whole.len() - 16..] }));
        let mut parts = Vec::new();
        loop {
            let part = read(parts.len() as u64, 70_001).await.unwrap().unwrap();
            if part.is_empty() {
                break;
            }
            parts.extend(part);
        }
        assert!(parts == whole);
        assert_eq!(read(size, 10).await.unwrap(), Some(Vec::new()));
        assert_eq!(read(size + 10, 10).await.unwrap(), Some(Vec::new()));
        assert_eq!(read(1, 3).await.unwrap().unwrap(), whole[1..4]);
        rig.step(Step::settling(lease, Verdict::Done)).await.unwrap();
        assert_eq!(read(0, 1).await.unwrap(), None, "it goes with its last entry");
    }
}

async fn a_lease_that_lapsed_is_stale_once_another_has_the_entry(rig: Rig) {
    rig.put(&Mail::default()).await;
    let late = rig.lease_one().await;
    rig.clock.advance(3601);
    let lease = rig.lease(1).await.remove(0);
    assert_eq!((lease.entry.attempts, lease.entry.state.reason()), (2, Some("its lease lapsed")));
    assert_eq!(rig.leases().extend(vec![late], LONG).await.unwrap(), [Err(Stale)]);
    for verdict in [
        Verdict::Done,
        Verdict::Release,
        Verdict::Retry { after: LONG, why: String::new() },
        Verdict::Shunt { why: String::new() },
    ] {
        assert!(matches!(rig.step(Step::settling(late, verdict)).await, Err(NotStepped::Stale)));
    }
    assert_eq!(rig.leases().extend(vec![lease.id()], LONG).await.unwrap(), [Ok(())]);
    rig.step(Step::settling(lease.id(), Verdict::Done)).await.unwrap();
    assert_eq!(rig.entries().await, 0);
}

/// An entry whose lease lapsed can still be settled if it was not leased again: no other consumer had it.
async fn settling_checks_the_fence_and_not_the_clock(rig: Rig) {
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    rig.clock.advance(1_000_000);
    rig.step(Step::settling(lease, Verdict::Release)).await.unwrap();
    let again = rig.lease_one().await;
    assert!(again.fence > lease.fence);
    let other = LeaseId { fence: again.fence + 1, ..again };
    assert!(matches!(rig.step(Step::settling(other, Verdict::Done)).await, Err(NotStepped::Stale)));
    let gone = LeaseId { entry: EntryId { delivery: 1 << 40, n: 1 }, ..again };
    assert!(matches!(rig.step(Step::settling(gone, Verdict::Done)).await, Err(NotStepped::Stale)));
}

async fn a_clock_jump_delays_no_entry_for_longer_than_its_lease_or_pause(rig: Rig) {
    const YEAR: i64 = 365 * 24 * 3600;
    rig.put(&Mail::default()).await;
    rig.clock.advance(YEAR);
    let late = rig.lease_one().await;
    rig.clock.advance(-30);
    assert!(rig.lease(1).await.is_empty(), "a clock that is corrected by a little ends nothing");
    rig.clock.advance(30 - YEAR);
    let lease = rig.lease(1).await.remove(0).id();
    assert!(matches!(rig.step(Step::settling(late, Verdict::Done)).await, Err(NotStepped::Stale)));
    // The same holds for a pause.
    rig.clock.advance(YEAR);
    let pause = Verdict::Retry { after: LONG, why: "later".to_owned() };
    rig.step(Step::settling(lease, pause)).await.unwrap();
    assert!(rig.lease(1).await.is_empty());
    rig.clock.advance(-YEAR);
    assert_eq!(rig.lease(1).await.len(), 1);
}

/// A queue, as one consumer works it.
struct Worked<'r> {
    store: &'r dyn LeaseStore,
    ordered: bool,
    turn: String,
}

impl Worked<'_> {
    /// Leases entries, and returns their list_ids without the domain.
    async fn lease(&mut self, max: usize) -> Vec<(String, LeaseId)> {
        let (queue, ordered, turn) = (Name::In, self.ordered, self.turn.clone());
        let request = LeaseRequest { queue, ordered, max, hold: Duration::from_secs(60), turn };
        let Leased { leases, turn } = self.store.lease(request).await.unwrap();
        self.turn = turn;
        let list = |lease: &Lease| lease.entry.list_id.trim_end_matches(".example.com").to_owned();
        leases.iter().map(|lease| (list(lease), lease.id())).collect()
    }
}

async fn lists_take_turns(rig: Rig) {
    for (list, count) in [("a", 20), ("b", 2), ("c", 2)] {
        for number in 0..count {
            rig.put(&Mail { to: &[(list, Role::Post)], octets: 100 + number, text: list }).await;
        }
    }
    let mut queue = Worked { store: rig.leases(), ordered: false, turn: String::new() };
    let mut order = String::new();
    for _ in 0..8 {
        queue.lease(1).await.iter().for_each(|(list, _)| order.push_str(list));
    }
    assert_eq!(order, "abcabcaa");
    rig.put(&Mail { to: &[("d", Role::Post)], ..Mail::default() }).await;
    assert_eq!(queue.lease(1).await[0].0, "d", "a list that comes late has its turn at once");
}

async fn in_order_mode_a_list_waits_for_its_first_entry(rig: Rig) {
    for number in 0..2 {
        rig.put(&Mail { to: &[("a", Role::Post)], octets: 100 + number, text: "" }).await;
    }
    let mut queue = Worked { store: rig.leases(), ordered: true, turn: String::new() };
    let first = queue.lease(9).await;
    assert_eq!(first.len(), 1);
    assert!(queue.lease(9).await.is_empty(), "the second waits for the first");
    let pause = Verdict::Retry { after: Duration::from_secs(10), why: String::new() };
    rig.step(Step::settling(first[0].1, pause)).await.unwrap();
    assert!(queue.lease(9).await.is_empty(), "also while it is deferred");
    rig.clock.advance(11);
    let again = queue.lease(9).await;
    assert_eq!(again[0].1.entry, first[0].1.entry);
    rig.step(Step::settling(again[0].1, Verdict::Done)).await.unwrap();
    assert_ne!(queue.lease(9).await[0].1.entry, first[0].1.entry);
}
