//! A disk that does not respond for a while.

use crate::support::{Peer, Site, queued_as};
use crate::tools::{Tracer, answered_at_once, message, serve};
use std::thread;
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs strace"]
fn a_hanging_sync_delays_only_the_mail_that_needs_it() {
    let site = Site::with_list();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n");
    let address = server.address;
    let mut other = Peer::greeted(address);
    let hangs = Duration::from_secs(5);
    let fault = format!("fsync,fdatasync:delay_enter={}", hangs.as_micros());
    let tracer = Tracer::inject(&server, &fault, None);
    let begun = Instant::now();
    let deliveries = [("<row@x>", 100), ("<spool@x>", 200_000)].map(|(id, size)| {
        thread::spawn(move || {
            let replies =
                Peer::greeted(address).deliver("a@example.org", &["mylist@example.com"], message(id, size));
            queued_as(&replies[0]).to_owned()
        })
    });
    while begun.elapsed() < hangs - Duration::from_millis(500) {
        for line in ["NOOP", "MAIL FROM:<b@example.org>", "RCPT TO:<mylist@example.com>", "RSET"] {
            answered_at_once(&mut other, line);
        }
        answered_at_once(&mut Peer::connect(address), "LHLO client.example");
        thread::sleep(Duration::from_millis(50));
    }
    let wait = deliveries.iter().all(|delivery| !delivery.is_finished());
    assert!(wait || begun.elapsed() >= hangs, "they wait for the disk");
    // Each has several syncs.
    tracer.detach();
    for delivery in deliveries {
        delivery.join().unwrap();
    }
}
