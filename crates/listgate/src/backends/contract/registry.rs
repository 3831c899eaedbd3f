//! Lists and domains.

use super::rigs::until;
use super::{Check, Rig, checks};
use crate::model::Names;
use std::time::Instant;

pub(super) const ALL: &[(&str, Check)] = checks![
    a_list_is_found_from_the_moment_it_is_created,
    the_whole_name_wins_over_the_base_name,
    domains_with_lists_are_served,
    a_change_of_lists_is_counted,
];

fn names(whole: &str, base: Option<&str>) -> Names {
    Names { whole: whole.to_owned(), base: base.map(str::to_owned), domain: "example.com".to_owned() }
}

async fn found(rig: &Rig, names: &Names) -> Option<String> {
    let found = rig.backend.find(names, Instant::now()).await.unwrap();
    found.map(|list| list.address.to_string())
}

async fn a_list_is_found_from_the_moment_it_is_created(rig: Rig) {
    assert_eq!(found(&rig, &names("a", None)).await, None);
    (rig.create)("a@example.com");
    assert_eq!(found(&rig, &names("a", None)).await.as_deref(), Some("a@example.com"));
    assert_eq!(found(&rig, &names("b", None)).await, None);
    assert_eq!(rig.backend.count_lists().await.unwrap(), 1);
}

async fn the_whole_name_wins_over_the_base_name(rig: Rig) {
    (rig.create)("a@example.com");
    let wanted = names("a-join", Some("a"));
    assert_eq!(found(&rig, &wanted).await.as_deref(), Some("a@example.com"));
    (rig.create)("a-join@example.com");
    // A positive answer may be a second old.
    until(|| async { found(&rig, &wanted).await.as_deref() == Some("a-join@example.com") }).await;
}

async fn domains_with_lists_are_served(rig: Rig) {
    assert!(!rig.backend.serves("example.com").await.unwrap());
    (rig.create)("a@example.com");
    (rig.create)("b@example.com");
    assert!(rig.backend.serves("example.com").await.unwrap());
    assert!(!rig.backend.serves("example.org").await.unwrap());
    assert_eq!(rig.backend.domains().await.unwrap(), ["example.com"]);
}

async fn a_change_of_lists_is_counted(rig: Rig) {
    let Some(before) = rig.backend.changes(Instant::now()).await.unwrap() else { return };
    assert_eq!(rig.backend.changes(Instant::now()).await.unwrap(), Some(before));
    (rig.create)("a@example.com");
    assert_ne!(rig.backend.changes(Instant::now()).await.unwrap(), Some(before));
}
