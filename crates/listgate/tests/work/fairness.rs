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

/// However the places divide, no list is the one that goes without each time.
#[test]
fn many_at_a_time_go_to_all_lists_alike() {
    let site = Site::new();
    for list in ["a", "b", "c"] {
        site.create(&format!("{list}@example.com"));
    }
    deliver(&site, &["a@example.com", "b@example.com", "c@example.com"].repeat(20));
    let mut queue = open(&site, Name::In);
    let mut had = [0; 3];
    for _ in 0..6 {
        let mut now = [0; 3];
        for lease in queue.lease(4, LONG).unwrap() {
            now[usize::from(lease.entry.list_id.as_bytes()[0] - b'a')] += 1;
        }
        assert!(now.iter().all(|count| *count >= 1), "{now:?}");
        had = std::array::from_fn(|at| had[at] + now[at]);
    }
    assert_eq!(had.iter().sum::<i32>(), 24);
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
