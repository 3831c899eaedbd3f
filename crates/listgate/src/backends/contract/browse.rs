//! The operators' view of the queues.

use super::{Check, Mail, Rig, checks};
use crate::backends::Wanted;
use crate::model::{Duplicate, Entry, EntryError, EntryId, Id, Name, Role};
use std::ops::ControlFlow;
use std::slice;

pub(super) const ALL: &[(&str, Check)] = checks![
    entries_are_listed_oldest_first_and_found,
    a_message_is_shown_as_stored,
    entries_are_removed_all_or_none,
    removed_mail_may_be_delivered_again_once,
];

async fn listed(rig: &Rig, wanted: Wanted) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut each = |entry| {
        all.push(entry);
        ControlFlow::Continue(())
    };
    rig.browse().each_entry(&wanted, &mut each).await.unwrap();
    all
}

async fn entries_are_listed_oldest_first_and_found(rig: Rig) {
    let to = &[("a", Role::Post), ("a", Role::Request)];
    let (first, _) = rig.put(&Mail { to, ..Mail::default() }).await;
    let (second, _) = rig.put(&Mail { octets: 200_000, ..Mail::default() }).await;
    let ids =
        |entries: Vec<Entry>| -> Vec<String> { entries.iter().map(|entry| entry.id.to_string()).collect() };
    let in_queue = Wanted { queue: Some(Name::In), message_id: None };
    assert_eq!(
        ids(listed(&rig, in_queue.clone()).await),
        [first[0].id().to_string(), second[0].id().to_string()]
    );
    assert_eq!(listed(&rig, Wanted::default()).await.len(), 3);
    let by_id = Wanted { queue: None, message_id: Some("<200000@x>".to_owned()) };
    assert_eq!(ids(listed(&rig, by_id).await), [second[0].id().to_string()]);
    let mut seen = 0;
    let mut one = |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    rig.browse().each_entry(&in_queue, &mut one).await.unwrap();
    assert_eq!(seen, 1, "no more than is wanted");
    let mut counted = 0;
    rig.browse().each_arrival(Name::In, &mut |_| counted += 1).await.unwrap();
    assert_eq!(counted, 2);
}

async fn a_message_is_shown_as_stored(rig: Rig) {
    for octets in [100, 200_000] {
        rig.put(&Mail { octets, ..Mail::default() }).await;
        let entry = listed(&rig, Wanted::default()).await.pop().unwrap();
        let whole = rig.browse().read(&entry.id, 0, usize::MAX).await.unwrap();
        assert!(whole.starts_with(b"Received: x\r\n") && whole.len() > octets);
        assert_eq!(rig.browse().read(&entry.id, 3, 5).await.unwrap(), whole[3..8]);
        assert_eq!(rig.browse().read(&entry.id, whole.len() as u64, 5).await.unwrap(), b"");
        assert_eq!(rig.browse().entry(&entry.id).await.unwrap().message_id, entry.message_id);
    }
}

async fn entries_are_removed_all_or_none(rig: Rig) {
    rig.put(&Mail::default()).await;
    let entry = listed(&rig, Wanted::default()).await.pop().unwrap();
    for missing in [Id::Entry(EntryId { delivery: 99, n: 1 }), Id::File("1.0+ab".to_owned())] {
        let removed = rig.browse().remove(slice::from_ref(&missing)).await;
        assert!(matches!(removed, Err(EntryError::Missing(id)) if id == missing));
    }
    rig.browse().remove(slice::from_ref(&entry.id)).await.unwrap();
    assert!(listed(&rig, Wanted::default()).await.is_empty());
    assert!(matches!(rig.browse().entry(&entry.id).await, Err(EntryError::Missing(_))));
}

async fn removed_mail_may_be_delivered_again_once(rig: Rig) {
    let to = &[("a", Role::Post), ("a", Role::Request)];
    for octets in [100, 200_000] {
        let mail = Mail { to, octets, ..Mail::default() };
        let (first, _) = rig.put(&mail).await;
        rig.browse().remove(slice::from_ref(first[0].id())).await.unwrap();
        let (second, _) = rig.put(&mail).await;
        assert_eq!(second[0].duplicate(), Duplicate::No);
        assert_ne!(second[0].id(), first[0].id());
        let (third, _) = rig.put(&mail).await;
        if rig.remembers {
            assert_eq!(second[1].id(), first[1].id(), "that one was not removed");
            assert_eq!((third[0].duplicate(), third[0].id()), (Duplicate::Suppressed, second[0].id()));
        }
    }
}
