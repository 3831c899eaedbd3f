//! The progress line that `listgate work` draws on a terminal.

use crate::support::{Peer, Site, tcp, until};
use crate::terminal::Terminal;
use std::thread::sleep;
use std::time::Duration;

const IDLE: &str = "0 done, 0 deferred, 0 shunted, 0 running, 0 a second";

#[test]
#[ignore = "needs script"]
fn the_progress_is_drawn_when_it_changes_and_after_a_warning() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    // The handler removes its own entry, so `listgate work` warns that the verdict does not count.
    let handler = "listgate queue remove $LISTGATE_ID >&2";
    let (data, config) = (site.data().display(), site.without_engine());
    let line = format!("exec listgate --data-dir {data} --config {config} work in -- sh -c '{handler}'");
    let mut terminal = Terminal::start(site.data(), &line, &site.data().join("terminal"));

    until("it is drawn", || terminal.printed().contains(IDLE));
    // Long enough for three more, if it were drawn all the time.
    sleep(Duration::from_millis(1600));
    assert_eq!(terminal.printed().matches(IDLE).count(), 1, "{}", terminal.printed());

    let mut peer = Peer::greeted(tcp(&gate));
    assert!(peer.deliver("anne@example.org", &["mylist@example.com"], "\r\n")[0].starts_with("250"));
    until("a warning stands above the progress, which is as it was", || {
        let printed = terminal.printed();
        let words: Vec<&str> = printed.split_whitespace().collect();
        words.join(" ").contains("the verdict does not count") && printed.ends_with(IDLE)
    });
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.printed());
    gate.stop().unwrap();
}
