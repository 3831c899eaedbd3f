//! Notices: who gets them, what they carry, and how many there were.

use super::outbox::{self, REQUEST, addresses, again, claim, join, report, sent};
use super::posts::new_bounce;
use super::requests::{anne, ask, holds, is_outdated, list, new_member, new_request, take, with};
use super::{Check, Rig, checks};
use crate::model::{
    About, Advance, Answered, BatchEnd, BatchResult, BounceOf, Claimed, ClaimedNotice, Contents, Effect,
    Evidence, Exception, Expect, ListNumber, Mailed, MemberAddress, MemberRole, NewBounce, NewNotice,
    NotStepped, NoticeTo, OutgoingNow, Pause, Recipient, RequestKind, RequestPhase, Seq, Step,
};
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_notice_goes_to_its_address_at_once,
    a_notice_is_about_what_its_step_makes,
    a_notice_to_owners_goes_to_owners_and_moderators,
    a_notice_to_the_owners_of_a_list_without_any_goes_to_another_address,
    a_notice_that_is_deferred_is_tried_again,
    a_notice_that_was_being_sent_is_in_doubt_after_a_crash,
    notices_and_posts_take_turns_and_are_counted_apart,
    a_removed_list_ends_its_notices,
    counted_notices_are_counted_by_account_and_domain,
    two_decisions_do_not_both_pass_a_limit,
    a_clock_set_back_counts_for_no_more_than_twice_as_long,
    a_permanent_bounce_is_known_for_fourteen_days,
    a_recipient_who_is_refused_for_good_gets_no_notices_for_fourteen_days,
    what_is_not_a_recipients_fault_stops_no_notices,
    the_mails_of_a_request_are_counted,
    whom_a_request_asked_is_known_when_it_is_over,
];

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

const CONTENT: &str = r#"{"template":"confirm-join"}"#;

pub(super) fn notice(list: ListNumber, to: &str, about: About) -> NewNotice {
    NewNotice {
        list,
        to: NoticeTo::Address(to.parse().unwrap()),
        about,
        counted: true,
        template: "confirm-join",
        content: CONTENT.to_owned(),
    }
}

fn to_owners(list: ListNumber) -> NewNotice {
    let to = NoticeTo::Owners { instead: Some("Site@example.org".to_owned()) };
    NewNotice { to, counted: false, template: "owner-asks", ..notice(list, "x@example.org", About::Nothing) }
}

pub(super) fn notify(notice: NewNotice) -> Effect {
    Effect::Notify(Box::new(notice))
}

/// Sends a counted notice that is about nothing.
pub(super) async fn send(rig: &Rig, list: ListNumber, to: &str) {
    take(rig, notify(notice(list, to, About::Nothing))).await.unwrap();
}

pub(super) async fn claim_one(rig: &Rig) -> Claimed {
    let mut claimed = claim(rig, REQUEST).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

pub(super) fn contents(claimed: &Claimed) -> &ClaimedNotice {
    match &claimed.contents {
        Contents::Notice(notice) => notice,
        Contents::Message { .. } => panic!("it is a notice: {claimed:?}"),
    }
}

async fn answered(rig: &Rig, to: &str) -> Answered {
    rig.engine().answered(&to.parse().unwrap()).await.unwrap()
}

/// Returns how many there were to the account and the domain.
async fn counts(rig: &Rig, to: &str) -> (u32, u32) {
    let Answered { account_day, domain_hour, .. } = answered(rig, to).await;
    (account_day, domain_hour)
}

async fn a_notice_goes_to_its_address_at_once(rig: Rig) {
    let list = list(&rig).await;
    join(&rig, MemberRole::Member, &[outbox::address(0)]).await;
    join(&rig, MemberRole::Owner, &[outbox::address(1)]).await;
    send(&rig, list, "Anne+x@Example.org").await;
    let claimed = claim_one(&rig).await;
    assert_eq!(claimed.recipients, [Recipient { seq: Seq(0), address: "Anne+x@Example.org".to_owned() }]);
    assert!(claimed.personal && claimed.attempts == 0 && claimed.doubts == 0);
    assert_eq!((claimed.list_id.as_str(), claimed.contents.kind()), ("a.example.com", "notice"));
    let expected = ClaimedNotice {
        to_owners: false,
        template: "confirm-join".to_owned(),
        content: CONTENT.to_owned(),
        subject: None,
        request: None,
        held: None,
        accepted_at: rig.clock.clock().now(),
    };
    assert_eq!(*contents(&claimed), expected);
    assert_eq!(contents(&claimed).id(claimed.post), format!("notice.{}.0", claimed.post));
    report(&rig, vec![sent(&claimed)]).await;
    assert_eq!(claim(&rig, REQUEST).await, []);
    assert_eq!(rig.outgoing().await, OutgoingNow::default());
}

async fn a_notice_is_about_what_its_step_makes(rig: Rig) {
    let list = list(&rig).await;
    let about = |about| notify(notice(list, "anne@example.org", about));
    // The order of the effects does not matter.
    let request = Effect::Ask(Box::new(new_request(list, RequestKind::Join, RequestPhase::Confirm)));
    let stepped = rig.step(with([about(About::Asked), request.clone()])).await.unwrap();
    let asked = stepped.asked.unwrap();
    let again = rig.step(with([request, about(About::Asked)])).await.unwrap();
    assert_eq!(again.asked, Some(asked), "it is counted again");
    let joined = with([about(About::Joined), Effect::Join(list, new_member(Vec::new()))]);
    let seq = rig.step(joined).await.unwrap().joined.unwrap();
    let left = with([about(About::Former(seq)), Effect::Leave(list, seq)]);
    rig.step(left).await.unwrap();
    let back = with([Effect::Rejoin(list, seq), about(About::Joined)]);
    let back = rig.step(back).await.unwrap().joined.unwrap();
    rig.step(with([about(About::Former(back)), about(About::Request(asked))])).await.unwrap();
    let mut all = Vec::new();
    while let [claimed] = &claim(&rig, REQUEST).await[..] {
        all.push((contents(claimed).subject, contents(claimed).request));
        report(&rig, vec![sent(claimed)]).await;
    }
    let of_request = (Some(asked.0), Some(asked));
    let (one, two) = ((Some(seq.0), None), (Some(back.0), None));
    assert_eq!(all, [of_request, of_request, one, one, two, two, of_request]);
    for about in [About::Asked, About::Joined] {
        let step = take(&rig, notify(notice(list, "anne@example.org", about))).await;
        assert!(matches!(step, Err(NotStepped::Store(_))), "its step makes none");
    }
    assert_eq!(rig.outgoing().await.notices, 0);
}

async fn a_notice_to_owners_goes_to_owners_and_moderators(rig: Rig) {
    let list = list(&rig).await;
    let text = str::to_owned;
    join(&rig, MemberRole::Member, &["m@example.org".to_owned()]).await;
    join(&rig, MemberRole::Owner, &["o@example.org", "both@example.org"].map(text)).await;
    join(&rig, MemberRole::Moderator, &["both@example.org", "mod@example.org"].map(text)).await;
    take(&rig, notify(to_owners(list))).await.unwrap();
    join(&rig, MemberRole::Owner, &["late@example.org".to_owned()]).await;
    let claimed = claim_one(&rig).await;
    assert_eq!(addresses(&claimed), ["o@example.org", "both@example.org", "mod@example.org"]);
    assert_eq!((claimed.contents.kind(), claimed.personal), ("owner_notice", true));
    assert_eq!(contents(&claimed).template, "owner-asks");
    let mut result = sent(&claimed);
    let pause = Pause::Deferred(Duration::from_secs(60));
    let deferred = Exception::Deferred { reply: "452 full".to_owned(), pause };
    result.exceptions.push((claimed.recipients[1].clone(), deferred));
    report(&rig, vec![result]).await;
    let now = rig.outgoing().await;
    assert_eq!((now.notices, now.posts, now.deferred, now.sending), (1, 0, 0, 0));
    rig.clock.advance(60);
    let claimed = claim_one(&rig).await;
    assert_eq!(addresses(&claimed), ["both@example.org"]);
    report(&rig, vec![again(&claimed, pause)]).await;
    rig.clock.advance(60);
    report(&rig, vec![sent(&claim_one(&rig).await)]).await;
    assert_eq!(rig.outgoing().await.notices, 0);
    assert_eq!(counts(&rig, "o@example.org").await, (0, 0));
}

async fn a_notice_to_the_owners_of_a_list_without_any_goes_to_another_address(rig: Rig) {
    let list = list(&rig).await;
    take(&rig, notify(to_owners(list))).await.unwrap();
    let claimed = claim_one(&rig).await;
    assert_eq!(claimed.recipients, [Recipient { seq: Seq(0), address: "Site@example.org".to_owned() }]);
    report(&rig, vec![sent(&claimed)]).await;
    let nobody = NewNotice { to: NoticeTo::Owners { instead: None }, ..to_owners(list) };
    take(&rig, notify(nobody)).await.unwrap();
    assert_eq!(claim(&rig, REQUEST).await, []);
    assert_eq!(rig.outgoing().await, OutgoingNow::default());
}

async fn a_notice_that_is_deferred_is_tried_again(rig: Rig) {
    let list = list(&rig).await;
    send(&rig, list, "anne@example.org").await;
    let minute = Pause::Deferred(Duration::from_secs(60));
    let claimed = claim_one(&rig).await;
    report(&rig, vec![again(&claimed, minute)]).await;
    assert_eq!(claim(&rig, REQUEST).await, []);
    let now = rig.outgoing().await;
    assert_eq!((now.notices, now.posts, now.deferred, now.oldest), (1, 0, 0, None));
    rig.clock.advance(60);
    let mut claimed = claim_one(&rig).await;
    assert_eq!((claimed.attempts, contents(&claimed).content.as_str()), (1, CONTENT));
    let deferred = Exception::Deferred { reply: "452 full".to_owned(), pause: minute };
    let exceptions = vec![(claimed.recipients[0].clone(), deferred)];
    let end = BatchEnd::Done { sent: 0, reply: String::new() };
    report(&rig, vec![BatchResult { batch: claimed.batch, exceptions, end }]).await;
    rig.clock.advance(60);
    claimed = claim_one(&rig).await;
    assert_eq!(claimed.attempts, 2);
    report(&rig, vec![sent(&claimed)]).await;
    assert_eq!(rig.outgoing().await, OutgoingNow::default());
}

async fn a_notice_that_was_being_sent_is_in_doubt_after_a_crash(rig: Rig) {
    let list = list(&rig).await;
    send(&rig, list, "anne@example.org").await;
    send(&rig, list, "bob@example.org").await;
    let (sending, claimed) = (claim_one(&rig).await, claim_one(&rig).await);
    rig.engine().advance(Advance { sending: vec![sending.batch], ..Advance::default() }).await.unwrap();
    assert_eq!(rig.outgoing().await.sending, 0, "no post is");
    let rig = rig.restart();
    let now = rig.outgoing().await;
    assert_eq!((now.doubted, now.notices), (1, 2));
    let mut found = [claim_one(&rig).await, claim_one(&rig).await];
    found.sort_by_key(|claimed| claimed.post);
    assert_eq!(found.iter().map(|claimed| claimed.doubts).collect::<Vec<_>>(), [1, 0]);
    assert_eq!([found[0].post, found[1].post], [sending.post, claimed.post]);
    assert_eq!(found[0].contents, sending.contents);
    report(&rig, found.iter().map(sent).collect()).await;
    let now = rig.outgoing().await;
    assert_eq!((now.doubted, now.notices), (1, 0));
}

async fn notices_and_posts_take_turns_and_are_counted_apart(rig: Rig) {
    let list = list(&rig).await;
    join(&rig, MemberRole::Member, &(0..3).map(outbox::address).collect::<Vec<_>>()).await;
    outbox::post(&rig, |_| {}).await;
    send(&rig, list, "anne@example.org").await;
    let now = rig.outgoing().await;
    assert_eq!((now.posts, now.notices, rig.engine().left().await.unwrap()), (1, 1, 3));
    let one = crate::model::ClaimRequest { batches: 3, bulk: 2, personal: 2 };
    let claimed = claim(&rig, one).await;
    let kinds: Vec<&str> = claimed.iter().map(|claimed| claimed.contents.kind()).collect();
    assert_eq!(kinds, ["post", "notice", "post"]);
    assert_eq!(rig.outgoing().await.sending, 2);
    report(&rig, claimed.iter().map(sent).collect()).await;
    assert_eq!(rig.outgoing().await, OutgoingNow::default());
}

async fn a_removed_list_ends_its_notices(rig: Rig) {
    let list = list(&rig).await;
    send(&rig, list, "anne@example.org").await;
    send(&rig, list, "anne@example.org").await;
    let claimed = claim_one(&rig).await;
    (rig.remove)("a@example.com");
    assert_eq!(claim(&rig, REQUEST).await, []);
    report(&rig, vec![again(&claimed, Pause::AtOnce)]).await;
    assert_eq!(claim(&rig, REQUEST).await, []);
    assert_eq!(rig.outgoing().await.notices, 0);
    let step = take(&rig, notify(notice(list, "anne@example.org", About::Nothing))).await;
    assert!(is_outdated(&step));
}

async fn counted_notices_are_counted_by_account_and_domain(rig: Rig) {
    let a = list(&rig).await;
    (rig.create)("b@example.com");
    let b = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    assert_eq!(counts(&rig, "anne@example.org").await, (0, 0));
    send(&rig, a, "anne@example.org").await;
    send(&rig, b, "Anne+Lists@Example.ORG").await;
    send(&rig, a, "bob@example.org").await;
    send(&rig, a, "anne@sub.example.org").await;
    let free = NewNotice { counted: false, ..notice(a, "anne@example.org", About::Nothing) };
    take(&rig, notify(free)).await.unwrap();
    assert_eq!(counts(&rig, "anne+other@example.org").await, (2, 3));
    assert_eq!(counts(&rig, "Bob@example.org").await, (1, 3));
    assert_eq!(counts(&rig, "carol@example.org").await, (0, 3));
    assert_eq!(counts(&rig, "carol@example.net").await, (0, 0));
    // Sent or not makes no difference.
    report(&rig, vec![sent(&claim_one(&rig).await)]).await;
    rig.clock.advance(HOUR - 1);
    assert_eq!(counts(&rig, "anne@example.org").await, (2, 3));
    rig.clock.advance(1);
    assert_eq!(counts(&rig, "anne@example.org").await, (2, 0));
    rig.clock.advance(DAY - HOUR - 1);
    assert_eq!(counts(&rig, "anne@example.org").await, (2, 0));
    rig.clock.advance(1);
    assert_eq!(counts(&rig, "anne@example.org").await, (0, 0));
}

async fn two_decisions_do_not_both_pass_a_limit(rig: Rig) {
    let list = list(&rig).await;
    let decide = |to: &str| {
        let expect =
            Expect::Answered { to: "anne+x@example.org".parse().unwrap(), account_day: 0, domain_hour: 1 };
        with([notify(notice(list, to, About::Nothing))]).expecting(expect).unwrap()
    };
    for (others, to, outcomes) in [
        ("carol@example.org", "anne@example.org", [true, false]),
        ("carol@example.org", "bob@example.org", [false, false]),
    ] {
        send(&rig, list, others).await;
        let both: Vec<Step> = vec![decide(to), decide(to)];
        let both = rig.leases().step(both).await.unwrap();
        assert_eq!([both[0].is_ok(), both[1].is_ok()], outcomes, "{both:?}");
        assert!(both.iter().all(|step| step.is_ok() || is_outdated(step)));
    }
    rig.clock.advance(DAY);
    let fewer = Expect::Answered { to: anne(), account_day: 1, domain_hour: 3 };
    assert!(holds(&rig, fewer).await, "fewer than were counted need no new decision");
}

async fn a_clock_set_back_counts_for_no_more_than_twice_as_long(rig: Rig) {
    let list = list(&rig).await;
    send(&rig, list, "anne@example.org").await;
    rig.clock.advance(-HOUR);
    assert_eq!(counts(&rig, "anne@example.org").await, (1, 1));
    rig.clock.advance(-1);
    assert_eq!(counts(&rig, "anne@example.org").await, (1, 0));
    rig.clock.advance(HOUR - DAY + 1);
    assert_eq!(counts(&rig, "anne@example.org").await, (1, 0));
    rig.clock.advance(-1);
    assert_eq!(counts(&rig, "anne@example.org").await, (0, 0));
}

/// Records a bounce of a notice.
pub(super) async fn bounce(rig: &Rig, list: ListNumber, of: (BounceOf, i64), class: &'static str) {
    let evidence = Evidence::Signed { about: of.0, subject: u64::try_from(of.1).unwrap() };
    let bounce = NewBounce { class, ..new_bounce(list, evidence) };
    take(rig, Effect::RecordBounce(Box::new(bounce))).await.unwrap();
}

async fn a_permanent_bounce_is_known_for_fourteen_days(rig: Rig) {
    let list = list(&rig).await;
    (rig.create)("b@example.com");
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    send(&rig, list, "Anne+x@example.org").await;
    let claimed = claim_one(&rig).await;
    report(&rig, vec![sent(&claimed)]).await;
    let post = claimed.post.0;
    let has_bounced = async |to| answered(&rig, to).await.bounced;
    bounce(&rig, list, (BounceOf::Notice, post), "temporary").await;
    bounce(&rig, list, (BounceOf::Member, post), "permanent").await;
    bounce(&rig, list, (BounceOf::Notice, post + 1), "permanent").await;
    bounce(&rig, other, (BounceOf::Notice, post), "permanent").await;
    assert!(!has_bounced("anne+x@example.org").await);
    rig.clock.advance(14 * DAY);
    bounce(&rig, list, (BounceOf::Notice, post), "permanent").await;
    assert!(has_bounced("anne+X@example.org").await);
    assert!(!has_bounced("anne@example.org").await, "the detail may be what is wrong");
    rig.clock.advance(14 * DAY - 1);
    assert!(has_bounced("anne+x@example.org").await);
    rig.clock.advance(1);
    assert!(!has_bounced("anne+x@example.org").await);
    rig.clock.advance(-40 * DAY);
    assert!(!has_bounced("anne+x@example.org").await);
}

fn refused(reply: &str) -> Exception {
    Exception::Refused { reply: reply.to_owned() }
}

/// Reports that the first recipient is an exception, and the only one who got no copy.
async fn except(rig: &Rig, claimed: &Claimed, exception: Exception) {
    let exceptions = vec![(claimed.recipients[0].clone(), exception)];
    let end = BatchEnd::Done { sent: claimed.recipients.len() as u64 - 1, reply: String::new() };
    report(rig, vec![BatchResult { batch: claimed.batch, exceptions, end }]).await;
}

async fn a_recipient_who_is_refused_for_good_gets_no_notices_for_fourteen_days(rig: Rig) {
    let list = list(&rig).await;
    let has_bounced = async |to| answered(&rig, to).await.bounced;
    // It comes with the result of the batch, or before it.
    send(&rig, list, "Anne+x@example.org").await;
    except(&rig, &claim_one(&rig).await, refused("550 5.1.1 unknown")).await;
    send(&rig, list, "bob@example.org").await;
    let claimed = claim_one(&rig).await;
    let refusal = outbox::refusal(&claimed, 0);
    let advance = Advance { sending: vec![claimed.batch], ..Advance::default() };
    rig.engine().advance(advance).await.unwrap();
    rig.engine().advance(Advance { refused: vec![refusal], ..Advance::default() }).await.unwrap();
    assert!(has_bounced("anne+X@example.org").await && has_bounced("bob@example.org").await);
    assert!(!has_bounced("anne@example.org").await, "the detail may be what is wrong");
    rig.clock.advance(14 * DAY - 1);
    // The same result with the batch changes nothing.
    except(&rig, &claimed, refused("550 5.1.1 unknown")).await;
    assert!(has_bounced("anne+x@example.org").await && has_bounced("bob@example.org").await);
    rig.clock.advance(1);
    assert!(!has_bounced("anne+x@example.org").await && !has_bounced("bob@example.org").await);
}

async fn what_is_not_a_recipients_fault_stops_no_notices(rig: Rig) {
    let list = list(&rig).await;
    let five_days = Pause::Deferred(Duration::from_secs(6 * 86_400));
    for exception in [
        Exception::Rejected { reply: "550 5.1.1 no".to_owned() },
        Exception::Deferred { reply: "550 5.1.1 unknown".to_owned(), pause: five_days },
        refused("552 5.2.2 full"),
        refused("554 5.7.1 relay access denied"),
        refused("550 5.7.1 your address is on a block list"),
    ] {
        send(&rig, list, "anne@example.org").await;
        except(&rig, &claim_one(&rig).await, exception.clone()).await;
        assert_eq!(rig.outgoing().await.notices, 0, "it is over");
        assert!(!answered(&rig, "anne@example.org").await.bounced, "{exception:?}");
    }
    // Who is an owner gets mail of the list, whose bounces are counted.
    join(&rig, MemberRole::Owner, &["o@example.org".to_owned()]).await;
    take(&rig, notify(to_owners(list))).await.unwrap();
    except(&rig, &claim_one(&rig).await, refused("550 5.1.1 unknown")).await;
    assert!(!answered(&rig, "o@example.org").await.bounced);
}

async fn the_mails_of_a_request_are_counted(rig: Rig) {
    let list = list(&rig).await;
    let id = ask(&rig, new_request(list, RequestKind::Join, RequestPhase::Confirm)).await;
    let mailed = async || rig.engine().request(id).await.unwrap().unwrap().mailed;
    assert_eq!(mailed().await, Mailed::default());
    let mail = async |counted| {
        let notice = notice(list, "anne@example.org", About::Request(id));
        take(&rig, notify(NewNotice { counted, ..notice })).await.unwrap();
    };
    mail(true).await;
    take(&rig, notify(NewNotice { about: About::Request(id), ..to_owners(list) })).await.unwrap();
    send(&rig, list, "anne@example.org").await;
    assert_eq!(mailed().await, Mailed { hour: 1, day: 1, handed_over_at: None });
    rig.clock.advance(5);
    let first = claim_one(&rig).await;
    report(&rig, vec![again(&first, Pause::AtOnce)]).await;
    assert_eq!(mailed().await.handed_over_at, None, "it was deferred");
    let handed_over = Some(rig.clock.clock().now());
    while let [claimed] = &claim(&rig, REQUEST).await[..] {
        report(&rig, vec![sent(claimed)]).await;
    }
    rig.clock.advance(HOUR);
    mail(false).await;
    assert_eq!(mailed().await, Mailed { hour: 1, day: 2, handed_over_at: handed_over });
    let second = claim_one(&rig).await;
    let refused = Exception::Refused { reply: "550 5.1.1 unknown".to_owned() };
    let end = BatchEnd::Done { sent: 0, reply: String::new() };
    let exceptions = vec![(second.recipients[0].clone(), refused)];
    report(&rig, vec![BatchResult { batch: second.batch, exceptions, end }]).await;
    assert_eq!(mailed().await.handed_over_at, handed_over, "it was refused");
    rig.clock.advance(DAY);
    assert_eq!(mailed().await, Mailed { hour: 0, day: 0, handed_over_at: handed_over });
    let of_address: MemberAddress = "anne@example.org".parse().unwrap();
    let found = rig.engine().request_of(list, &of_address, RequestKind::Join).await.unwrap();
    assert_eq!(found.unwrap().mailed, mailed().await);
}

async fn whom_a_request_asked_is_known_when_it_is_over(rig: Rig) {
    let list = list(&rig).await;
    let id = ask(&rig, new_request(list, RequestKind::Join, RequestPhase::Confirm)).await;
    let asked = async || rig.engine().asked(id).await.unwrap();
    assert_eq!(asked().await, None);
    take(&rig, notify(NewNotice { about: About::Request(id), ..to_owners(list) })).await.unwrap();
    assert_eq!(asked().await, None, "the owners were asked, and no address");
    for template in ["confirm-join", "confirm-again"] {
        let notice = NewNotice { template, ..notice(list, "Anne@Example.org", About::Request(id)) };
        take(&rig, notify(notice)).await.unwrap();
    }
    take(&rig, Effect::EndRequest(id)).await.unwrap();
    let (address, template) = asked().await.unwrap();
    assert_eq!((address.key(), &*template), (anne().key(), "confirm-join"));
}
