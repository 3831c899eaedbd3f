//! Batches of posts: who is in them, and what becomes of them.

use super::posts::{done, leased, message, new_post, number};
use super::{Check, Mail, Rig, checks, outbox_model};
use crate::limits;
use crate::model::{
    Advance, BatchEnd, BatchResult, ClaimRequest, Claimed, Contents, Effect, Exception, ListNumber,
    MemberAddress, MemberChange, MemberRole, MessageId, NamedAddress, NewMember, NewPost, OffBy, OutgoingNow,
    Pause, Personal, PostKind, Recipient, Refusal, Seq, WayOut,
};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_post_goes_to_those_who_were_members_and_still_are,
    delivery_that_is_off_gets_nothing_and_own_posts_are_skipped,
    owners_and_moderators_get_one_copy_each,
    a_list_without_owners_has_another_address_for_them,
    mail_to_a_postmaster_needs_no_list,
    batches_have_the_size_for_their_kind,
    those_who_were_in_no_batch_are_counted,
    copies_are_personal_if_they_are_few_and_small,
    posts_take_turns,
    a_finished_post_lets_its_message_go,
    a_post_without_recipients_is_finished_at_once,
    a_rejected_post_is_finished,
    a_batch_is_tried_again_at_once_or_after_its_pause,
    a_batch_that_is_too_large_when_it_is_tried_again_is_divided,
    settled_recipients_of_personal_copies_are_not_offered_again,
    recipients_are_refused_or_deferred_one_by_one,
    a_range_does_not_offer_those_who_got_it_after_a_deferral,
    a_batch_is_given_up_after_five_days_of_deferrals,
    a_recipient_is_given_up_after_five_days_of_deferrals,
    free_pauses_never_give_up,
    a_result_that_is_reported_twice_counts_once,
    what_a_process_had_is_free_after_its_end,
    those_who_were_refused_are_not_offered_again_after_a_crash,
    those_who_were_refused_are_not_among_those_who_are_left,
    a_refusal_in_a_batch_that_is_over_changes_nothing,
    a_removed_list_ends_its_posts,
    a_clock_set_back_delays_nothing_for_longer,
    the_way_out_is_shown_since_it_stopped,
    those_who_wait_for_the_way_out_are_due_when_it_opens,
    outbox_model::everybody_gets_one_copy_except_in_doubt,
];

const A: &str = "a.example.com";

pub(super) fn address(n: usize) -> String {
    format!("m{n}@example.org")
}

pub(super) async fn join(rig: &Rig, role: MemberRole, addresses: &[String]) {
    let new: Vec<NewMember> =
        addresses.iter().map(|text| text.parse::<NamedAddress>().unwrap().into()).collect();
    rig.members().add(A, role, &new).await.unwrap();
}

pub(super) async fn leave(rig: &Rig, role: MemberRole, who: &str) {
    let who: MemberAddress = who.parse().unwrap();
    rig.members().remove(A, role, &[who]).await.unwrap();
}

pub(super) async fn change(rig: &Rig, who: &str, change: MemberChange) {
    let who: MemberAddress = who.parse().unwrap();
    let member = rig.members().roles_of(A, &who).await.unwrap().remove(0);
    rig.members().change(&member, &[change]).await.unwrap();
}

async fn seq(rig: &Rig, who: &str) -> Seq {
    rig.members().roles_of(A, &who.parse().unwrap()).await.unwrap()[0].seq
}

/// Creates the list with members `m0` to `m{members - 1}`.
async fn list(rig: &Rig, members: usize) {
    (rig.create)("a@example.com");
    join(rig, MemberRole::Member, &(0..members).map(address).collect::<Vec<_>>()).await;
}

/// Accepts a post, and returns its message.
pub(super) async fn post(rig: &Rig, change: impl FnOnce(&mut NewPost)) -> MessageId {
    let text = format!("{}-", super::key().n);
    rig.put(&Mail { text: &text, ..Mail::default() }).await;
    let lease = rig.lease_one().await;
    let mut post = new_post(number(rig).await, message(lease));
    change(&mut post);
    rig.step(done(lease, vec![Effect::Distribute(Box::new(post))])).await.unwrap();
    message(lease)
}

pub(super) const REQUEST: ClaimRequest = ClaimRequest { batches: 1, bulk: 100, personal: 16 };

pub(super) async fn claim(rig: &Rig, claim: ClaimRequest) -> Vec<Claimed> {
    rig.engine().advance(Advance { claim: Some(claim), ..Advance::default() }).await.unwrap()
}

async fn claim_one(rig: &Rig) -> Claimed {
    let mut claimed = claim(rig, REQUEST).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn nothing_is_due(rig: &Rig) {
    assert_eq!(claim(rig, REQUEST).await, []);
}

pub(super) async fn report(rig: &Rig, results: Vec<BatchResult>) {
    rig.engine().advance(Advance { results, ..Advance::default() }).await.unwrap();
}

pub(super) fn sent(claimed: &Claimed) -> BatchResult {
    let end = BatchEnd::Done { sent: claimed.recipients.len() as u64, reply: "250 ok".to_owned() };
    BatchResult { batch: claimed.batch, exceptions: Vec::new(), end }
}

pub(super) fn again(claimed: &Claimed, pause: Pause) -> BatchResult {
    let end = BatchEnd::Again { settled: None, sent: 0, pause, why: "451 later".to_owned(), doubted: 0 };
    BatchResult { batch: claimed.batch, exceptions: Vec::new(), end }
}

/// Returns the message of a post that was claimed.
pub(super) fn message_of(claimed: &Claimed) -> MessageId {
    match &claimed.contents {
        Contents::Message { message, .. } => *message,
        Contents::Notice(notice) => panic!("it is not a post: {notice:?}"),
    }
}

pub(super) fn addresses(claimed: &Claimed) -> Vec<String> {
    claimed.recipients.iter().map(|recipient| recipient.address.clone()).collect()
}

/// Sends all that is due, and returns who got it.
async fn send_all(rig: &Rig) -> Vec<String> {
    let mut all = Vec::new();
    while let [claimed] = &claim(rig, REQUEST).await[..] {
        assert!(!claimed.recipients.is_empty());
        assert!(claimed.recipients.is_sorted_by_key(|recipient| recipient.seq));
        all.extend(addresses(claimed));
        report(rig, vec![sent(claimed)]).await;
    }
    all
}

async fn outgoing(rig: &Rig) -> OutgoingNow {
    rig.outgoing().await
}

async fn is_finished(rig: &Rig, message: MessageId) -> bool {
    rig.engine().read(message, 0, 1).await.unwrap().is_none()
}

async fn a_post_goes_to_those_who_were_members_and_still_are(rig: Rig) {
    list(&rig, 4).await;
    (rig.create)("b@example.com");
    let other: NamedAddress = "other@example.org".parse().unwrap();
    rig.members().add("b.example.com", MemberRole::Member, &[other.into()]).await.unwrap();
    join(&rig, MemberRole::Nonmember, &["non@example.org".to_owned()]).await;
    join(&rig, MemberRole::Owner, &["owner@example.org".to_owned()]).await;
    post(&rig, |_| {}).await;
    leave(&rig, MemberRole::Member, &address(1)).await;
    leave(&rig, MemberRole::Member, &address(2)).await;
    join(&rig, MemberRole::Member, &[address(2), address(9)]).await;
    assert_eq!(send_all(&rig).await, [address(0), address(3)]);
    post(&rig, |_| {}).await;
    assert_eq!(send_all(&rig).await, [0, 3, 2, 9].map(address));
}

async fn delivery_that_is_off_gets_nothing_and_own_posts_are_skipped(rig: Rig) {
    list(&rig, 6).await;
    let until = |seconds| {
        let until = rig.clock.clock().now() + Duration::from_secs(seconds);
        MemberChange::DeliveryOff { by: OffBy::User, until: Some(until) }
    };
    let off = MemberChange::DeliveryOff { by: OffBy::User, until: None };
    change(&rig, &address(1), off).await;
    change(&rig, &address(2), until(100)).await;
    change(&rig, &address(3), until(1000)).await;
    let author = seq(&rig, &address(4)).await;
    rig.clock.advance(200);
    post(&rig, |post| post.skipped = Some(author)).await;
    assert_eq!(send_all(&rig).await, [0, 2, 5].map(address));
    rig.clock.advance(-3600);
    post(&rig, |_| {}).await;
    assert_eq!(send_all(&rig).await, [0, 2, 3, 4, 5].map(address), "the clock was set back");
}

async fn owners_and_moderators_get_one_copy_each(rig: Rig) {
    list(&rig, 2).await;
    let text = str::to_owned;
    join(&rig, MemberRole::Owner, &["o@example.org", "both@example.org", "off@example.org"].map(text)).await;
    let off = MemberChange::DeliveryOff { by: OffBy::User, until: None };
    change(&rig, "off@example.org", off).await;
    let moderators = ["both@example.org", "m@example.org", "off@example.org", "gone@example.org"].map(text);
    join(&rig, MemberRole::Moderator, &moderators).await;
    let owners = |post: &mut NewPost| {
        post.kind = PostKind::Owner;
        post.instead_of_owners = Some("site@example.org".to_owned());
    };
    post(&rig, owners).await;
    leave(&rig, MemberRole::Moderator, "gone@example.org").await;
    let claimed = claim_one(&rig).await;
    assert!(claimed.personal && claimed.contents.kind() == "owner");
    // The one whose delivery is off as an owner gets a copy as a moderator.
    let all = ["o@example.org", "both@example.org", "m@example.org", "off@example.org"];
    assert_eq!(addresses(&claimed), all);
    report(&rig, vec![sent(&claimed)]).await;
    assert_eq!(outgoing(&rig).await.posts, 0);
}

async fn a_list_without_owners_has_another_address_for_them(rig: Rig) {
    list(&rig, 2).await;
    let site = "Site@example.org".to_owned();
    let kind = PostKind::Owner;
    let message = post(&rig, |post| (post.kind, post.instead_of_owners) = (kind, Some(site.clone()))).await;
    let claimed = claim_one(&rig).await;
    assert_eq!(claimed.recipients, [Recipient { seq: Seq(0), address: site }]);
    let pause = Pause::Deferred(Duration::from_secs(60));
    report(&rig, vec![again(&claimed, pause)]).await;
    rig.clock.advance(60);
    let claimed = claim_one(&rig).await;
    assert_eq!((claimed.recipients.len(), claimed.attempts), (1, 1));
    report(&rig, vec![sent(&claimed)]).await;
    assert!(is_finished(&rig, message).await);
}

async fn mail_to_a_postmaster_needs_no_list(rig: Rig) {
    list(&rig, 2).await;
    let snapshot = rig.engine().snapshot("abuse@example.com").await.unwrap().unwrap();
    assert_eq!((snapshot.number, snapshot.list.list_id.as_str()), (ListNumber::SITE, "abuse@example.com"));
    let site = "Site@example.org".to_owned();
    let message = post(&rig, |post| {
        (post.list, post.kind, post.instead_of_owners) =
            (ListNumber::SITE, PostKind::Owner, Some(site.clone()));
        post.settings = "\"abuse@example.com\"".to_owned();
    });
    let message = message.await;
    (rig.remove)("a@example.com");
    let claimed = claim_one(&rig).await;
    assert_eq!(claimed.recipients, [Recipient { seq: Seq(0), address: site }]);
    assert_eq!(claimed.list_id, "abuse@example.com");
    assert_eq!(claimed.list.to_string(), "abuse@example.com");
    report(&rig, vec![sent(&claimed)]).await;
    assert!(is_finished(&rig, message).await);
    assert!(rig.engine().is_own_domain("elsewhere.example").await.is_ok_and(|is_own| !is_own));
}

async fn batches_have_the_size_for_their_kind(rig: Rig) {
    list(&rig, 25).await;
    for (personal, sizes) in
        [(Personal::Never, vec![10, 10, 5]), (Personal::Always, vec![4, 4, 4, 4, 4, 4, 1])]
    {
        let message = post(&rig, |post| post.personal = personal).await;
        let claimed = claim(&rig, ClaimRequest { batches: 99, bulk: 10, personal: 4 }).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.recipients.len()).collect::<Vec<_>>(), sizes);
        let batches: BTreeSet<_> = claimed.iter().map(|claimed| claimed.batch).collect();
        assert_eq!(batches.len(), sizes.len());
        let all: Vec<String> = claimed.iter().flat_map(addresses).collect();
        assert_eq!(all, (0..25).map(address).collect::<Vec<_>>());
        assert!(claimed.iter().all(|claimed| claimed.personal == (personal == Personal::Always)));
        assert_eq!(outgoing(&rig).await.sending, sizes.len() as u64);
        assert!(!is_finished(&rig, message).await);
        report(&rig, claimed.iter().map(sent).collect()).await;
        assert!(is_finished(&rig, message).await);
    }
}

async fn those_who_were_in_no_batch_are_counted(rig: Rig) {
    list(&rig, 5).await;
    let left = async || rig.engine().left().await.unwrap();
    assert_eq!(left().await, 0);
    post(&rig, |post| post.personal = Personal::Never).await;
    assert_eq!(left().await, 5);
    let request = ClaimRequest { bulk: 2, ..REQUEST };
    for expected in [3, 1, 0] {
        let claimed = claim(&rig, request).await;
        assert_eq!(left().await, expected);
        report(&rig, vec![sent(&claimed[0])]).await;
    }
    assert_eq!(left().await, 0);
}

async fn copies_are_personal_if_they_are_few_and_small(rig: Rig) {
    list(&rig, 0).await;
    let most = usize::try_from(limits::PERSONAL_RECIPIENTS).unwrap();
    let all: Vec<String> = (0..=most).map(address).collect();
    join(&rig, MemberRole::Member, &all[..1000]).await;
    join(&rig, MemberRole::Member, &all[1000..]).await;
    let is_personal = async |size| {
        let message = post(&rig, |post| (post.personal, post.size) = (Personal::Auto, size)).await;
        let everybody = ClaimRequest { batches: 1, bulk: 9999, personal: 9999 };
        let claimed = claim(&rig, everybody).await.remove(0);
        report(&rig, vec![sent(&claimed)]).await;
        assert!(is_finished(&rig, message).await);
        claimed.personal
    };
    assert!(!is_personal(1).await, "there is one too many");
    let off = MemberChange::DeliveryOff { by: OffBy::User, until: None };
    change(&rig, &address(0), off).await;
    assert!(is_personal(1).await);
    let largest = limits::PERSONAL_OCTETS / limits::PERSONAL_RECIPIENTS;
    assert!(is_personal(largest).await);
    assert!(!is_personal(largest + 1).await);
}

async fn posts_take_turns(rig: Rig) {
    list(&rig, 4).await;
    let mut posts = Vec::new();
    for _ in 0..3 {
        posts.push(post(&rig, |_| {}).await);
    }
    let one = ClaimRequest { batches: 1, bulk: 1, personal: 1 };
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(claim(&rig, one).await.remove(0));
    }
    // One has many batches to try again, and does not go first because of that.
    report(
        &rig,
        order
            .iter()
            .filter(|claimed| message_of(claimed) == posts[0])
            .map(|one| again(one, Pause::AtOnce))
            .collect(),
    )
    .await;
    order.extend(claim(&rig, ClaimRequest { batches: 6, ..one }).await);
    let order: Vec<usize> = order
        .iter()
        .map(|claimed| posts.iter().position(|post| *post == message_of(claimed)).unwrap())
        .collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

async fn a_finished_post_lets_its_message_go(rig: Rig) {
    list(&rig, 150).await;
    let message = post(&rig, |_| {}).await;
    let before = outgoing(&rig).await;
    assert_eq!((before.posts, before.sending), (1, 0));
    assert_eq!(before.oldest, Some(rig.clock.clock().now()));
    let (first, second) = (claim_one(&rig).await, claim_one(&rig).await);
    assert_eq!((first.recipients.len(), second.recipients.len()), (100, 50));
    nothing_is_due(&rig).await;
    report(&rig, vec![sent(&second)]).await;
    assert!(!is_finished(&rig, message).await);
    rig.engine().advance(Advance { sending: vec![first.batch], ..Advance::default() }).await.unwrap();
    assert_eq!(outgoing(&rig).await.sending, 1);
    report(&rig, vec![sent(&first)]).await;
    assert!(is_finished(&rig, message).await);
    assert_eq!(outgoing(&rig).await, OutgoingNow::default());
}

async fn a_post_without_recipients_is_finished_at_once(rig: Rig) {
    list(&rig, 0).await;
    let message = post(&rig, |_| {}).await;
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
    join(&rig, MemberRole::Member, &[address(0)]).await;
    let message = post(&rig, |_| {}).await;
    leave(&rig, MemberRole::Member, &address(0)).await;
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
}

async fn a_rejected_post_is_finished(rig: Rig) {
    list(&rig, 2).await;
    let message = post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    let rejected =
        |recipient: &Recipient| (recipient.clone(), Exception::Rejected { reply: "554 spam".to_owned() });
    let exceptions = claimed.recipients.iter().map(rejected).collect();
    let end = BatchEnd::Done { sent: 0, reply: "554 spam".to_owned() };
    report(&rig, vec![BatchResult { batch: claimed.batch, exceptions, end }]).await;
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
}

async fn a_batch_is_tried_again_at_once_or_after_its_pause(rig: Rig) {
    list(&rig, 3).await;
    post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    // One leaves meanwhile, and is not offered it again.
    leave(&rig, MemberRole::Member, &address(0)).await;
    report(&rig, vec![again(&claimed, Pause::AtOnce)]).await;
    let claimed = claim_one(&rig).await;
    assert_eq!((addresses(&claimed), claimed.attempts), (vec![address(1), address(2)], 0));
    let minute = Duration::from_secs(60);
    let mut claimed = claimed;
    for (pause, attempts) in
        [(Pause::Free(minute), 0), (Pause::Deferred(minute), 1), (Pause::Deferred(minute), 2)]
    {
        report(&rig, vec![again(&claimed, pause)]).await;
        let now = outgoing(&rig).await;
        assert_eq!((now.deferred, now.sending, now.reason.as_deref()), (2, 0, Some("451 later")));
        rig.clock.advance(59);
        nothing_is_due(&rig).await;
        rig.clock.advance(1);
        claimed = claim_one(&rig).await;
        assert_eq!((claimed.recipients.len(), claimed.attempts, claimed.doubts), (2, attempts, 0));
    }
}

async fn a_batch_that_is_too_large_when_it_is_tried_again_is_divided(rig: Rig) {
    list(&rig, 10).await;
    let message = post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    report(&rig, vec![again(&claimed, Pause::AtOnce)]).await;
    let parts = claim(&rig, ClaimRequest { batches: 9, bulk: 4, personal: 4 }).await;
    let all: Vec<String> = parts.iter().flat_map(addresses).collect();
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (0..10).map(address).collect());
    assert_eq!(parts.iter().map(|part| part.recipients.len()).max(), Some(4));
    report(&rig, parts.iter().map(sent).collect()).await;
    assert!(is_finished(&rig, message).await);
}

async fn settled_recipients_of_personal_copies_are_not_offered_again(rig: Rig) {
    list(&rig, 5).await;
    let message = post(&rig, |post| post.personal = Personal::Always).await;
    let claimed = claim_one(&rig).await;
    let settle = |claimed: &Claimed, at: usize, doubted| BatchResult {
        end: BatchEnd::Again {
            settled: Some(claimed.recipients[at].seq),
            sent: 1 + at as u64,
            pause: Pause::AtOnce,
            why: "closed".to_owned(),
            doubted,
        },
        batch: claimed.batch,
        exceptions: Vec::new(),
    };
    report(&rig, vec![settle(&claimed, 1, 1)]).await;
    let claimed = claim_one(&rig).await;
    assert_eq!(addresses(&claimed), [2, 3, 4].map(address));
    assert_eq!(claimed.doubts, 1);
    report(&rig, vec![settle(&claimed, 2, 0)]).await;
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
    assert_eq!(outgoing(&rig).await.doubted, 1);
}

fn deferred(claimed: &Claimed, at: usize, pause: Pause) -> (Recipient, Exception) {
    (claimed.recipients[at].clone(), Exception::Deferred { reply: "452 full".to_owned(), pause })
}

async fn recipients_are_refused_or_deferred_one_by_one(rig: Rig) {
    list(&rig, 6).await;
    let message = post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    let refused = (claimed.recipients[0].clone(), Exception::Refused { reply: "550 no".to_owned() });
    let minute = Pause::Deferred(Duration::from_secs(60));
    let exceptions = vec![refused, deferred(&claimed, 1, minute), deferred(&claimed, 2, minute)];
    let more = [deferred(&claimed, 3, Pause::AtOnce), deferred(&claimed, 4, minute)];
    let end = BatchEnd::Done { sent: 1, reply: "250 ok".to_owned() };
    let exceptions = exceptions.into_iter().chain(more).collect();
    report(&rig, vec![BatchResult { batch: claimed.batch, exceptions, end }]).await;
    assert_eq!(outgoing(&rig).await.deferred, 4);
    let at_once = claim_one(&rig).await;
    assert_eq!((addresses(&at_once), at_once.attempts), (vec![address(3)], 0));
    report(&rig, vec![sent(&at_once)]).await;
    nothing_is_due(&rig).await;
    leave(&rig, MemberRole::Member, &address(4)).await;
    rig.clock.advance(60);
    let later = claim_one(&rig).await;
    assert_eq!((addresses(&later), later.attempts), (vec![address(1), address(2)], 1));
    let end = BatchEnd::Done { sent: 1, reply: "250 ok".to_owned() };
    let exceptions = vec![deferred(&later, 0, minute)];
    report(&rig, vec![BatchResult { batch: later.batch, exceptions, end }]).await;
    rig.clock.advance(60);
    let last = claim_one(&rig).await;
    assert_eq!((addresses(&last), last.attempts), (vec![address(1)], 2));
    report(&rig, vec![sent(&last)]).await;
    assert!(is_finished(&rig, message).await);
}

async fn a_range_does_not_offer_those_who_got_it_after_a_deferral(rig: Rig) {
    list(&rig, 3).await;
    let message = post(&rig, |_| {}).await;
    let range = claim_one(&rig).await;
    let exceptions = vec![deferred(&range, 0, Pause::AtOnce)];
    report(&rig, vec![BatchResult { exceptions, ..again(&range, Pause::Deferred(HOUR)) }]).await;
    let alone = claim_one(&rig).await;
    assert_eq!(addresses(&alone), [address(0)]);
    report(&rig, vec![sent(&alone)]).await;
    rig.clock.advance(3600);
    let rest = claim_one(&rig).await;
    assert_eq!(addresses(&rest), [address(1), address(2)]);
    report(&rig, vec![sent(&rest)]).await;
    assert!(is_finished(&rig, message).await);
}

/// Defers what is claimed for this long until the post is finished, and returns how often.
async fn until_given_up(
    rig: &Rig,
    message: MessageId,
    how: impl Fn(&Claimed) -> BatchResult,
    seconds: i64,
) -> i64 {
    let mut times = 0;
    while !is_finished(rig, message).await {
        let claimed = claim_one(rig).await;
        report(rig, vec![how(&claimed)]).await;
        rig.clock.advance(seconds);
        times += 1;
        assert!(times < 1000, "it is never given up");
    }
    times
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_batch_is_given_up_after_five_days_of_deferrals(rig: Rig) {
    list(&rig, 2).await;
    let message = post(&rig, |_| {}).await;
    let times =
        until_given_up(&rig, message, |claimed| again(claimed, Pause::Deferred(12 * HOUR)), 12 * 3600).await;
    assert_eq!(times, 5 * 2 + 1);
    nothing_is_due(&rig).await;
    assert_eq!(outgoing(&rig).await, OutgoingNow::default());
}

async fn a_recipient_is_given_up_after_five_days_of_deferrals(rig: Rig) {
    list(&rig, 2).await;
    let message = post(&rig, |_| {}).await;
    let times = std::cell::Cell::new(0);
    // Whether it is deferred alone or with all of its batch, all pauses count.
    let defer = |claimed: &Claimed| {
        times.set(times.get() + 1);
        let pause = Pause::Deferred(12 * HOUR);
        if times.get() % 2 == 0 {
            return again(claimed, pause);
        }
        let exceptions = (0..claimed.recipients.len()).map(|at| deferred(claimed, at, pause)).collect();
        BatchResult { exceptions, ..sent(claimed) }
    };
    assert_eq!(until_given_up(&rig, message, defer, 12 * 3600).await, 5 * 2 + 1);
    assert_eq!(outgoing(&rig).await, OutgoingNow::default());
}

async fn free_pauses_never_give_up(rig: Rig) {
    list(&rig, 2).await;
    post(&rig, |_| {}).await;
    let mut claimed = claim_one(&rig).await;
    for _ in 0..20 {
        report(&rig, vec![again(&claimed, Pause::Free(10 * HOUR))]).await;
        rig.clock.advance(36_000);
        claimed = claim_one(&rig).await;
    }
    assert_eq!((claimed.recipients.len(), claimed.attempts), (2, 0));
}

async fn a_result_that_is_reported_twice_counts_once(rig: Rig) {
    list(&rig, 3).await;
    let message = post(&rig, |_| {}).await;
    let first = claim_one(&rig).await;
    let doubtful = BatchResult {
        end: BatchEnd::Again {
            settled: None,
            sent: 0,
            pause: Pause::AtOnce,
            why: "closed".to_owned(),
            doubted: 3,
        },
        ..sent(&first)
    };
    let advance = Advance { results: vec![doubtful], claim: Some(REQUEST), ..Advance::default() };
    let second = rig.engine().advance(advance.clone()).await.unwrap().remove(0);
    assert_ne!(second.batch, first.batch);
    let repeated = rig.engine().advance(advance).await.unwrap();
    assert_eq!(repeated, [], "the second claim of it is not ended by the result of the first");
    assert_eq!(outgoing(&rig).await.doubted, 3);
    let mut exceptions = sent(&second);
    exceptions.exceptions.push(deferred(&second, 0, Pause::Deferred(HOUR)));
    let twice = vec![exceptions.clone(), exceptions];
    report(&rig, twice).await;
    rig.clock.advance(3600);
    let last = claim_one(&rig).await;
    assert_eq!((last.recipients.len(), last.attempts), (1, 1));
    report(&rig, vec![sent(&last)]).await;
    assert!(is_finished(&rig, message).await);
}

async fn what_a_process_had_is_free_after_its_end(rig: Rig) {
    list(&rig, 250).await;
    let message = post(&rig, |_| {}).await;
    let [claimed, sending, deferring] = [claim_one(&rig).await, claim_one(&rig).await, claim_one(&rig).await];
    let mut one_deferred = sent(&deferring);
    one_deferred.exceptions.push(deferred(&deferring, 0, Pause::AtOnce));
    report(&rig, vec![one_deferred]).await;
    let alone = claim_one(&rig).await;
    let advance = Advance { sending: vec![sending.batch, alone.batch], ..Advance::default() };
    rig.engine().advance(advance).await.unwrap();
    let rig = rig.restart();
    assert_eq!(outgoing(&rig).await.doubted, 101);
    let again = claim(&rig, ClaimRequest { batches: 9, ..REQUEST }).await;
    let find = |of: &Claimed| again.iter().find(|claimed| claimed.recipients == of.recipients).unwrap();
    assert_eq!((find(&claimed).doubts, find(&sending).doubts, find(&alone).doubts), (0, 1, 1));
    assert_eq!(again.len(), 3);
    report(&rig, again.iter().map(sent).collect()).await;
    assert!(is_finished(&rig, message).await);
    let rig = rig.restart();
    assert_eq!((outgoing(&rig).await.posts, outgoing(&rig).await.doubted), (0, 101));
}

pub(super) fn refusal(claimed: &Claimed, at: usize) -> Refusal {
    let (batch, recipient) = (claimed.batch, claimed.recipients[at].clone());
    Refusal { batch, recipient, reply: "550 5.1.1 unknown".to_owned() }
}

/// Refuses some recipients of a batch that is being sent.
async fn refuse(rig: &Rig, claimed: &Claimed, places: &[usize]) {
    let refused = places.iter().map(|at| refusal(claimed, *at)).collect();
    let advance = Advance { refused, sending: vec![claimed.batch], ..Advance::default() };
    rig.engine().advance(advance.clone()).await.unwrap();
    // Its answer was lost.
    rig.engine().advance(advance).await.unwrap();
}

async fn those_who_were_refused_are_not_offered_again_after_a_crash(rig: Rig) {
    list(&rig, 6).await;
    let message = post(&rig, |_| {}).await;
    refuse(&rig, &claim_one(&rig).await, &[0, 3]).await;
    let rig = rig.restart();
    let now = outgoing(&rig).await;
    assert_eq!((now.doubted, now.deferred), (4, 4));
    let range = claim_one(&rig).await;
    assert_eq!((addresses(&range), range.doubts), ([1, 2, 4, 5].map(address).to_vec(), 1));
    // The same for those who were deferred alone.
    let exceptions = (0..4).map(|at| deferred(&range, at, Pause::AtOnce)).collect();
    report(&rig, vec![BatchResult { exceptions, ..sent(&range) }]).await;
    let alone = claim_one(&rig).await;
    assert_eq!(alone.recipients, range.recipients);
    refuse(&rig, &alone, &[1]).await;
    let rig = rig.restart();
    assert_eq!(outgoing(&rig).await.doubted, 4 + 3);
    let last = claim_one(&rig).await;
    assert!(last.doubts > 0);
    assert_eq!(addresses(&last), [1, 4, 5].map(address));
    refuse(&rig, &last, &[0, 1, 2]).await;
    let rig = rig.restart();
    assert_eq!(outgoing(&rig).await.doubted, 7);
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
}

async fn those_who_were_refused_are_not_among_those_who_are_left(rig: Rig) {
    list(&rig, 5).await;
    let message = post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    refuse(&rig, &claimed, &[0, 1]).await;
    let refused = |at: usize| {
        (claimed.recipients[at].clone(), Exception::Refused { reply: "550 5.1.1 unknown".to_owned() })
    };
    let exceptions = [0, 1, 2].map(refused).to_vec();
    report(&rig, vec![BatchResult { exceptions, ..again(&claimed, Pause::AtOnce) }]).await;
    assert_eq!(outgoing(&rig).await.deferred, 2);
    let rest = claim_one(&rig).await;
    assert_eq!(addresses(&rest), [address(3), address(4)]);
    report(&rig, vec![sent(&rest)]).await;
    assert!(is_finished(&rig, message).await);
}

async fn a_refusal_in_a_batch_that_is_over_changes_nothing(rig: Rig) {
    list(&rig, 2).await;
    post(&rig, |_| {}).await;
    let first = claim_one(&rig).await;
    report(&rig, vec![again(&first, Pause::AtOnce)]).await;
    refuse(&rig, &first, &[0]).await;
    let second = claim_one(&rig).await;
    assert_eq!(second.recipients, first.recipients);
    refuse(&rig, &first, &[1]).await;
    report(&rig, vec![again(&second, Pause::AtOnce)]).await;
    assert_eq!(send_all(&rig).await.len(), 2);
}

async fn a_removed_list_ends_its_posts(rig: Rig) {
    list(&rig, 120).await;
    (rig.create)("b@example.com");
    let message = post(&rig, |_| {}).await;
    let first = claim_one(&rig).await;
    (rig.remove)("a@example.com");
    nothing_is_due(&rig).await;
    refuse(&rig, &first, &[1]).await;
    let mut late = again(&first, Pause::AtOnce);
    late.exceptions.push(deferred(&first, 0, Pause::AtOnce));
    report(&rig, vec![late]).await;
    nothing_is_due(&rig).await;
    assert!(is_finished(&rig, message).await);
    let now = outgoing(&rig).await;
    assert_eq!((now.posts, now.sending, now.deferred), (0, 0, 0));
    (rig.create)("a@example.com");
    join(&rig, MemberRole::Member, &[address(1)]).await;
    post(&rig, |_| {}).await;
    assert_eq!(send_all(&rig).await, [address(1)]);
}

async fn a_clock_set_back_delays_nothing_for_longer(rig: Rig) {
    list(&rig, 2).await;
    post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    let mut result = again(&claimed, Pause::Free(HOUR));
    result.exceptions.push(deferred(&claimed, 0, Pause::Deferred(HOUR)));
    report(&rig, vec![result]).await;
    nothing_is_due(&rig).await;
    rig.clock.advance(-30);
    nothing_is_due(&rig).await;
    rig.clock.advance(-100_000);
    assert_eq!(send_all(&rig).await.len(), 2);
    post(&rig, |_| {}).await;
    rig.clock.advance(-100_000);
    assert_eq!(send_all(&rig).await.len(), 2, "a post that waits for its turn");
}

async fn the_way_out_is_shown_since_it_stopped(rig: Rig) {
    let (_, lease) = leased(&rig).await;
    rig.step(done(lease, Vec::new())).await.unwrap();
    let since = rig.clock.clock().now();
    for reason in ["535 no", "454 not now"] {
        let way_out = Some(WayOut::Stopped(reason.to_owned()));
        rig.engine().advance(Advance { way_out, ..Advance::default() }).await.unwrap();
        rig.clock.advance(10);
        assert_eq!(outgoing(&rig).await.stopped, Some((since, reason.to_owned())));
    }
    let way_out = Some(WayOut::Open);
    rig.engine().advance(Advance { way_out, ..Advance::default() }).await.unwrap();
    assert_eq!(outgoing(&rig).await.stopped, None);
}

async fn those_who_wait_for_the_way_out_are_due_when_it_opens(rig: Rig) {
    list(&rig, 5).await;
    post(&rig, |_| {}).await;
    let claimed = claim_one(&rig).await;
    let mut result = sent(&claimed);
    result.end = BatchEnd::Done { sent: 2, reply: "250 ok".to_owned() };
    result.exceptions = vec![
        deferred(&claimed, 0, Pause::Free(HOUR)),
        deferred(&claimed, 1, Pause::Deferred(HOUR)),
        deferred(&claimed, 3, Pause::Free(HOUR)),
    ];
    report(&rig, vec![result]).await;
    let tell = async |way_out| {
        let way_out = Some(way_out);
        rig.engine().advance(Advance { way_out, ..Advance::default() }).await.unwrap();
    };
    tell(WayOut::Stopped("554 no".to_owned())).await;
    nothing_is_due(&rig).await;
    tell(WayOut::Untried).await;
    assert_eq!(outgoing(&rig).await.stopped, None);
    nothing_is_due(&rig).await;
    tell(WayOut::Open).await;
    assert_eq!(send_all(&rig).await, [address(0), address(3)]);
    nothing_is_due(&rig).await;
    rig.clock.advance(3600);
    assert_eq!(send_all(&rig).await, [address(1)]);
    assert_eq!(outgoing(&rig).await.posts, 0);
}
