//! Networks that fall silent, and one that never reads.

use crate::support::{PATIENCE, Peer, Site};
use crate::tools::{answered_at_once, serve};
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_peer_that_never_reads_is_dropped_and_others_are_served() {
    let site = Site::with_list();
    let server = serve(
        &site,
        "[storage]\nmin_free = \"0B\"\n[lmtp]\ncommand_timeout = \"5s\"\nmax_message_size = \"1KiB\"\n",
    );
    let mut silent = Peer::greeted(server.address).stream;
    silent.set_write_timeout(Some(PATIENCE)).unwrap();
    // Messages that are too large get many replies and leave nothing behind.
    let recipients = "RCPT TO:<mylist@example.com>\r\n".repeat(500);
    let refused = format!("MAIL FROM:<>\r\n{recipients}DATA\r\n{}\r\n.\r\n", "x".repeat(2000));
    let silent = thread::spawn(move || {
        let started = Instant::now();
        loop {
            if let Err(why) = silent.write_all(refused.as_bytes()) {
                return (why.kind(), started.elapsed());
            }
        }
    });
    let mut served = 0;
    while !silent.is_finished() {
        let mut peer = Peer::connect(server.address);
        answered_at_once(&mut peer, "LHLO client.example");
        peer.assert_usable();
        served += 1;
        thread::sleep(Duration::from_millis(20));
    }
    let (why, took) = silent.join().unwrap();
    assert!(matches!(why, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{why} after {took:?}");
    assert!(took >= Duration::from_secs(5) && served > 0, "{took:?}, {served} served");
}

#[test]
fn a_silent_peer_gets_421_after_command_timeout() {
    let site = Site::with_list();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n[lmtp]\ncommand_timeout = \"1s\"\n");
    let open = ["LHLO client.example", "MAIL FROM:<a@example.org>", "RCPT TO:<mylist@example.com>"];
    for sent in 0..=open.len() {
        let mut last = Instant::now();
        let mut peer = server.peer();
        for line in &open[..sent] {
            last = Instant::now();
            assert_eq!(&peer.command(line)[..3], "250");
        }
        // Half a command counts as silence, too.
        peer.send("NOO");
        assert_421_after(&mut peer, last, Duration::from_secs(1));
    }
}

#[test]
fn silence_within_data_gets_421_after_data_timeout() {
    let site = Site::with_list();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n[lmtp]\ndata_timeout = \"1s\"\n");
    for size in [0, 10, 200_000] {
        let mut peer = Peer::greeted(server.address);
        let last = Instant::now();
        peer.begin("a@example.org", &["mylist@example.com"]);
        peer.send("x".repeat(size));
        assert_421_after(&mut peer, last, Duration::from_secs(1));
    }
    assert_eq!(site.ids("in"), [""; 0]);
}

/// Asserts that the peer gets 421 after this time. `last` is before the last octets that count.
fn assert_421_after(peer: &mut Peer, last: Instant, timeout: Duration) {
    let reply = peer.reply();
    let took = last.elapsed();
    assert_eq!(&reply[..9], "421 4.4.2", "{reply}");
    assert!(took > timeout.mul_f32(0.8) && took < timeout * 20, "{took:?}");
    assert_eq!(peer.reply(), "", "the connection is closed");
}
