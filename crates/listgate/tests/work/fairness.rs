//! One flooded list does not keep the others waiting.

use crate::support::Site;
use crate::{LONG, deliver, open};
use listgate::queue::{Name, Verdict};

#[test]
fn the_lists_take_turns() {
    let site = Site::new();
    for list in ["a", "b", "c"] {
        site.create(&format!("{list}@example.com"));
    }
    let flood = ["b@example.com"; 20];
    let few = ["a@example.com", "c@example.com", "c@example.com"];
    deliver(&site, &[&flood[..], &few].concat());
    let mut queue = open(&site, Name::In);
    let mut lists = |max| {
        let leases = queue.lease(max, LONG).unwrap();
        let lists: Vec<String> = leases.iter().map(|lease| lease.entry.list_id[..1].to_owned()).collect();
        lists.concat()
    };
    assert_eq!([lists(1), lists(1), lists(1), lists(1)], ["a", "b", "c", "b"]);
    assert_eq!(lists(3), "cbb", "where fewer lists than places are left, they get more of them");
    assert_eq!(lists(64), "b".repeat(16), "and all of them when there is one");
    assert_eq!(lists(1), "");
}

#[test]
fn a_list_that_comes_late_has_its_turn_at_once() {
    let site = Site::new();
    site.create("flooded@example.com");
    site.create("quiet@example.com");
    deliver(&site, &["flooded@example.com"; 30]);
    let mut queue = open(&site, Name::In);
    for lease in queue.lease(4, LONG).unwrap() {
        queue.settle(&[(lease, Verdict::Done)]).unwrap();
    }
    deliver(&site, &["quiet@example.com"]);
    let leases = queue.lease(2, LONG).unwrap();
    assert!(leases.iter().any(|lease| lease.entry.list_id == "quiet.example.com"));
}
