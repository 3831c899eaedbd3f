//! The keys that sign tokens, and their rotation.

use super::{Check, Rig, checks};
use crate::model::{KeyNumber, MemberRole, NamedAddress, NewMember, Rotation, SiteKey};
use listgate_engine::token::{self, Claim, Day, Purpose, Subject};
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_new_key_signs_and_the_three_before_it_stay_valid,
    a_rotation_may_keep_no_other_key,
    nothing_changes_if_another_key_signs_than_was_seen,
    a_restart_changes_no_key,
    memberships_are_counted_by_their_beginning,
];

const DAY: Duration = Duration::from_secs(86_400);

/// Returns a token that the store signs now.
async fn sign(rig: &Rig) -> String {
    let claim =
        Claim { purpose: Purpose::Leave, subject: Subject::new(7).expect("it has few bits"), expires: None };
    rig.engine().keys().await.unwrap().sign("a.example.com", claim).to_string()
}

/// Returns how many newer keys there are than the one that signed a token, if it is valid.
async fn age(rig: &Rig, token: &str) -> Option<usize> {
    match rig.engine().keys().await.unwrap().check("a.example.com", token.as_bytes(), Day::of_seconds(1)) {
        token::Check::Valid { key_age, .. } => Some(key_age),
        _ => None,
    }
}

async fn keys(rig: &Rig) -> Vec<SiteKey> {
    rig.keys().site_keys().await.unwrap()
}

/// Makes a new key a day later, which keeps as many as `kept` of the others.
async fn rotate(rig: &Rig, kept: usize) {
    rig.clock.advance(86_400);
    let rotation = Rotation { signing: keys(rig).await[0].number, kept };
    assert!(rig.keys().rotate_keys(&rotation).await.unwrap());
}

async fn a_new_key_signs_and_the_three_before_it_stay_valid(rig: Rig) {
    let first = keys(&rig).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].replaced_at, None);
    let token = sign(&rig).await;
    for rotations in 1..=3 {
        assert_eq!(age(&rig, &token).await, Some(rotations - 1));
        rotate(&rig, 3).await;
        assert_eq!(keys(&rig).await.len(), rotations + 1);
    }
    assert_eq!(age(&rig, &token).await, Some(3));
    assert_eq!(age(&rig, &sign(&rig).await).await, Some(0));
    rotate(&rig, 3).await;
    assert_eq!(age(&rig, &token).await, None);
    let last = keys(&rig).await;
    let numbers: Vec<i64> = last.iter().map(|key| key.number.0 - first[0].number.0).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    assert_eq!(last[0].made_at, rig.clock.clock().now());
    assert_eq!(last[0].replaced_at, None);
    for (newer, older) in last.iter().zip(&last[1..]) {
        assert_eq!(older.replaced_at, Some(newer.made_at));
        assert_eq!(newer.made_at.duration_since(older.made_at).unwrap(), DAY);
    }
}

async fn a_rotation_may_keep_no_other_key(rig: Rig) {
    let first = sign(&rig).await;
    rotate(&rig, 3).await;
    let second = sign(&rig).await;
    rotate(&rig, 0).await;
    assert_eq!([age(&rig, &first).await, age(&rig, &second).await], [None, None]);
    assert_eq!(age(&rig, &sign(&rig).await).await, Some(0));
    assert_eq!(keys(&rig).await.len(), 1);
    rotate(&rig, 3).await;
    assert_eq!(keys(&rig).await.len(), 2);
    assert_eq!([age(&rig, &first).await, age(&rig, &second).await], [None, None]);
}

async fn nothing_changes_if_another_key_signs_than_was_seen(rig: Rig) {
    let before = keys(&rig).await;
    let token = sign(&rig).await;
    for number in [before[0].number.0 - 1, before[0].number.0 + 1] {
        let rotation = Rotation { signing: KeyNumber(number), kept: 0 };
        assert!(!rig.keys().rotate_keys(&rotation).await.unwrap());
    }
    assert_eq!(keys(&rig).await, before);
    assert_eq!(sign(&rig).await, token);
}

async fn a_restart_changes_no_key(rig: Rig) {
    let before = sign(&rig).await;
    rotate(&rig, 3).await;
    let (token, all) = (sign(&rig).await, keys(&rig).await);
    let rig = rig.restart();
    assert_eq!((sign(&rig).await, keys(&rig).await), (token, all));
    assert_eq!(age(&rig, &before).await, Some(1));
}

async fn memberships_are_counted_by_their_beginning(rig: Rig) {
    let mut counts = Vec::new();
    for list in ["a", "b"] {
        (rig.create)(&format!("{list}@example.com"));
        let list_id = format!("{list}.example.com");
        for (role, address) in [
            (MemberRole::Member, "anne@example.org"),
            (MemberRole::Member, "bob@example.org"),
            (MemberRole::Owner, "anne@example.org"),
        ] {
            let named = NamedAddress { address: address.parse().unwrap(), name: None };
            let new = NewMember { named, changes: Vec::new() };
            rig.members().add(&list_id, role, &[new]).await.unwrap();
        }
        counts.push(rig.keys().memberships_before(rig.clock.clock().now()).await.unwrap());
        rig.clock.advance(1);
    }
    let count = async || rig.keys().memberships_before(rig.clock.clock().now()).await.unwrap();
    assert_eq!((counts, count().await), (vec![0, 2], 4));
    (rig.remove)("a@example.com");
    assert_eq!(count().await, 2);
}
