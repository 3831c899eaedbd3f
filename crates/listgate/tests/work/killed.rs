//! `listgate work` is asked to end, or killed: no command runs on without it, and nothing is lost.

use crate::handler::{Workers, until_group_has_ended, work};
use crate::support::{Site, until};
use crate::{deliver, states};
use std::path::Path;

/// A command with a child of its own; both would run for a long time.
const LONG: &str = "sleep 1000 & echo $$ > $0; wait";

fn group(place: &Path) -> String {
    let read = || std::fs::read_to_string(place).unwrap_or_default();
    until("the command says who it is", || read().ends_with('\n'));
    read().trim().to_owned()
}

#[test]
fn killing_the_worker_ends_its_commands_and_returns_their_entries() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let place = site.data().join("group");
    let arguments = ["in", "--lease", "6s"];
    let mut killed = Workers::start(&site, &arguments, &["sh", "-c", LONG, place.to_str().unwrap()]);
    let group = group(&place);
    let mut other = Workers::start(
        &site,
        &arguments,
        &["sh", "-c", "echo $LISTGATE_ATTEMPT > $0", place.to_str().unwrap()],
    );
    // Longer than the lease, which is extended while the command runs.
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(states(&site), ["1-1 leased 1: "]);
    killed.kill();
    until_group_has_ended(&group);
    until("the other has done it", || states(&site).is_empty());
    other.signal("TERM");
    assert_eq!(other.wait(), Some(0));
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "2\n");
}

#[test]
fn one_signal_lets_running_commands_finish_and_a_second_ends_them() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 2]);
    let release = site.data().join("go");
    let script = "while [ ! -e $0 ]; do sleep 0.05; done";
    let mut worker = Workers::start(&site, &["in"], &["sh", "-c", script, release.to_str().unwrap()]);
    worker.until_running(1);
    worker.signal("INT");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(worker.is_running());
    std::fs::write(&release, "").unwrap();
    assert_eq!(worker.wait(), Some(0));
    assert_eq!(states(&site), ["2-1 waiting 0: "], "what ran is done, and no more was begun");

    let place = site.data().join("group");
    let mut worker = Workers::start(&site, &["in"], &["sh", "-c", LONG, place.to_str().unwrap()]);
    let group = group(&place);
    worker.signal("INT");
    std::thread::sleep(std::time::Duration::from_secs(1));
    worker.signal("INT");
    assert_eq!(worker.wait(), Some(1));
    until_group_has_ended(&group);
    assert_eq!(states(&site), ["2-1 waiting 0: "], "that was no attempt");
    work(&site, &["in", "--drain"], &["true"]);
    assert_eq!(states(&site).len(), 0, "at once");
}

#[test]
fn removing_an_entry_ends_its_running_command() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let place = site.data().join("group");
    let mut worker =
        Workers::start(&site, &["in", "--lease", "1s"], &["sh", "-c", LONG, place.to_str().unwrap()]);
    let group = group(&place);
    site.stdout(&["queue", "remove", "1-1"]);
    until_group_has_ended(&group);
    worker.signal("TERM");
    assert_eq!(worker.wait(), Some(0));
}

/// A terminal that is closed sends SIGHUP.
#[test]
fn sighup_lets_running_commands_finish() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"]);
    let place = site.data().join("group");
    let handler = "echo $$ > $0; sleep 0.5";
    let mut worker = Workers::start(&site, &["in"], &["sh", "-c", handler, place.to_str().unwrap()]);
    group(&place);
    worker.signal("HUP");
    assert_eq!(worker.wait(), Some(0));
    assert_eq!(states(&site).len(), 0);
}
