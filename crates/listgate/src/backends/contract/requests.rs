//! Requests that wait for an answer, and members who join, leave and come back.

use super::outbox::{self, address, claim, join, leave};
use super::posts::number;
use super::{Check, Rig, checks};
use crate::model::{
    Effect, Expect, ListNumber, Member, MemberAddress, MemberChange, MemberRole, NamedAddress, NewMember,
    NewRequest, NotStepped, OffBy, Request, RequestId, RequestKind, RequestPhase, Seq, Step, Stepped,
};
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    an_address_joins_once,
    a_member_who_left_gets_no_copy_and_can_come_back_for_seven_days,
    a_former_member_comes_back_with_the_same_settings_once,
    who_is_a_member_again_cannot_come_back,
    a_clock_set_back_lets_nobody_come_back_for_longer,
    only_members_leave,
    members_are_found_by_number_and_in_order,
    a_request_waits_until_it_ends,
    a_request_that_is_made_again_keeps_its_number_and_phase,
    a_number_of_a_request_is_never_used_again,
    a_request_is_forgotten_after_its_time,
    a_request_changes_only_as_it_was_seen,
    a_request_belongs_to_its_list_address_and_kind,
    the_requests_to_join_a_list_are_counted,
    everything_of_a_removed_list_is_gone,
];

const DAY: i64 = 86_400;

pub(super) fn anne() -> MemberAddress {
    "Anne@Example.org".parse().unwrap()
}

pub(super) async fn list(rig: &Rig) -> ListNumber {
    (rig.create)("a@example.com");
    number(rig).await
}

pub(super) fn with(effects: impl IntoIterator<Item = Effect>) -> Step {
    effects.into_iter().fold(Step::settling_nothing(), |step, effect| step.with(effect).unwrap())
}

/// Takes a step with one effect.
pub(super) async fn take(rig: &Rig, effect: Effect) -> Result<Stepped, NotStepped> {
    rig.step(with([effect])).await
}

pub(super) fn is_outdated(stepped: &Result<Stepped, NotStepped>) -> bool {
    matches!(stepped, Err(NotStepped::Outdated))
}

/// Returns whether an expectation holds.
pub(super) async fn holds(rig: &Rig, expect: Expect) -> bool {
    match rig.step(Step::settling_nothing().expecting(expect).unwrap()).await {
        Ok(_) => true,
        Err(NotStepped::Outdated) => false,
        Err(why) => panic!("{why}"),
    }
}

pub(super) fn new_member(changes: Vec<MemberChange>) -> Box<NewMember> {
    let named: NamedAddress = "Anne Person <Anne@Example.org>".parse().unwrap();
    Box::new(NewMember { named, changes })
}

async fn add(rig: &Rig, list: ListNumber, changes: Vec<MemberChange>) -> Seq {
    take(rig, Effect::Join(list, new_member(changes))).await.unwrap().joined.unwrap()
}

async fn members(rig: &Rig, list: ListNumber) -> Vec<Member> {
    rig.engine().roster(list, 100).await.unwrap()
}

pub(super) fn new_request(list: ListNumber, kind: RequestKind, phase: RequestPhase) -> NewRequest {
    let NamedAddress { address, name } = "Anne Person <Anne@Example.org>".parse().unwrap();
    NewRequest { list, kind, phase, address, name, confirmed: false }
}

pub(super) async fn ask(rig: &Rig, new: NewRequest) -> RequestId {
    take(rig, Effect::Ask(Box::new(new))).await.unwrap().asked.unwrap()
}

async fn ask_to_join(rig: &Rig, list: ListNumber) -> RequestId {
    ask(rig, new_request(list, RequestKind::Join, RequestPhase::Confirm)).await
}

async fn request(rig: &Rig, id: RequestId) -> Option<Request> {
    rig.engine().request(id).await.unwrap()
}

async fn an_address_joins_once(rig: Rig) {
    let list = list(&rig).await;
    let not_member = || Expect::NotMember(list, anne());
    assert!(holds(&rig, not_member()).await);
    join(&rig, MemberRole::Owner, &["anne@example.org".to_owned()]).await;
    assert!(holds(&rig, not_member()).await, "an owner is not a member");
    let seq = add(&rig, list, vec![MemberChange::Verified(true)]).await;
    let [member] = &members(&rig, list).await[..] else { panic!("there is one") };
    assert_eq!((member.seq, member.role, member.address.clone()), (seq, MemberRole::Member, anne()));
    assert_eq!(member.settings.name.as_ref().unwrap().as_str(), "Anne Person");
    let now = Some(rig.clock.clock().now());
    assert_eq!((member.settings.verified_at, Some(member.joined_at)), (now, now));
    assert!(!holds(&rig, not_member()).await);
    assert!(holds(&rig, Expect::Member(list, seq)).await);
    // Without the expectation, too, it is not an error of the store, and the rest of the step does not happen.
    let again = Effect::Join(list, new_member(Vec::new()));
    let request = Effect::Ask(Box::new(new_request(list, RequestKind::Join, RequestPhase::Confirm)));
    assert!(is_outdated(&rig.step(with([request, again])).await));
    assert_eq!(rig.engine().request_of(list, &anne(), RequestKind::Join).await.unwrap(), None);
    assert_eq!(members(&rig, list).await.len(), 1);
}

async fn a_member_who_left_gets_no_copy_and_can_come_back_for_seven_days(rig: Rig) {
    let list = list(&rig).await;
    let seq = add(&rig, list, Vec::new()).await;
    join(&rig, MemberRole::Member, &[address(1)]).await;
    outbox::post(&rig, |_| {}).await;
    let former = || Expect::Former(list, seq);
    assert!(!holds(&rig, former()).await);
    assert_eq!(take(&rig, Effect::Leave(list, seq)).await.unwrap(), Stepped::default());
    assert!(!holds(&rig, Expect::Member(list, seq)).await);
    let claimed = claim(&rig, outbox::REQUEST).await.remove(0);
    assert_eq!(outbox::addresses(&claimed), [address(1)]);
    assert!(is_outdated(&take(&rig, Effect::Leave(list, seq)).await), "only once");
    rig.clock.advance(7 * DAY - 1);
    assert!(holds(&rig, former()).await);
    let found = rig.engine().former(list, seq).await.unwrap().unwrap();
    assert_eq!((found.seq, found.list, found.address), (seq, list, anne()));
    assert_eq!(found.name.unwrap().as_str(), "Anne Person");
    assert_eq!(found.left_at, rig.clock.clock().now() - Duration::from_secs(7 * 86_400 - 1));
    rig.clock.advance(1);
    assert!(!holds(&rig, former()).await);
    assert_eq!(rig.engine().former(list, seq).await.unwrap(), None);
    assert!(is_outdated(&take(&rig, Effect::Rejoin(list, seq)).await));
    assert_eq!(members(&rig, list).await.len(), 1);
}

async fn a_former_member_comes_back_with_the_same_settings_once(rig: Rig) {
    let list = list(&rig).await;
    let until = Some(rig.clock.clock().now() + Duration::from_secs(90 * 86_400));
    let off = MemberChange::DeliveryOff { by: OffBy::User, until };
    let changes =
        vec![MemberChange::Verified(true), off, MemberChange::OwnPosts(false), MemberChange::Hidden(true)];
    let seq = add(&rig, list, changes).await;
    let before = members(&rig, list).await.remove(0);
    take(&rig, Effect::Leave(list, seq)).await.unwrap();
    rig.clock.advance(DAY);
    let (back, twice) = (Effect::Rejoin(list, seq), Effect::Rejoin(list, seq));
    let again = take(&rig, back).await.unwrap().joined.unwrap();
    assert!(again > seq, "it gets no post that was accepted before");
    let after = members(&rig, list).await.remove(0);
    let joined_at = rig.clock.clock().now();
    assert_eq!(after, Member { seq: again, joined_at, version: 1, ..before });
    assert!(is_outdated(&take(&rig, twice).await));
    assert_eq!(rig.engine().former(list, seq).await.unwrap(), None);
}

async fn who_is_a_member_again_cannot_come_back(rig: Rig) {
    let list = list(&rig).await;
    let seq = add(&rig, list, Vec::new()).await;
    take(&rig, Effect::Leave(list, seq)).await.unwrap();
    let now = add(&rig, list, Vec::new()).await;
    assert!(is_outdated(&take(&rig, Effect::Rejoin(list, seq)).await));
    assert_eq!(members(&rig, list).await.iter().map(|member| member.seq).collect::<Vec<_>>(), [now]);
    take(&rig, Effect::Leave(list, now)).await.unwrap();
    assert!(take(&rig, Effect::Rejoin(list, seq)).await.is_ok(), "each token works until one has");
}

async fn a_clock_set_back_lets_nobody_come_back_for_longer(rig: Rig) {
    let list = list(&rig).await;
    let seq = add(&rig, list, Vec::new()).await;
    take(&rig, Effect::Leave(list, seq)).await.unwrap();
    rig.clock.advance(-30);
    assert!(holds(&rig, Expect::Former(list, seq)).await);
    rig.clock.advance(-DAY);
    assert!(!holds(&rig, Expect::Former(list, seq)).await);
    assert!(is_outdated(&take(&rig, Effect::Rejoin(list, seq)).await));
}

async fn only_members_leave(rig: Rig) {
    let list = list(&rig).await;
    (rig.create)("b@example.com");
    join(&rig, MemberRole::Owner, &["anne@example.org".to_owned()]).await;
    let owner = rig.engine().standing(list, &anne()).await.unwrap().remove(0).seq;
    assert!(is_outdated(&take(&rig, Effect::Leave(list, owner)).await));
    let seq = add(&rig, list, Vec::new()).await;
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    assert!(is_outdated(&take(&rig, Effect::Leave(other, seq)).await));
    assert!(!holds(&rig, Expect::Member(other, seq)).await);
    assert!(!holds(&rig, Expect::Member(list, owner)).await);
    take(&rig, Effect::Leave(list, seq)).await.unwrap();
    assert!(!holds(&rig, Expect::Former(other, seq)).await);
    assert!(is_outdated(&take(&rig, Effect::Rejoin(other, seq)).await));
    assert_eq!(rig.engine().standing(list, &anne()).await.unwrap().len(), 1, "the owner stays");
}

async fn members_are_found_by_number_and_in_order(rig: Rig) {
    let list = list(&rig).await;
    join(&rig, MemberRole::Member, &[3, 1, 2].map(address)).await;
    join(&rig, MemberRole::Moderator, &[address(4)]).await;
    let names = async |most| -> Vec<String> {
        let roster = rig.engine().roster(list, most).await.unwrap();
        roster.iter().map(|member| member.address.to_string()).collect()
    };
    assert_eq!(names(9).await, [3, 1, 2].map(address));
    assert_eq!(names(2).await, [3, 1].map(address));
    let one = members(&rig, list).await.remove(1);
    assert_eq!(rig.engine().member_of_seq(list, one.seq).await.unwrap(), Some(one.clone()));
    leave(&rig, MemberRole::Member, &address(1)).await;
    assert_eq!(rig.engine().member_of_seq(list, one.seq).await.unwrap(), None);
    assert!(!holds(&rig, Expect::Former(list, one.seq)).await, "an operator has removed it");
}

async fn a_request_waits_until_it_ends(rig: Rig) {
    let list = list(&rig).await;
    let none = || Expect::NoRequest(list, anne(), RequestKind::Join);
    assert!(holds(&rig, none()).await);
    let id = ask_to_join(&rig, list).await;
    assert!(!holds(&rig, none()).await);
    let found = request(&rig, id).await.unwrap();
    assert_eq!((found.id, found.list, found.list_id.as_str()), (id, list, "a.example.com"));
    assert_eq!((found.kind, found.phase), (RequestKind::Join, RequestPhase::Confirm));
    assert_eq!((found.address.clone(), found.name.as_ref().unwrap().as_str()), (anne(), "Anne Person"));
    assert_eq!((found.confirmed, found.early, found.asked, found.version), (false, false, 1, 1));
    let now = rig.clock.clock().now();
    assert_eq!((found.asked_at, found.forget_at), (now, now + Duration::from_secs(4 * 86_400)));
    let same = "ANNE@example.org".parse().unwrap();
    assert_eq!(rig.engine().request_of(list, &same, RequestKind::Join).await.unwrap(), Some(found));
    let confirm = || {
        let step = with([Effect::Join(list, new_member(Vec::new())), Effect::EndRequest(id)]);
        step.expecting(Expect::Request(id, 1)).unwrap()
    };
    let both = rig.leases().step(vec![confirm(), confirm()]).await.unwrap();
    assert!(matches!(&both[..], [Ok(_), Err(NotStepped::Outdated)]), "{both:?}");
    assert_eq!(request(&rig, id).await, None);
    assert!(is_outdated(&take(&rig, Effect::EndRequest(id)).await));
}

async fn a_request_that_is_made_again_keeps_its_number_and_phase(rig: Rig) {
    let list = list(&rig).await;
    let id = ask_to_join(&rig, list).await;
    rig.clock.advance(DAY);
    let moderate = new_request(list, RequestKind::Join, RequestPhase::Moderate);
    assert_eq!(ask(&rig, moderate.clone()).await, id);
    let found = request(&rig, id).await.unwrap();
    assert_eq!((found.phase, found.asked, found.version), (RequestPhase::Confirm, 2, 2));
    let now = rig.clock.clock().now();
    let day = Duration::from_secs(86_400);
    assert_eq!((found.asked_at, found.forget_at), (now - day, now + 4 * day));
    take(&rig, Effect::ToModerator(id)).await.unwrap();
    let found = request(&rig, id).await.unwrap();
    assert_eq!((found.phase, found.confirmed, found.version), (RequestPhase::Moderate, true, 3));
    assert_eq!(found.forget_at, now + 30 * day);
    rig.clock.advance(DAY);
    assert_eq!(ask_to_join(&rig, list).await, id);
    let found = request(&rig, id).await.unwrap();
    assert_eq!((found.phase, found.confirmed, found.asked), (RequestPhase::Moderate, true, 3));
    assert_eq!(found.forget_at, now + 31 * day);
}

async fn a_number_of_a_request_is_never_used_again(rig: Rig) {
    let list = list(&rig).await;
    let first = ask_to_join(&rig, list).await;
    take(&rig, Effect::EndRequest(first)).await.unwrap();
    let second = ask_to_join(&rig, list).await;
    assert!(second > first);
    rig.clock.advance(5 * DAY);
    let third = ask_to_join(&rig, list).await;
    assert!(third > second, "what is forgotten is not counted again");
    assert_eq!(request(&rig, third).await.unwrap().asked, 1);
    assert_eq!(request(&rig, second).await, None);
}

async fn a_request_is_forgotten_after_its_time(rig: Rig) {
    let list = list(&rig).await;
    let confirm = ask_to_join(&rig, list).await;
    let moderate = ask(&rig, new_request(list, RequestKind::Leave, RequestPhase::Moderate)).await;
    for (days, waits) in [(4, [true, true]), (26, [false, true]), (1, [false, false])] {
        rig.clock.advance(days * DAY - 1);
        let waiting = [request(&rig, confirm).await.is_some(), request(&rig, moderate).await.is_some()];
        assert_eq!(waiting, waits, "{days}");
        rig.clock.advance(1);
        assert_eq!(holds(&rig, Expect::Request(moderate, 1)).await, days == 4);
    }
    let again = ask_to_join(&rig, list).await;
    rig.clock.advance(-30);
    assert!(request(&rig, again).await.is_some());
    rig.clock.advance(-DAY);
    assert_eq!(request(&rig, again).await, None, "a clock set back keeps it no longer");
    assert!(holds(&rig, Expect::NoRequest(list, anne(), RequestKind::Join)).await);
}

async fn a_request_changes_only_as_it_was_seen(rig: Rig) {
    let list = list(&rig).await;
    let id = ask_to_join(&rig, list).await;
    let early = || with([Effect::MarkEarly(id)]).expecting(Expect::Request(id, 1)).unwrap();
    rig.step(early()).await.unwrap();
    let found = request(&rig, id).await.unwrap();
    assert_eq!((found.early, found.version, found.asked), (true, 2, 1));
    assert!(is_outdated(&rig.step(early()).await));
    let missing = RequestId(id.0 + 1);
    assert!(!holds(&rig, Expect::Request(missing, 1)).await);
    for effect in [Effect::MarkEarly(missing), Effect::ToModerator(missing), Effect::EndRequest(missing)] {
        assert!(is_outdated(&take(&rig, effect).await));
    }
}

async fn the_requests_to_join_a_list_are_counted(rig: Rig) {
    let list = list(&rig).await;
    (rig.create)("b@example.com");
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    let count = async |list, most| rig.engine().requests_to_join(list, most).await.unwrap();
    for (n, kind, phase) in [
        (1, RequestKind::Join, RequestPhase::Confirm),
        (2, RequestKind::Join, RequestPhase::Moderate),
        (3, RequestKind::Join, RequestPhase::Confirm),
        (1, RequestKind::Leave, RequestPhase::Confirm),
        (2, RequestKind::Invite, RequestPhase::Confirm),
        (1, RequestKind::Join, RequestPhase::Confirm),
    ] {
        let address = format!("p{n}@example.org").parse().unwrap();
        ask(&rig, NewRequest { address, ..new_request(list, kind, phase) }).await;
    }
    assert_eq!([count(list, 9).await, count(list, 3).await, count(list, 2).await], [3, 3, 2]);
    assert_eq!(count(other, 9).await, 0);
    rig.clock.advance(4 * DAY);
    assert_eq!(count(list, 9).await, 1, "those that are forgotten make room");
}

async fn a_request_belongs_to_its_list_address_and_kind(rig: Rig) {
    let list = list(&rig).await;
    (rig.create)("b@example.com");
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    let mut ids = Vec::new();
    for list in [list, other] {
        for kind in [RequestKind::Join, RequestKind::Leave, RequestKind::Invite] {
            ids.push(ask(&rig, new_request(list, kind, RequestPhase::Confirm)).await);
        }
    }
    assert!(ids.is_sorted_by(|one, next| one < next));
    let bob = "bob@example.org".parse().unwrap();
    assert_eq!(rig.engine().request_of(list, &bob, RequestKind::Join).await.unwrap(), None);
    assert!(holds(&rig, Expect::NoRequest(list, bob, RequestKind::Join)).await);
    let of_other = rig.engine().request_of(other, &anne(), RequestKind::Invite).await.unwrap();
    assert_eq!(of_other.map(|request| request.id), ids.last().copied());
}

async fn everything_of_a_removed_list_is_gone(rig: Rig) {
    let list = list(&rig).await;
    let seq = add(&rig, list, Vec::new()).await;
    take(&rig, Effect::Leave(list, seq)).await.unwrap();
    let id = ask_to_join(&rig, list).await;
    (rig.remove)("a@example.com");
    assert_eq!(request(&rig, id).await, None);
    assert!(!holds(&rig, Expect::Request(id, 1)).await);
    for effect in [
        Effect::Join(list, new_member(Vec::new())),
        Effect::Leave(list, seq),
        Effect::Rejoin(list, seq),
        Effect::Ask(Box::new(new_request(list, RequestKind::Join, RequestPhase::Confirm))),
    ] {
        assert!(is_outdated(&take(&rig, effect).await));
    }
    (rig.create)("a@example.com");
    let again = number(&rig).await;
    assert_eq!(rig.engine().request_of(again, &anne(), RequestKind::Join).await.unwrap(), None);
    assert!(is_outdated(&take(&rig, Effect::Rejoin(again, seq)).await));
}
