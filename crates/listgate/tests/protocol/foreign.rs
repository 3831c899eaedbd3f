//! Peers that speak another protocol, and lines that end in a bare LF.

use crate::support::{Peer, Server, Site, free_address, get};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

const COMMANDS: &str = "LHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<mylist@example.com>\r\n\
    DATA\r\nSubject: spam\r\n\r\nspam\r\n.\r\nQUIT\r\n";

/// Returns what `curl --data-binary` and `curl --haproxy-protocol` send, and what other programs begin with, each with
/// its name in the reply and words of the advice in the log.
fn wires() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let request = |verb: &str| {
        let length = COMMANDS.len();
        format!(
            "{verb} / HTTP/1.1\r\nHost: 127.0.0.1:8024\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\
             Content-Length: {length}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{COMMANDS}"
        )
        .into_bytes()
    };
    let before = |octets: &[u8]| [octets, COMMANDS.as_bytes()].concat();
    let web = ("HTTP", "Metrics and health are at admin.listen");
    let proxy = ("the PROXY protocol", "HAProxy: send-proxy");
    let mut wires: Vec<_> = ["POST", "PUT", "GET", "OPTIONS", "DELETE", "PROPFIND"]
        .map(|verb| (request(verb), web.0, web.1))
        .into();
    wires.extend([
        (before(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0"), web.0, web.1),
        (before(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "TLS", "Use STARTTLS"),
        (before(b"PROXY TCP4 127.0.0.1 127.0.0.1 44568 8024\r\n"), proxy.0, proxy.1),
        (
            before(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\xae\x18\x1f\x58"),
            proxy.0,
            proxy.1,
        ),
        (before(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"), "SSH", "server.allow"),
        (before(b"\x03\0\0\x13\x0e\xe0\0\0"), "a binary protocol", "server.allow"),
    ]);
    wires
}

#[test]
fn another_protocol_ends_the_session_and_is_logged_with_the_fix_and_counted() {
    let site = Site::with_list();
    let admin = free_address();
    let file = site.data().join("listgate.toml");
    fs::write(&file, format!("[admin]\nlisten = \"{admin}\"\n")).unwrap();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--log", "json", "--listen", "127.0.0.1:0", "--config"]).arg(file);
    command.stderr(Stdio::piped());
    let mut server = Server::start(command);
    let wires = wires();
    for (wire, name, _) in &wires {
        let mut peer = Peer::connect(server.address);
        peer.send(wire);
        assert_eq!(peer.reply(), format!("421 4.7.0 This is LMTP, not {name}: closing"));
        assert_eq!(peer.reply(), "", "the connection ends");
    }
    assert!(site.json(&["queue", "ls"]).is_empty(), "nothing is queued");
    let metrics = get(admin, "/metrics");
    let count = format!("listgate_turned_away_total{{reason=\"protocol\"}} {}\n", wires.len());
    assert!(metrics.contains(&count), "{count} is not in {metrics}");
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let warnings: Vec<&Value> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings.len(), wires.len(), "one line for each: {log}");
    for ((_, name, advice), line) in wires.iter().zip(warnings) {
        let text = line["message"].as_str().unwrap();
        let begins = format!("turned away: the peer speaks {name}, not LMTP. ");
        assert!(text.starts_with(&begins) && text.contains(advice), "{line}");
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
}

/// More than one read of the gate: the peer may find the connection reset, and nothing of it is executed.
#[test]
fn a_large_request_sends_no_mail() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    for _ in 0..5 {
        let mut peer = Peer::connect(server.address);
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 5000 * COMMANDS.len());
        let _ = peer.stream.write_all((head + &COMMANDS.repeat(5000)).as_bytes());
        let mut rest = Vec::new();
        let _ = peer.stream.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("250"));
    }
    assert!(site.json(&["queue", "ls"]).is_empty());
    server.peer().command("LHLO a.example");
}

#[test]
fn a_line_that_ends_in_a_bare_lf_gets_its_error_after_two_seconds_and_the_session_continues() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let mut peer = Peer::greeted(server.address);
    for line in ["NOOP\n", "MAIL FROM:<a@b.example>\n", "\n"] {
        let since = Instant::now();
        peer.send(line);
        assert_eq!(peer.reply(), "500 5.5.2 Bare CR or LF in a command: lines end with CR LF");
        let waited = since.elapsed();
        assert!(waited >= Duration::from_millis(1900) && waited < Duration::from_secs(20), "{waited:?}");
    }
    peer.assert_usable();
}
