//! Whatever happens to a message, three recipients get three replies, and the session goes on.

use crate::support::{PATIENCE, Peer, Server, Site, free_address, get, tcp};
use crate::tools::{THREE, assert_all, entries, hold_write_lock, log, message, serve, spooled};
use listgate::{BareNewline, Config};
use std::time::{Duration, Instant};

#[test]
fn a_message_that_is_too_large() {
    let site = Site::with_list();
    let gate = site.gate(Config { max_message_size: 100_000, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    for size in [100_001, 1_000_000] {
        assert_all(&peer.deliver("a@example.org", &THREE, message("<large@x>", size)), "552 5.3.4");
        peer.assert_usable();
    }
    assert_eq!(entries(&site, "<large@x>"), 0);
    assert_eq!(spooled(&site), [""; 0]);
    gate.stop().unwrap();
}

#[test]
fn a_bare_newline_where_they_are_refused() {
    let site = Site::with_list();
    let gate = site.gate(Config { bare_newline: BareNewline::Reject, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    for end in ["\n", "\r", "\n.\n", "\r.\r"] {
        for size in [100, 200_000] {
            let text = message("<bare@x>", size) + end + "after it\r\n";
            assert_all(&peer.deliver("a@example.org", &THREE, text), "554 5.6.0");
            peer.assert_usable();
        }
    }
    assert_eq!(entries(&site, "<bare@x>"), 0);
    assert_eq!(spooled(&site), [""; 0]);
    gate.stop().unwrap();
}

#[test]
fn refusals_by_session_limits_are_logged_and_counted() {
    let site = Site::with_list();
    let admin = free_address();
    let limits = "max_message_size = \"1000B\"\nmax_recipients = 2\nbare_newline = \"reject\"\n";
    let limits = format!("[lmtp]\n{limits}[storage]\nmin_free = \"0B\"\n");
    let server = serve(&site, &format!("[admin]\nlisten = \"{admin}\"\n{limits}"));
    let mut peer = Peer::greeted(server.address);
    assert_eq!(&peer.command("MAIL FROM:<large@example.org> SIZE=1001")[..9], "552 5.3.4");
    assert_all(&peer.deliver("a@example.org", &THREE[..2], message("<large@x>", 2000)), "552 5.3.4");
    peer.begin("a@example.org", &THREE[..1]);
    peer.send("bare\n\r\n.\r\n");
    assert_eq!(&peer.reply()[..9], "554 5.6.0");
    peer.command("MAIL FROM:<>");
    let codes = THREE.map(|to| peer.command(&format!("RCPT TO:<{to}>"))[..9].to_owned());
    assert_eq!(codes, ["250 2.1.5", "250 2.1.5", "452 4.5.3"]);
    peer.command("RSET");
    let metrics = get(admin, "/metrics");
    for (stage, code, enhanced, times) in [
        ("mail", 552, "5.3.4", 1),
        ("data", 552, "5.3.4", 2),
        ("data", 554, "5.6.0", 1),
        ("rcpt", 452, "4.5.3", 1),
    ] {
        let label = format!("stage=\"{stage}\",code=\"{code}\",enhanced=\"{enhanced}\"");
        let line = format!("\nlistgate_refusals_total{{{label}}} {times}\n");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.contains("\nlistgate_transactions_total{outcome=\"refused\"} 2\n"), "{metrics}");
    let log = log(&site);
    for part in [
        "MAIL refused: 552 5.3.4",
        "mylist@example.com 552 5.3.4 Message too large, mylist-owner@example.com 552 5.3.4",
        "mylist@example.com 554 5.6.0 Bare CR or LF",
        "mylist-request@example.com 452 4.5.3 Too many recipients",
    ] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
}

#[test]
fn a_store_that_is_gone_for_longer_than_the_writer_waits() {
    let site = Site::with_list();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n");
    let mut peer = Peer::greeted(server.address);
    let lock = hold_write_lock(&site);
    let replies = peer.deliver("a@example.org", &THREE, message("<gone@x>", 100));
    assert_all(&replies, "451 4.3.0");
    drop(lock);
    peer.assert_usable();
    assert_eq!(entries(&site, "<gone@x>"), 0);
}

#[test]
fn a_shutdown_while_the_message_arrives() {
    let site = Site::with_list();
    let mut server = serve(&site, "[storage]\nmin_free = \"0B\"\n");
    let mut peer = Peer::greeted(server.address);
    let mut idle = Peer::greeted(server.address);
    peer.begin("a@example.org", &THREE);
    peer.send("Message-ID: <late@x>\r\n");
    server.signal("TERM");
    assert_eq!(&idle.reply()[..9], "421 4.3.2");
    peer.send("\r\nstill in time\r\n.\r\n");
    assert_all(&THREE.map(|_| peer.reply()), "250 2.0.0 Ok: queued as");
    assert_eq!(&peer.reply()[..9], "421 4.3.2");
    assert_eq!(peer.reply(), "");
    assert_eq!(server.wait(), Some(0));
    assert_eq!(entries(&site, "<late@x>"), 3);
}

#[test]
fn a_shutdown_while_the_message_is_stored() {
    let site = Site::with_list();
    let mut server = serve(&site, "[storage]\nmin_free = \"0B\"\n");
    let mut peer = Peer::greeted(server.address);
    let mut idle = Peer::greeted(server.address);
    let lock = hold_write_lock(&site);
    peer.begin("a@example.org", &THREE);
    // The transaction that is pipelined behind it is not begun any more.
    peer.send(message("<stored@x>", 100) + ".\r\nMAIL FROM:<b@example.org>\r\n");
    server.signal("TERM");
    assert_eq!(&idle.reply()[..9], "421 4.3.2");
    drop(lock);
    let released = Instant::now();
    assert_all(&THREE.map(|_| peer.reply()), "250 2.0.0 Ok: queued as");
    assert_eq!(&peer.reply()[..9], "421 4.3.2");
    assert_eq!(server.wait(), Some(0));
    assert!(
        released.elapsed() < Duration::from_secs(10),
        "the session ends with its transaction, not with the grace time"
    );
    assert_eq!(entries(&site, "<stored@x>"), 3);
}

#[test]
fn a_grace_time_that_ends_while_the_store_hangs() {
    let site = Site::with_list();
    let config = "[storage]\nmin_free = \"0B\"\n[server]\nshutdown_grace = \"1s\"\n";
    let mut server = serve(&site, config);
    let mut peer = Peer::greeted(server.address);
    let lock = hold_write_lock(&site);
    peer.begin("a@example.org", &THREE);
    peer.send(message("<hangs@x>", 100) + ".\r\n");
    let start = Instant::now();
    server.signal("TERM");
    assert_all(&THREE.map(|_| peer.reply()), "451 4.3.2");
    let took = start.elapsed();
    assert!((Duration::from_millis(800)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert_eq!(&peer.reply()[..9], "421 4.3.2");
    ends(&mut server);
    drop(lock);
    // Nothing was promised, and nothing was stored.
    assert_eq!(entries(&site, "<hangs@x>"), 0);
    let server = serve(&site, config);
    Peer::greeted(server.address).assert_usable();
}

#[test]
fn a_grace_time_that_ends_while_peers_are_silent() {
    let site = Site::with_list();
    let mut server = serve(&site, "[storage]\nmin_free = \"0B\"\n[server]\nshutdown_grace = \"1s\"\n");
    let (mut envelope, mut data) = (Peer::greeted(server.address), Peer::greeted(server.address));
    assert_eq!(&envelope.command("MAIL FROM:<>")[..3], "250");
    data.begin("a@example.org", &THREE);
    data.send(message("<silent@x>", 100));
    server.signal("TERM");
    for mut peer in [envelope, data] {
        assert_eq!(&peer.reply()[..9], "421 4.3.2");
        assert_eq!(peer.reply(), "");
    }
    ends(&mut server);
    assert_eq!(entries(&site, "<silent@x>"), 0);
}

fn ends(server: &mut Server) {
    let start = Instant::now();
    assert_eq!(server.wait(), Some(0));
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
}
