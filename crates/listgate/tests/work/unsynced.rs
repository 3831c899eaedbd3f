//! Where no gate runs, a consumer does not let the write-ahead log grow without limit.

use crate::support::Site;
use crate::{LONG, open};
use listgate::queue::{Name, Verdict};
use std::time::Duration;

#[test]
fn a_consumer_alone_keeps_the_log_small() {
    let site = Site::with_list();
    crate::deliver(&site, &["mylist@example.com"]);
    let mut queue = open(&site, Name::In);
    let log = site.data().join("listgate.db-wal");
    let commits = if cfg!(debug_assertions) { 12_000 } else { 24_000 };
    for _ in 0..commits {
        let lease = queue.lease(1, LONG).unwrap().pop().unwrap();
        queue.settle(&[(lease, Verdict::Release)]).unwrap();
    }
    // Each round writes some pages of 4 KiB twice: without a checkpoint this would be far more.
    let len = std::fs::metadata(log).unwrap().len();
    assert!(len < 10_000 * 4200, "{len} octets");
    assert!(len > 1_000_000, "{len} octets: too few to show anything");
    drop(queue);
    assert_eq!(open(&site, Name::In).lease(1, Duration::ZERO).unwrap().len(), 1);
}
