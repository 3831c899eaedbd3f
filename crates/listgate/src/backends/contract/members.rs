//! Members of lists.

use super::{Check, Rig, checks};
use crate::model::{
    BanPattern, Joined, Member, MemberAddress, MemberChange, MemberDelivery, MemberError, MemberRole,
    NamedAddress, NewMember, OffBy, Seq,
};

pub(super) const ALL: &[(&str, Check)] = checks![
    an_address_joins_once_in_each_role,
    a_member_keeps_the_form_of_its_address_and_its_name,
    seqs_grow_and_are_never_used_again,
    a_range_of_seqs_has_one_role_of_one_list,
    roles_are_taken_from_all_addresses_or_none,
    a_change_needs_the_version_that_was_looked_up,
    delivery_is_on_again_at_its_time_and_if_the_clock_is_set_back,
    members_of_an_unknown_list_are_an_error,
    bans_are_of_a_list_or_of_all,
];

const A: &str = "a.example.com";

fn new(addresses: &[&str]) -> Vec<NewMember> {
    addresses.iter().map(|text| text.parse::<NamedAddress>().unwrap().into()).collect()
}

fn address(text: &str) -> MemberAddress {
    text.parse().unwrap()
}

async fn add(rig: &Rig, role: MemberRole, addresses: &[&str]) -> Vec<Joined> {
    rig.members().add(A, role, &new(addresses)).await.unwrap()
}

async fn all(rig: &Rig, role: MemberRole) -> Vec<Member> {
    rig.members().members_after(A, role, Seq::default(), 1000).await.unwrap()
}

async fn an_address_joins_once_in_each_role(rig: Rig) {
    (rig.create)("a@example.com");
    let joined = add(&rig, MemberRole::Member, &["x@example.org", "y@example.org", "X@Example.ORG"]).await;
    assert_eq!(joined, [Joined::Added, Joined::Added, Joined::Already]);
    assert_eq!(add(&rig, MemberRole::Member, &["x@example.org"]).await, [Joined::Already]);
    assert_eq!(add(&rig, MemberRole::Owner, &["x@example.org"]).await, [Joined::Added]);
    let roles = rig.members().roles_of(A, &address("x@EXAMPLE.org")).await.unwrap();
    let roles: Vec<MemberRole> = roles.iter().map(|member| member.role).collect();
    assert_eq!(roles, [MemberRole::Member, MemberRole::Owner]);
    assert!(rig.members().roles_of(A, &address("z@example.org")).await.unwrap().is_empty());
}

async fn a_member_keeps_the_form_of_its_address_and_its_name(rig: Rig) {
    (rig.create)("a@example.com");
    add(&rig, MemberRole::Member, &["J\u{fc}rgen <JU\u{308}rgen@B\u{fc}cher.example>"]).await;
    let found = rig.members().roles_of(A, &address("j\u{fc}rgen@xn--bcher-kva.example")).await.unwrap();
    assert_eq!(found[0].address.to_string(), "JU\u{308}rgen@B\u{fc}cher.example");
    let settings = &found[0].settings;
    assert_eq!(settings.name.as_ref().unwrap().as_str(), "J\u{fc}rgen");
    assert_eq!((settings.verified_at, settings.delivery), (None, MemberDelivery::On));
    assert_eq!((settings.own_posts, settings.hidden), (true, false));
    assert_eq!(found[0].joined_at, rig.clock.clock().now());
}

async fn seqs_grow_and_are_never_used_again(rig: Rig) {
    (rig.create)("a@example.com");
    add(&rig, MemberRole::Member, &["x@example.org", "y@example.org"]).await;
    let before: Vec<Seq> = all(&rig, MemberRole::Member).await.iter().map(|member| member.seq).collect();
    assert!(before[0] < before[1], "{before:?}");
    rig.members().remove(A, MemberRole::Member, &[address("y@example.org")]).await.unwrap();
    add(&rig, MemberRole::Member, &["y@example.org"]).await;
    let after: Vec<Seq> = all(&rig, MemberRole::Member).await.iter().map(|member| member.seq).collect();
    assert!(after[0] == before[0] && after[1] > before[1], "{before:?} {after:?}");
}

async fn a_range_of_seqs_has_one_role_of_one_list(rig: Rig) {
    (rig.create)("a@example.com");
    (rig.create)("b@example.com");
    for n in 0..5 {
        add(&rig, MemberRole::Member, &[&format!("m{n}@example.org")]).await;
        add(&rig, MemberRole::Nonmember, &[&format!("n{n}@example.org")]).await;
        let other = new(&[&format!("o{n}@example.org")]);
        rig.members().add("b.example.com", MemberRole::Member, &other).await.unwrap();
    }
    let (mut after, mut found) = (Seq::default(), Vec::new());
    loop {
        let some = rig.members().members_after(A, MemberRole::Member, after, 2).await.unwrap();
        let Some(last) = some.last() else { break };
        assert!(some.len() <= 2);
        after = last.seq;
        found.extend(some.iter().map(|member| member.address.to_string()));
    }
    assert_eq!(found, (0..5).map(|n| format!("m{n}@example.org")).collect::<Vec<_>>());
}

async fn roles_are_taken_from_all_addresses_or_none(rig: Rig) {
    (rig.create)("a@example.com");
    add(&rig, MemberRole::Member, &["x@example.org"]).await;
    add(&rig, MemberRole::Owner, &["x@example.org"]).await;
    let both = [address("x@example.org"), address("y@example.org")];
    let missing = rig.members().remove(A, MemberRole::Member, &both).await.unwrap_err();
    assert!(matches!(&missing, MemberError::Missing(who) if *who == both[1]), "{missing}");
    assert_eq!(all(&rig, MemberRole::Member).await.len(), 1);
    rig.members().remove(A, MemberRole::Member, &both[..1]).await.unwrap();
    assert_eq!(all(&rig, MemberRole::Member).await.len(), 0);
    assert_eq!(all(&rig, MemberRole::Owner).await.len(), 1);
}

async fn a_change_needs_the_version_that_was_looked_up(rig: Rig) {
    (rig.create)("a@example.com");
    add(&rig, MemberRole::Member, &["x@example.org"]).await;
    let first = all(&rig, MemberRole::Member).await.remove(0);
    let changes = [MemberChange::Hidden(true), MemberChange::OwnPosts(false), MemberChange::Verified(true)];
    let changed = rig.members().change(&first, &changes).await.unwrap();
    assert!(changed.settings.hidden && !changed.settings.own_posts && changed.version > first.version);
    assert_eq!(changed.settings.verified_at, Some(rig.clock.clock().now()));
    assert_eq!(all(&rig, MemberRole::Member).await.first(), Some(&changed));
    let late = rig.members().change(&first, &[MemberChange::Hidden(false)]).await.unwrap_err();
    assert!(matches!(late, MemberError::Outdated), "{late}");
    rig.members().remove(A, MemberRole::Member, &[address("x@example.org")]).await.unwrap();
    add(&rig, MemberRole::Member, &["x@example.org"]).await;
    let late = rig.members().change(&changed, &[MemberChange::Hidden(false)]).await.unwrap_err();
    assert!(matches!(late, MemberError::Outdated), "it joined again: {late}");
}

async fn delivery_is_on_again_at_its_time_and_if_the_clock_is_set_back(rig: Rig) {
    (rig.create)("a@example.com");
    add(&rig, MemberRole::Member, &["x@example.org"]).await;
    let now = rig.clock.clock().now();
    let until = Some(now + std::time::Duration::from_secs(86_400));
    let off = MemberChange::DeliveryOff { by: OffBy::Bounce, until };
    let member = all(&rig, MemberRole::Member).await.remove(0);
    rig.members().change(&member, &[off]).await.unwrap();
    let delivery = all(&rig, MemberRole::Member).await[0].settings.delivery;
    let seconds = |seconds: i64| rig.clock.clock().milliseconds() + seconds * 1000;
    for (at, is_on) in [(0, false), (86_399, false), (86_401, true), (-3600, true)] {
        assert_eq!(delivery.at(seconds(at)) == MemberDelivery::On, is_on, "{at}");
    }
    let member = all(&rig, MemberRole::Member).await.remove(0);
    rig.members().change(&member, &[MemberChange::DeliveryOn]).await.unwrap();
    assert_eq!(all(&rig, MemberRole::Member).await[0].settings.delivery, MemberDelivery::On);
}

async fn members_of_an_unknown_list_are_an_error(rig: Rig) {
    (rig.create)("a@example.com");
    let added = rig.members().add("b.example.com", MemberRole::Member, &new(&["x@example.org"])).await;
    assert!(matches!(added, Err(MemberError::NoList(_))));
    let read = rig.members().members_after("b.example.com", MemberRole::Member, Seq::default(), 1).await;
    assert!(matches!(read, Err(MemberError::NoList(_))));
}

async fn bans_are_of_a_list_or_of_all(rig: Rig) {
    (rig.create)("a@example.com");
    (rig.create)("b@example.com");
    let members = rig.members();
    let patterns: [BanPattern; 2] = ["^spam".parse().unwrap(), "@example.org".parse().unwrap()];
    assert_eq!(members.ban(Some(A), &patterns).await.unwrap(), [true, true]);
    assert_eq!(members.ban(Some(A), &patterns[..1]).await.unwrap(), [false]);
    assert_eq!(members.ban(None, &patterns[..1]).await.unwrap(), [true]);
    let bans = members.bans(Some(A)).await.unwrap();
    assert_eq!(bans.iter().map(|ban| ban.pattern.as_str()).collect::<Vec<_>>(), ["@example.org", "^spam"]);
    assert_eq!(bans[0].banned_at, rig.clock.clock().now());
    assert_eq!(members.bans(None).await.unwrap().len(), 1);
    assert_eq!(members.bans(Some("b.example.com")).await.unwrap(), []);
    let missing = members.unban(None, &patterns).await.unwrap_err();
    assert!(matches!(&missing, MemberError::NoBan(pattern) if *pattern == patterns[1]), "{missing}");
    assert_eq!(members.bans(None).await.unwrap().len(), 1, "none was removed");
    members.unban(Some(A), &patterns).await.unwrap();
    assert_eq!(members.bans(Some(A)).await.unwrap(), []);
    assert!(matches!(members.ban(Some("c.example.com"), &patterns).await, Err(MemberError::NoList(_))));
}
