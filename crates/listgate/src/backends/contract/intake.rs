//! Arriving mail.

use super::{Check, Mail, Rig, checks, endpoint};
use crate::backends::NotStored;
use crate::model::{Addressed, Changes, Depth, Duplicate, Name, Role, Step, StoreError, Verdict};
use std::fs;
use std::time::Duration;

pub(super) const ALL: &[(&str, Check)] = checks![
    each_recipient_has_a_proof_at_its_position,
    repeating_a_put_with_its_key_creates_no_second_entry,
    mail_repeated_with_another_key_is_recognized,
    repeated_mail_is_reported_as_already_handled,
    mail_addressed_before_a_change_of_lists_is_returned_whole,
    a_depth_is_not_older_than_allowed,
    a_large_body_leaves_no_file_where_it_arrived,
    nothing_is_accepted_after_a_final_error,
];

const THREE: &[(&str, Role)] = &[("a", Role::Post), ("a", Role::Owner), ("b", Role::Request)];

async fn each_recipient_has_a_proof_at_its_position(rig: Rig) {
    for octets in [100, 200_000] {
        let (queued, _) = rig.put(&Mail { to: THREE, octets, ..Mail::default() }).await;
        assert_eq!(queued.len(), 3);
        assert!(queued.iter().all(|queued| queued.duplicate() == Duplicate::No));
        let mut ids: Vec<String> = queued.iter().map(|queued| queued.id().to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3, "each endpoint has an entry of its own");
    }
    assert_eq!(rig.entries().await, 6);
    let depth = |queue| rig.backend.depth(queue, Duration::ZERO);
    if depth(Name::In).await.unwrap() != Depth::default() {
        assert_eq!(depth(Name::In).await.unwrap().entries, 4);
        assert_eq!(depth(Name::Command).await.unwrap().entries, 2);
    }
}

async fn repeating_a_put_with_its_key_creates_no_second_entry(rig: Rig) {
    for octets in [100, 200_000] {
        let mail = Mail { to: THREE, octets, ..Mail::default() };
        let before = rig.entries().await;
        let (first, mut second) = (rig.delivery(&mail).await, rig.delivery(&mail).await);
        second.key = first.key;
        let ids = |queued: Vec<crate::backends::Queued>| -> Vec<String> {
            queued.iter().map(|queued| queued.id().to_string()).collect()
        };
        let first = ids(rig.backend.put(first).await.unwrap());
        assert_eq!(ids(rig.backend.put(second).await.unwrap()), first);
        assert_eq!(rig.entries().await, before + 3);
    }
}

async fn mail_repeated_with_another_key_is_recognized(rig: Rig) {
    let mail = Mail { to: THREE, ..Mail::default() };
    let (first, _) = rig.put(&mail).await;
    let (second, _) = rig.put(&mail).await;
    let (other, _) = rig.put(&Mail { text: "another", ..mail }).await;
    assert!(other.iter().all(|queued| queued.duplicate() == Duplicate::No));
    if rig.remembers {
        assert!(second.iter().all(|queued| queued.duplicate() == Duplicate::Suppressed));
        assert!(second.iter().zip(&first).all(|(second, first)| second.id() == first.id()));
        assert_eq!(rig.entries().await, 6);
    } else {
        assert_eq!(rig.entries().await, 9);
    }
}

async fn repeated_mail_is_reported_as_already_handled(rig: Rig) {
    if !rig.remembers {
        return;
    }
    let (first, _) = rig.put(&Mail::default()).await;
    let lease = rig.lease_one().await;
    rig.step(Step::settling(lease, Verdict::Done)).await.unwrap();
    let (second, _) = rig.put(&Mail::default()).await;
    assert_eq!((second[0].duplicate(), second[0].id()), (Duplicate::Handled, first[0].id()));
    assert_eq!(second[0].to_string(), format!("already handled as {}", first[0].id()));
    assert_eq!(rig.entries().await, 0);
}

async fn mail_addressed_before_a_change_of_lists_is_returned_whole(rig: Rig) {
    let Some(now) = rig.backend.changes(std::time::Instant::now()).await.unwrap() else { return };
    let mut delivery = rig.delivery(&Mail { to: THREE, octets: 200_000, ..Mail::default() }).await;
    let size = delivery.message.body.len();
    delivery.as_of = Some(Changes(now.0 - 1));
    let Err(NotStored::Changed(mut outdated)) = rig.backend.put(delivery).await else {
        panic!("it was stored")
    };
    assert_eq!((outdated.message.body.len(), outdated.to.len()), (size, 3));
    assert_eq!(rig.entries().await, 0);
    // With other recipients it is a different delivery, and may have the same key or another one.
    outdated.to =
        vec![Addressed { recipient: "a@example.com".to_owned(), endpoint: endpoint("a", Role::Post) }];
    outdated.as_of = Some(now);
    assert_eq!(rig.backend.put(*outdated).await.unwrap().len(), 1);
    assert_eq!(rig.entries().await, 1);
}

async fn a_depth_is_not_older_than_allowed(rig: Rig) {
    let depth = |age| rig.backend.depth(Name::In, age);
    let before = depth(Duration::ZERO).await.unwrap();
    let (_, size) = rig.put(&Mail::default()).await;
    let known = depth(Duration::from_secs(60)).await.unwrap();
    let now = depth(Duration::ZERO).await.unwrap();
    // The Mailman backend counts nothing.
    if now != Depth::default() {
        assert_eq!(now, Depth { entries: 1, octets: size });
        assert!([before, now].contains(&known), "as of some moment of the last minute");
    }
}

async fn a_large_body_leaves_no_file_where_it_arrived(rig: Rig) {
    let before = rig.files_in_spool();
    let delivery = rig.delivery(&Mail { octets: 200_000, ..Mail::default() }).await;
    let path = rig.files_in_spool().into_iter().find(|file| !before.contains(file)).unwrap();
    rig.backend.put(delivery).await.unwrap();
    // The backend may keep the file there as its own; otherwise the file must be gone.
    if !rig.keeps_spooled_files {
        assert!(fs::metadata(&path).is_err(), "{}", path.display());
    }
    drop(rig.delivery(&Mail { octets: 200_000, ..Mail::default() }).await);
    assert!(rig.files_in_spool().len() <= before.len() + 1, "what is not put is gone");
}

async fn nothing_is_accepted_after_a_final_error(rig: Rig) {
    let given_up = rig.backend.given_up();
    assert!(!*given_up.borrow());
    rig.backend.give_up(&StoreError::panicked("a test"));
    assert!(*given_up.borrow());
    let delivery = rig.delivery(&Mail::default()).await;
    assert!(matches!(rig.backend.put(delivery).await, Err(NotStored::Store(why)) if why.is_closed()));
}
