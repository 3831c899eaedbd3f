//! Queues from a consumer's point of view: leases, `listgate work`, its handlers. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod back_off;
mod clock;
mod example;
mod fairness;
mod fence;
mod handler;
mod handlers;
mod in_python;
mod killed;
mod messages;
mod once;
mod operator;
mod order;
mod second_signal;
mod stalled;
mod unsynced;
mod within_the_gate;

use listgate::queue::{Lease, Name, Queue};
use listgate_test_support as support;
use std::time::Duration;
use support::{Peer, Site, tcp};

/// Longer than any test holds a lease.
const LONG: Duration = Duration::from_secs(3600);

/// Longer than any test's lease or pause lasts.
const A_WHILE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Creates the lists that are missing, and delivers one message to each address in turn.
fn deliver(site: &Site, to: &[&str]) {
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    for (number, to) in to.iter().enumerate() {
        let message = format!("Subject: {number}\r\n\r\n");
        let replies = peer.deliver("anne@example.org", &[to], message);
        assert_eq!(&replies[0][..3], "250", "{}", replies[0]);
    }
    gate.stop().unwrap();
}

/// Opens a consumer of a queue that uses the site's clock.
fn open(site: &Site, name: Name) -> Queue {
    Queue::open_with_clock(site.data(), name, site.clock.handle()).unwrap()
}

fn ids(leases: &[Lease]) -> Vec<String> {
    leases.iter().map(|lease| lease.entry.id.to_string()).collect()
}

/// Advances the site's clock until every lease has lapsed and every deferred entry is due.
///
/// Commands use the system's clock. A test that runs one afterwards starts with the site's clock [`A_WHILE`]
/// behind; both then agree after this call.
fn let_time_pass(site: &Site) {
    site.clock.advance(A_WHILE);
}

/// Returns each entry with its state, attempts and reason.
fn states(site: &Site) -> Vec<String> {
    let text = |entry: &serde_json::Value| {
        let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}: {}", word("id"), word("state"), entry["attempts"], word("reason"))
    };
    site.json(&["queue", "ls"]).iter().map(text).collect()
}
