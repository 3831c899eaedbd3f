//! `listgate work` is stopped for longer than its leases last, as when the machine sleeps.

use crate::handler::Workers;
use crate::support::{Site, until};
use crate::{deliver, states};
use std::fs;
use std::thread;
use std::time::Duration;

#[test]
fn a_running_entry_is_not_started_again() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let (begun, release) = (site.data().join("begun"), site.data().join("go"));
    let script = "echo $LISTGATE_ATTEMPT >> $0; while [ ! -e $1 ]; do sleep 0.05; done";
    let command = ["sh", "-c", script, begun.to_str().unwrap(), release.to_str().unwrap()];
    let mut worker = Workers::start(&site, &["in", "--lease", "1s", "--jobs", "4"], &command);
    worker.until_running(1);
    // What it does first when it continues is a matter of chance.
    for _ in 0..6 {
        worker.signal("STOP");
        thread::sleep(Duration::from_millis(1100));
        worker.signal("CONT");
        thread::sleep(Duration::from_millis(200));
    }
    fs::write(release, "").unwrap();
    until("it is done", || states(&site).is_empty());
    assert_eq!(fs::read_to_string(begun).unwrap(), "1\n");
    worker.signal("TERM");
    assert_eq!(worker.wait(), Some(0));
}
