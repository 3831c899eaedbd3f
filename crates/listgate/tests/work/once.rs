//! Ten thousand entries, two processes, four commands at a time: each entry is handled once.

use crate::handler::Workers;
use crate::support::{Peer, Site, tcp, until};
use std::collections::HashSet;

const TRANSACTIONS: usize = 20;
const RECIPIENTS: usize = 500;

#[test]
fn ten_thousand_entries_are_each_done_once() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    let mut queued = HashSet::new();
    for transaction in 0..TRANSACTIONS {
        let to: Vec<String> = (0..RECIPIENTS)
            .map(|number| format!("mylist-confirm+{transaction}x{number}@example.com"))
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        for reply in peer.deliver("", &to, "Subject: one of many\r\n\r\n") {
            queued.insert(crate::support::queued_as(&reply).to_owned());
        }
    }
    assert_eq!(queued.len(), TRANSACTIONS * RECIPIENTS);
    let done = site.data().join("done");
    let handler = ["sh", "-c", "echo $LISTGATE_ID >> $0", done.to_str().unwrap()];
    let mut workers: Vec<Workers> =
        (0..2).map(|_| Workers::start(&site, &["command", "--jobs", "2", "--drain"], &handler)).collect();
    let mut running = || workers.iter_mut().any(Workers::is_running);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(600);
    while running() {
        assert!(std::time::Instant::now() < end, "the workers do not end");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let lines = std::fs::read_to_string(&done).unwrap();
    let ids: HashSet<String> = lines.lines().map(str::to_owned).collect();
    assert_eq!(lines.lines().count(), queued.len(), "none was run twice");
    assert_eq!(ids, queued);
    until("nothing is left", || site.ids("command").is_empty());
    gate.stop().unwrap();
}
