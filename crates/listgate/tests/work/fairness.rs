//! One flooded list does not keep the others waiting.

use crate::support::Site;
use crate::{LONG, deliver, open};
use listgate::queue::Name;

/// However the four leases divide, no list goes without.
#[test]
fn leases_of_several_entries_are_shared_evenly_among_lists() {
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
