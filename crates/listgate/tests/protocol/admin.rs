//! What anyone who monitors a gate learns: metrics, health, readiness, and a log without addresses.

use crate::support::{Peer, Server, Site, get, request, tcp};
use listgate::Config;
use std::io::Read;
use std::net::TcpStream;

#[test]
fn the_metrics_count_what_happened() {
    let site = Site::with_list();
    let gate = site.gate(Config { admin: Some("127.0.0.1:0".parse().unwrap()), ..site.config() });
    let admin = gate.admin().unwrap();
    let mut peer = Peer::greeted(tcp(&gate));
    let traced = "Received: from a\r\nMessage-ID: <1@x>\r\n\r\n";
    for _ in 0..2 {
        peer.deliver("", &["mylist@example.com", "mylist-join@example.com"], traced);
        peer.deliver("", &["mylist-leave@example.com"], "A: without a trace\r\n\r\n");
    }
    peer.command("MAIL FROM:<>");
    peer.command("RCPT TO:<nobody@example.com>");
    peer.command("RSET");
    let metrics = get(admin, "/metrics");
    assert!(
        metrics.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"),
        "{metrics}"
    );
    for line in [
        "listgate_build_info{version=\"0.1.0\"} 1",
        "listgate_sessions_total 1",
        "listgate_open_sessions 1",
        "listgate_transactions_total{outcome=\"queued\"} 4",
        "listgate_transactions_total{outcome=\"abandoned\"} 1",
        "listgate_recipients_total{queue=\"in\",endpoint=\"post\"} 1",
        "listgate_recipients_total{queue=\"command\",endpoint=\"join\"} 1",
        "listgate_recipients_total{queue=\"command\",endpoint=\"leave\"} 2",
        "listgate_redeliveries_total{action=\"suppressed\"} 2",
        "listgate_redeliveries_total{action=\"marked\"} 1",
        "listgate_refusals_total{stage=\"rcpt\",code=\"550\",enhanced=\"5.1.1\"} 1",
        "listgate_replies_total{code=\"354\"} 4",
        "listgate_queue_entries{queue=\"in\"} 1",
        "listgate_queue_entries{queue=\"bounces\"} 0",
        "listgate_in_flight_bytes 0",
        "listgate_commit_deliveries_count 4",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
    for name in ["commit_seconds_count", "lookup_seconds_count", "queue_oldest_seconds", "free_bytes"] {
        assert!(metrics.contains(&format!("\nlistgate_{name}")), "{name} is not in\n{metrics}");
    }
}

#[test]
fn health_and_readiness_are_reported_and_nothing_else() {
    let site = Site::with_list();
    let gate = site.gate(Config { admin: Some("127.0.0.1:0".parse().unwrap()), ..site.config() });
    let admin = gate.admin().unwrap();
    // A silent client does not keep others waiting.
    let _silent = TcpStream::connect(admin).unwrap();
    assert!(get(admin, "/health").ends_with("\r\n\r\nalive\n"));
    assert!(get(admin, "/ready").ends_with("\r\n\r\nready\n"));
    assert!(get(admin, "/ready?now").ends_with("\r\n\r\nready\n"));
    let head = request(admin, "HEAD /ready HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(get(admin, "/").starts_with("HTTP/1.1 404 "));
    let refused = request(admin, "POST /health HTTP/1.1\r\n\r\n");
    assert!(
        refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"),
        "{refused}"
    );
    assert!(request(admin, "\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(
        request(admin, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(8 << 10))).starts_with("HTTP/1.1 400 ")
    );
}

#[test]
fn a_gate_without_room_is_alive_and_not_ready() {
    let site = Site::with_list();
    let config =
        Config { min_free: u64::MAX / 2, admin: Some("127.0.0.1:0".parse().unwrap()), ..site.config() };
    let gate = site.gate(config);
    let ready = get(gate.admin().unwrap(), "/ready");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("452 4.3.1"), "{ready}");
    assert!(get(gate.admin().unwrap(), "/health").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_masked_log_has_no_local_parts() {
    let site = Site::with_list();
    let config = site.data().join("listgate.toml");
    std::fs::write(&config, "[log]\nmask_addresses = true\n[storage]\nmin_free = \"0B\"\n").unwrap();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
    command.stderr(std::process::Stdio::piped());
    let mut server = Server::start(command);
    let mut peer = server.peer();
    peer.command("LHLO x");
    peer.deliver("anne@example.org", &["mylist-bounces+bart=example.net@example.com"], "A: b\r\n\r\n");
    peer.command("MAIL FROM:<carol@example.org>");
    peer.command("RCPT TO:<dora@example.com>");
    peer.command("QUIT");
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("a***@example.org") && log.contains("m***@example.com bounces/bounces"), "{log}");
    assert!(!["anne", "bart", "carol", "dora"].iter().any(|name| log.contains(name)), "{log}");
}
