//! Held posts and their moderators: who is asked, how often, and what tokens are about.

use super::notices::{bounce, claim_one, contents, notice, notify, send};
use super::outbox::{self, REQUEST, addresses, change, claim, join, leave, report, sent};
use super::posts::{done, leased, message, new_held};
use super::requests::{holds, list};
use super::{Check, Mail, Rig, checks};
use crate::limits;
use crate::model::{
    About, BounceOf, DecisionOutcome, Effect, Expect, HeldId, HeldPost, ListNumber, MemberRole,
    ModerationNow, NewHeldPost, NewNotice, NotStepped, NoticeTo, Offer, OfferId, OfferedTo, OutgoingNow, Seq,
    Step,
};

pub(super) const ALL: &[(&str, Check)] = checks![
    a_held_post_is_read_as_it_was_stored,
    moderators_decide_or_else_owners,
    those_who_get_no_mail_are_not_asked,
    an_offer_is_about_the_held_post_of_its_step,
    an_offer_to_a_former_moderator_does_nothing,
    an_offer_keeps_what_became_of_the_post,
    the_posts_that_moderators_have_heard_of_are_counted,
    a_removed_list_ends_its_offers,
];

const HOUR: i64 = 3600;

/// Holds a post, and offers it to some.
async fn hold(rig: &Rig, to: &[OfferedTo]) -> (ListNumber, HeldId) {
    let (list, lease) = leased(rig).await;
    let held = Effect::Hold(Box::new(new_held(list, message(lease))));
    let offers = to.iter().map(|to| asking(list, *to));
    // The order of the effects does not matter.
    let step = rig.step(done(lease, offers.chain([held]).collect())).await.unwrap();
    (list, step.held.unwrap())
}

fn asking(list: ListNumber, to: OfferedTo) -> Effect {
    let recipient = match to {
        OfferedTo::Moderator(_) => NoticeTo::Address("mia@example.org".parse().unwrap()),
        OfferedTo::SiteOwner => NoticeTo::Owners { instead: Some("site@example.org".to_owned()) },
    };
    let new = notice(list, "mia@example.org", About::Held(to));
    notify(NewNotice { to: recipient, template: "owner-held", counted: false, ..new })
}

async fn moderation(rig: &Rig, list: ListNumber) -> ModerationNow {
    rig.engine().moderation(list).await.unwrap()
}

async fn asked(rig: &Rig, list: ListNumber) -> Vec<String> {
    moderation(rig, list).await.moderators.iter().map(|moderator| moderator.address.to_string()).collect()
}

async fn offer(rig: &Rig, list: ListNumber, id: i64) -> Option<Offer> {
    rig.engine().offer(list, OfferId(id)).await.unwrap()
}

async fn seq(rig: &Rig, list: ListNumber, address: &str) -> Seq {
    rig.engine().standing(list, &address.parse().unwrap()).await.unwrap()[0].seq
}

async fn unhold(rig: &Rig, held: HeldId, outcome: DecisionOutcome) {
    let step = Step::settling_nothing().with(Effect::Unhold(held, outcome)).unwrap();
    rig.step(step).await.unwrap();
}

async fn a_held_post_is_read_as_it_was_stored(rig: Rig) {
    let (_, id) = hold(&rig, &[]).await;
    let held = rig.engine().held_post(id).await.unwrap().unwrap();
    let NewHeldPost { mail_from, message_id, author, reasons, notified, .. } =
        new_held(ListNumber(1), held.message);
    let (list_id, held_at) = ("a.example.com".to_owned(), rig.clock.clock().now());
    let (message, subject) = (held.message, held.subject.clone());
    let size = rig.engine().read(message, 0, 1 << 20).await.unwrap().unwrap().len() as u64;
    let expected = HeldPost {
        id,
        list_id,
        message,
        size,
        mail_from,
        message_id,
        author,
        subject,
        reasons,
        notified,
        held_at,
    };
    assert_eq!(held, expected);
    assert!(held.subject.starts_with("sss"));
    assert_eq!(rig.engine().held_post(HeldId(id.0 + 1)).await.unwrap(), None);
}

async fn moderators_decide_or_else_owners(rig: Rig) {
    let list = list(&rig).await;
    join(&rig, MemberRole::Member, &["m@example.org".to_owned()]).await;
    assert_eq!(moderation(&rig, list).await, ModerationNow::default());
    join(&rig, MemberRole::Owner, &(0..25).map(outbox::address).collect::<Vec<_>>()).await;
    let owners: Vec<String> = (0..limits::MODERATORS).map(outbox::address).collect();
    assert_eq!(asked(&rig, list).await, owners);
    join(&rig, MemberRole::Moderator, &["Mia@Example.org".to_owned(), outbox::address(3)]).await;
    assert_eq!(asked(&rig, list).await, ["Mia@Example.org".to_owned(), outbox::address(3)]);
}

async fn those_who_get_no_mail_are_not_asked(rig: Rig) {
    let list = list(&rig).await;
    let text = str::to_owned;
    join(&rig, MemberRole::Owner, &["o@example.org"].map(text)).await;
    join(&rig, MemberRole::Moderator, &["off@example.org", "dead@example.org", "mia@example.org"].map(text))
        .await;
    change(&rig, "off@example.org", "delivery=off".parse().unwrap()).await;
    send(&rig, list, "dead@example.org").await;
    let claimed = claim_one(&rig).await;
    report(&rig, vec![sent(&claimed)]).await;
    bounce(&rig, list, (BounceOf::Notice, claimed.post.0), "permanent").await;
    assert_eq!(asked(&rig, list).await, ["mia@example.org"]);
    leave(&rig, MemberRole::Moderator, "mia@example.org").await;
    assert_eq!(asked(&rig, list).await, ["o@example.org"]);
    rig.clock.advance(14 * 24 * HOUR);
    assert_eq!(asked(&rig, list).await, ["dead@example.org"]);
}

async fn an_offer_is_about_the_held_post_of_its_step(rig: Rig) {
    let number = list(&rig).await;
    join(&rig, MemberRole::Moderator, &["Mia@Example.org".to_owned()]).await;
    (rig.create)("b@example.com");
    let other = rig.engine().snapshot("b.example.com").await.unwrap().unwrap().number;
    let mia = OfferedTo::Moderator(seq(&rig, number, "mia@example.org").await);
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    let held = Effect::Hold(Box::new(new_held(number, message(lease))));
    let step = done(lease, vec![asking(number, mia), asking(number, OfferedTo::SiteOwner), held]);
    let held = rig.step(step).await.unwrap().held.unwrap();
    let claimed = claim_one(&rig).await;
    assert_eq!((contents(&claimed).held, contents(&claimed).request), (Some(held), None));
    assert_eq!(addresses(&claimed), ["mia@example.org"]);
    let id = contents(&claimed).subject.unwrap();
    report(&rig, vec![sent(&claimed)]).await;
    let moderator = Some("Mia@Example.org".parse().unwrap());
    let expected = Offer { id: OfferId(id), held, moderator, outcome: None };
    assert_eq!(offer(&rig, number, id).await, Some(expected));
    assert_eq!(offer(&rig, other, id).await, None, "the other list has not offered it");
    assert_eq!(offer(&rig, number, id + 1).await, None, "the owner of the site has no token");
    let claimed = claim_one(&rig).await;
    assert_eq!((contents(&claimed).held, contents(&claimed).subject), (Some(held), None));
    report(&rig, vec![sent(&claimed)]).await;
    let alone = Step::settling_nothing().with(asking(number, mia)).unwrap();
    assert!(matches!(rig.step(alone).await, Err(NotStepped::Store(_))), "its step holds none");
    assert_eq!(rig.outgoing().await, OutgoingNow { held: 1, ..OutgoingNow::default() });
}

async fn an_offer_to_a_former_moderator_does_nothing(rig: Rig) {
    let number = list(&rig).await;
    let mia = "mia@example.org";
    join(&rig, MemberRole::Member, &[mia.to_owned()]).await;
    join(&rig, MemberRole::Owner, &["o@example.org".to_owned()]).await;
    let [member, owner] = [seq(&rig, number, mia).await, seq(&rig, number, "o@example.org").await];
    rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    let held = Effect::Hold(Box::new(new_held(number, message(lease))));
    let [to_member, to_owner] = [member, owner].map(|seq| asking(number, OfferedTo::Moderator(seq)));
    rig.step(done(lease, vec![held, to_member, to_owner])).await.unwrap();
    let offered = |id| Expect::Offered(number, OfferId(id));
    assert_eq!(offer(&rig, number, 1).await.unwrap().moderator, None, "a member decides nothing");
    assert!(!holds(&rig, offered(1)).await && holds(&rig, offered(2)).await);
    leave(&rig, MemberRole::Owner, "o@example.org").await;
    assert_eq!(offer(&rig, number, 2).await.unwrap().moderator, None);
    assert!(!holds(&rig, offered(2)).await && !holds(&rig, offered(3)).await);
}

async fn an_offer_keeps_what_became_of_the_post(rig: Rig) {
    let number = list(&rig).await;
    join(&rig, MemberRole::Owner, &["o@example.org".to_owned()]).await;
    let owner = OfferedTo::Moderator(seq(&rig, number, "o@example.org").await);
    for (n, outcome) in [DecisionOutcome::Accepted, DecisionOutcome::Rejected, DecisionOutcome::Discarded]
        .into_iter()
        .enumerate()
    {
        rig.put(&Mail { text: outcome.as_str(), ..Mail::default() }).await;
        let lease = rig.lease_one().await;
        let held = Effect::Hold(Box::new(new_held(number, message(lease))));
        let held = rig.step(done(lease, vec![held, asking(number, owner)])).await.unwrap().held.unwrap();
        let id = i64::try_from(n).unwrap() + 1;
        assert!(holds(&rig, Expect::Offered(number, OfferId(id))).await);
        unhold(&rig, held, outcome).await;
        let found = offer(&rig, number, id).await.unwrap();
        assert_eq!((found.held, found.outcome, found.moderator.is_some()), (held, Some(outcome), true));
        assert!(!holds(&rig, Expect::Offered(number, OfferId(id))).await);
    }
    assert_eq!(moderation(&rig, number).await.waiting, 0);
}

async fn the_posts_that_moderators_have_heard_of_are_counted(rig: Rig) {
    let number = list(&rig).await;
    let count = async || {
        let now = moderation(&rig, number).await;
        (now.waiting, now.announced)
    };
    let hold = async |text: &str, offers: usize| {
        rig.put(&Mail { text, ..Mail::default() }).await;
        let lease = rig.lease_one().await;
        let held = Effect::Hold(Box::new(new_held(number, message(lease))));
        let offers = (0..offers).map(|_| asking(number, OfferedTo::SiteOwner));
        rig.step(done(lease, offers.chain([held]).collect())).await.unwrap().held.unwrap()
    };
    let first = hold("first", 2).await;
    hold("second", 0).await;
    assert_eq!(count().await, (2, 1), "each post counts once, and only if somebody is asked");
    rig.clock.advance(HOUR / 2);
    hold("third", 1).await;
    assert_eq!(count().await, (3, 2));
    let announced = |count| Expect::Announced(number, count);
    assert!(!holds(&rig, announced(1)).await);
    assert!(holds(&rig, announced(2)).await && holds(&rig, announced(3)).await);
    unhold(&rig, first, DecisionOutcome::Discarded).await;
    assert_eq!(count().await, (2, 2), "what is decided counts, too");
    rig.clock.advance(HOUR / 2 - 1);
    assert_eq!(count().await.1, 2);
    rig.clock.advance(1);
    assert_eq!(count().await.1, 1);
    rig.clock.advance(-HOUR / 2 - HOUR);
    assert_eq!(count().await.1, 2, "the clock was set back");
    rig.clock.advance(-1);
    assert_eq!(count().await.1, 1);
}

async fn a_removed_list_ends_its_offers(rig: Rig) {
    let (list, _) = hold(&rig, &[OfferedTo::SiteOwner, OfferedTo::Moderator(Seq(1))]).await;
    assert!(offer(&rig, list, 2).await.is_some());
    (rig.remove)("a@example.com");
    let step = Step::settling_nothing().with(asking(list, OfferedTo::SiteOwner)).unwrap();
    assert!(matches!(rig.step(step).await, Err(NotStepped::Outdated)));
    assert_eq!(claim(&rig, REQUEST).await, []);
    assert_eq!(rig.outgoing().await.notices, 0);
}
