//! Steps, and the messages that they keep.

use super::{Check, Mail, Rig, checks};
use crate::model::{Effect, Expect, KeptId, LeaseId, MessageId, NotStepped, Role, Step, Stepped, Verdict};
use std::time::Instant;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_message_is_kept_beyond_its_entry_small_or_large,
    a_message_is_removed_with_its_last_reference,
    a_stale_step_changes_nothing,
    a_step_with_a_wrong_expectation_is_outdated_and_changes_nothing,
    a_step_that_breaks_a_constraint_changes_nothing_and_affects_no_other,
    a_step_whose_expectation_holds_is_taken,
    many_steps_are_taken_in_turn,
];

fn message(lease: LeaseId) -> MessageId {
    MessageId(lease.entry.delivery)
}

/// Makes a step that settles an entry as done, and keeps its message.
fn keeping(lease: LeaseId) -> Step {
    Step::settling(lease, Verdict::Done).with(Effect::Keep(message(lease))).unwrap()
}

async fn size(rig: &Rig, message: MessageId) -> Option<usize> {
    rig.leases().read(message, 0, usize::MAX).await.unwrap().map(|octets| octets.len())
}

async fn let_go(rig: &Rig, kept: KeptId) {
    let step = Step::settling_nothing().with(Effect::LetGo(kept)).unwrap();
    assert_eq!(rig.step(step).await.unwrap(), Stepped::default());
}

async fn a_message_is_kept_beyond_its_entry_small_or_large(rig: Rig) {
    for octets in [100, 200_000] {
        let (_, stored) = rig.put(&Mail { octets, ..Mail::default() }).await;
        let lease = rig.lease_one().await;
        let Stepped { kept, .. } = rig.step(keeping(lease)).await.unwrap();
        assert_eq!(rig.entries().await, 0);
        assert_eq!(size(&rig, message(lease)).await, usize::try_from(stored).ok());
        let_go(&rig, kept[0]).await;
        assert_eq!(size(&rig, message(lease)).await, None);
    }
}

async fn a_message_is_removed_with_its_last_reference(rig: Rig) {
    rig.put(&Mail { to: &[("a", Role::Post), ("b", Role::Post)], ..Mail::default() }).await;
    let leases: Vec<LeaseId> = rig.lease(2).await.iter().map(crate::model::Lease::id).collect();
    let twice = keeping(leases[0]).with(Effect::Keep(message(leases[0]))).unwrap();
    let Stepped { kept, .. } = rig.step(twice).await.unwrap();
    assert!(kept[0] < kept[1], "each reference has its own number");
    let_go(&rig, kept[0]).await;
    assert!(size(&rig, message(leases[0])).await.is_some(), "an entry and a reference are left");
    rig.step(Step::settling(leases[1], Verdict::Done)).await.unwrap();
    assert!(size(&rig, message(leases[0])).await.is_some(), "a reference is left");
    let_go(&rig, kept[1]).await;
    assert_eq!(size(&rig, message(leases[0])).await, None);
    rig.put(&Mail { text: "another", ..Mail::default() }).await;
    let lease = rig.lease_one().await;
    let Stepped { kept: later, .. } = rig.step(keeping(lease)).await.unwrap();
    assert!(later[0] > kept[1], "a number is never another's");
}

async fn a_stale_step_changes_nothing(rig: Rig) {
    rig.put(&Mail::default()).await;
    let late = rig.lease_one().await;
    rig.clock.advance(3601);
    let lease = rig.lease_one().await;
    assert!(matches!(rig.step(keeping(late)).await, Err(NotStepped::Stale)));
    rig.step(Step::settling(lease, Verdict::Done)).await.unwrap();
    assert_eq!(size(&rig, message(lease)).await, None, "the stale step kept nothing");
}

async fn a_step_with_a_wrong_expectation_is_outdated_and_changes_nothing(rig: Rig) {
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    let now = rig.backend.changes(Instant::now()).await.unwrap().unwrap();
    (rig.create)("new@example.com");
    for expect in [Expect::Lists(now), Expect::Kept(KeptId(1 << 40))] {
        let step = keeping(lease).expecting(expect).unwrap();
        assert!(matches!(rig.step(step).await, Err(NotStepped::Outdated)));
    }
    rig.step(Step::settling(lease, Verdict::Done)).await.unwrap();
    assert_eq!(size(&rig, message(lease)).await, None, "the outdated steps kept nothing");
}

async fn a_step_whose_expectation_holds_is_taken(rig: Rig) {
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    let now = rig.backend.changes(Instant::now()).await.unwrap().unwrap();
    let step = keeping(lease).expecting(Expect::Lists(now)).unwrap();
    let Stepped { kept, .. } = rig.step(step).await.unwrap();
    let step = Step::settling_nothing().with(Effect::LetGo(kept[0])).unwrap();
    let step = step.expecting(Expect::Kept(kept[0])).unwrap();
    rig.step(step.clone()).await.unwrap();
    assert!(matches!(rig.step(step).await, Err(NotStepped::Outdated)), "it happened once");
}

async fn a_step_that_breaks_a_constraint_changes_nothing_and_affects_no_other(rig: Rig) {
    for number in 0..3 {
        rig.put(&Mail { octets: number, ..Mail::default() }).await;
    }
    let leases: Vec<LeaseId> = rig.lease(3).await.iter().map(crate::model::Lease::id).collect();
    let broken = keeping(leases[1]).with(Effect::Keep(MessageId(1 << 40))).unwrap();
    let steps = vec![keeping(leases[0]), broken, keeping(leases[2])];
    let stepped = rig.leases().step(steps).await.unwrap();
    assert!(matches!(&stepped[..], [Ok(_), Err(NotStepped::Store(_)), Ok(_)]), "{stepped:?}");
    assert_eq!(rig.entries().await, 1);
    rig.step(Step::settling(leases[1], Verdict::Done)).await.unwrap();
    let sizes = [0, 1, 2].map(|at| size(&rig, message(leases[at])));
    let [first, second, third] = sizes;
    assert!(first.await.is_some() && second.await.is_none() && third.await.is_some());
}

async fn many_steps_are_taken_in_turn(rig: Rig) {
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    let keep = Step::settling_nothing().with(Effect::Keep(message(lease))).unwrap();
    let stepped = rig.leases().step(vec![keep; 200]).await.unwrap();
    let kept: Vec<KeptId> = stepped.into_iter().flat_map(|stepped| stepped.unwrap().kept).collect();
    assert_eq!(kept.len(), 200);
    assert!(kept.is_sorted());
}
