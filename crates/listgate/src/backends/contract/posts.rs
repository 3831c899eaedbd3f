//! Steps that store posts, held posts, decisions and bounces.

use super::{Check, Mail, Rig, checks};
use crate::model::{
    BounceOf, DecisionOutcome, Effect, Evidence, Expect, HeldId, LeaseId, ListNumber, MessageId,
    MessageIdHash, NewBounce, NewDecision, NewHeldPost, NewPost, NotStepped, Personal, PostKind, Step,
    Verdict,
};

pub(super) const ALL: &[(&str, Check)] = checks![
    a_step_stores_all_that_it_decides,
    a_step_that_fails_stores_nothing,
    a_message_id_is_remembered_for_seven_days,
    a_held_post_keeps_its_message_until_it_is_decided,
    a_held_post_is_decided_once,
    an_accepted_held_post_keeps_its_message_whatever_the_order_of_effects,
    nothing_is_stored_for_a_list_that_was_removed,
    a_list_created_again_under_its_name_has_another_number,
];

const DAY: i64 = 86_400;

pub(super) async fn number(rig: &Rig) -> ListNumber {
    rig.engine().snapshot("a.example.com").await.unwrap().expect("the list exists").number
}

pub(super) fn new_post(list: ListNumber, message: MessageId) -> NewPost {
    NewPost {
        list,
        kind: PostKind::Post,
        message,
        message_id: "<1@x>".to_owned(),
        size: 100,
        settings: "{}".to_owned(),
        personal: Personal::Never,
        skipped: None,
        instead_of_owners: None,
    }
}

pub(super) fn new_held(list: ListNumber, message: MessageId) -> NewHeldPost {
    NewHeldPost {
        list,
        message,
        mail_from: "x@example.org".to_owned(),
        message_id: "<1@x>".to_owned(),
        author: "x@example.org".to_owned(),
        subject: "s".repeat(10_000),
        reasons: vec!["it is from a nonmember".to_owned()],
        notified: vec!["mia@example.org".to_owned()],
    }
}

pub(super) fn new_decision(list: ListNumber) -> NewDecision {
    NewDecision {
        list,
        message_id: "<1@x>".to_owned(),
        mail_from: "<>".to_owned(),
        outcome: DecisionOutcome::Accepted,
        reasons: Vec::new(),
    }
}

pub(super) fn new_bounce(list: ListNumber, evidence: Evidence) -> NewBounce {
    let (status, diagnostic) = (Some("5.1.1".to_owned()), Some("no such user".to_owned()));
    NewBounce { list, evidence, class: "permanent", status, diagnostic }
}

pub(super) fn message(lease: LeaseId) -> MessageId {
    MessageId(lease.entry.delivery)
}

pub(super) fn done(lease: LeaseId, effects: Vec<Effect>) -> Step {
    effects.into_iter().fold(Step::settling(lease, Verdict::Done), |step, effect| step.with(effect).unwrap())
}

fn everything(list: ListNumber, message: MessageId) -> Vec<Effect> {
    let signed = Evidence::Signed { about: BounceOf::Member, subject: 7 };
    let unsigned = Evidence::Unsigned { header: b"Subject: x\r\n".to_vec() };
    vec![
        Effect::Remember(list, MessageIdHash::of("<1@x>")),
        Effect::Distribute(Box::new(new_post(list, message))),
        Effect::Hold(Box::new(new_held(list, message))),
        Effect::RecordDecision(Box::new(new_decision(list))),
        Effect::RecordBounce(Box::new(new_bounce(list, signed))),
        Effect::RecordBounce(Box::new(new_bounce(list, unsigned))),
    ]
}

/// Creates the list, and leases the entry of a message to it.
pub(super) async fn leased(rig: &Rig) -> (ListNumber, LeaseId) {
    (rig.create)("a@example.com");
    rig.put(&Mail::default()).await;
    (number(rig).await, rig.lease_one().await)
}

/// Returns how many posts and held posts there are, and whether the Message-ID is remembered.
async fn stored(rig: &Rig, list: ListNumber) -> (u64, u64, bool) {
    let now = rig.outgoing().await;
    (now.posts, now.held, rig.engine().is_posted(list, MessageIdHash::of("<1@x>")).await.unwrap())
}

async fn a_step_stores_all_that_it_decides(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    let step = done(lease, everything(list, message(lease)));
    let not_posted = Expect::NotPosted(list, MessageIdHash::of("<1@x>"));
    rig.step(step.expecting(not_posted).unwrap()).await.unwrap();
    assert_eq!(stored(&rig, list).await, (1, 1, true));
    assert_eq!(rig.entries().await, 0);
}

async fn a_step_that_fails_stores_nothing(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    let missing = Effect::Keep(MessageId(1 << 40));
    let broken = done(lease, everything(list, message(lease))).with(missing).unwrap();
    assert!(matches!(rig.step(broken).await, Err(NotStepped::Store(_))));
    let whole = || done(lease, everything(list, message(lease)));
    let held = whole().expecting(Expect::Held(HeldId(1 << 40))).unwrap();
    assert!(matches!(rig.step(held).await, Err(NotStepped::Outdated)));
    let stale = LeaseId { fence: lease.fence + 1, ..lease };
    assert!(matches!(rig.step(whole().under(stale)).await, Err(NotStepped::Stale)));
    assert_eq!(stored(&rig, list).await, (0, 0, false));
    rig.step(done(lease, Vec::new())).await.unwrap();
    assert_eq!(rig.engine().read(message(lease), 0, 1).await.unwrap(), None, "nothing has kept it");
}

async fn a_message_id_is_remembered_for_seven_days(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    (rig.create)("b@example.com");
    let hash = MessageIdHash::of("<1@x>");
    rig.step(done(lease, vec![Effect::Remember(list, hash)])).await.unwrap();
    let again = || {
        let again = Step::settling_nothing().with(Effect::Remember(list, hash)).unwrap();
        again.expecting(Expect::NotPosted(list, hash)).unwrap()
    };
    assert!(matches!(rig.step(again()).await, Err(NotStepped::Outdated)));
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    assert!(!rig.engine().is_posted(other, hash).await.unwrap(), "another list has not");
    assert!(!rig.engine().is_posted(list, MessageIdHash::of("<2@x>")).await.unwrap());
    rig.clock.advance(7 * DAY - 1);
    assert!(rig.engine().is_posted(list, hash).await.unwrap());
    rig.clock.advance(1);
    assert!(!rig.engine().is_posted(list, hash).await.unwrap());
    rig.step(again()).await.unwrap();
    rig.clock.advance(-30 * DAY);
    assert!(
        !rig.engine().is_posted(list, hash).await.unwrap(),
        "a clock set back does not keep it for longer"
    );
}

async fn a_held_post_keeps_its_message_until_it_is_decided(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    rig.step(done(lease, vec![Effect::Hold(Box::new(new_held(list, message(lease))))])).await.unwrap();
    assert!(rig.engine().read(message(lease), 0, 1).await.unwrap().is_some());
    assert!(!rig.engine().holds_too_many(list).await.unwrap());
    let unhold = Step::settling_nothing().with(Effect::Unhold(HeldId(1), DecisionOutcome::Accepted)).unwrap();
    rig.step(unhold).await.unwrap();
    assert_eq!(rig.outgoing().await.held, 0);
    assert_eq!(rig.engine().read(message(lease), 0, 1).await.unwrap(), None);
}

async fn a_held_post_is_decided_once(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    rig.step(done(lease, vec![Effect::Hold(Box::new(new_held(list, message(lease))))])).await.unwrap();
    let accept = || {
        let accept = Step::settling_nothing().expecting(Expect::Held(HeldId(1))).unwrap();
        let accept = accept.with(Effect::Distribute(Box::new(new_post(list, message(lease))))).unwrap();
        accept.with(Effect::Unhold(HeldId(1), DecisionOutcome::Accepted)).unwrap()
    };
    let both = rig.leases().step(vec![accept(), accept()]).await.unwrap();
    assert!(matches!(&both[..], [Ok(_), Err(NotStepped::Outdated)]), "{both:?}");
    assert_eq!(stored(&rig, list).await, (1, 0, false));
}

async fn an_accepted_held_post_keeps_its_message_whatever_the_order_of_effects(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    rig.step(done(lease, vec![Effect::Hold(Box::new(new_held(list, message(lease))))])).await.unwrap();
    let accept = Step::settling_nothing().with(Effect::Unhold(HeldId(1), DecisionOutcome::Accepted)).unwrap();
    let accept = accept.with(Effect::Distribute(Box::new(new_post(list, message(lease))))).unwrap();
    rig.step(accept).await.unwrap();
    assert!(rig.engine().read(message(lease), 0, 1).await.unwrap().is_some());
}

async fn nothing_is_stored_for_a_list_that_was_removed(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    (rig.remove)("a@example.com");
    for effect in everything(list, message(lease)) {
        let step = done(lease, vec![effect]);
        assert!(matches!(rig.step(step).await, Err(NotStepped::Outdated)));
    }
    rig.clock.advance(1);
    assert_eq!(stored(&rig, list).await, (0, 0, false));
}

async fn a_list_created_again_under_its_name_has_another_number(rig: Rig) {
    let (list, lease) = leased(&rig).await;
    rig.step(done(lease, everything(list, message(lease)))).await.unwrap();
    (rig.remove)("a@example.com");
    assert!(rig.engine().snapshot("a.example.com").await.unwrap().is_none());
    (rig.create)("a@example.com");
    let again = number(&rig).await;
    assert!(again > list);
    assert!(!rig.engine().is_posted(again, MessageIdHash::of("<1@x>")).await.unwrap());
}
