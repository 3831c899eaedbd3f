//! Socketmap on the wire: requests in one go, in pieces, malformed, too long, from too many clients, for too
//! long.

use crate::support::socketmap::{Socketmap, netstring};
use crate::support::{Site, socketmap, until};
use listgate::{Config, Gate, ListenAddress, Networks};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

fn gate(site: &Site) -> Gate {
    site.gate(Config { socketmap: vec!["127.0.0.1:0".parse().unwrap()], ..site.config() })
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = Site::with_list();
    let gate = gate(&site);
    let mut postfix = Socketmap::connect(socketmap(&gate));
    let questions = ["recipients mylist@example.com", "recipients no@example.com", "domains example.com"];
    postfix.send(questions.map(netstring).concat().repeat(1000));
    for _ in 0..1000 {
        assert_eq!(postfix.answer().unwrap(), "OK OK");
        assert_eq!(postfix.answer().unwrap(), "NOTFOUND ");
        assert_eq!(postfix.answer().unwrap(), "OK example.com");
    }
    for octet in netstring("recipients mylist-join@example.com").as_bytes() {
        postfix.send([*octet]);
    }
    assert_eq!(postfix.answer().unwrap(), "OK OK");
    gate.stop().unwrap();
}

#[test]
fn an_invalid_request_is_answered_and_the_connection_continues() {
    let site = Site::with_list();
    let gate = gate(&site);
    let mut postfix = Socketmap::connect(socketmap(&gate));
    for question in ["", "recipients", "aliases mylist@example.com", "RECIPIENTS mylist@example.com"] {
        postfix.send(netstring(question));
        let answer = postfix.answer().unwrap();
        assert!(answer.starts_with("PERM "), "{question}: {answer}");
    }
    let [long, longer] = [4000, 60_000].map(|octets| format!("{}@example.com", "a".repeat(octets)));
    for key in [long.as_str(), &longer, "\u{e4}@example.com", "a\0b@example.com", "mylist@example.com\r\n"] {
        assert_eq!(postfix.query("recipients", key), "NOTFOUND ", "{key:?}");
    }
    // Not UTF-8.
    postfix.send(b"16:recipients \xff@x.y,");
    assert_eq!(postfix.answer().unwrap(), "NOTFOUND ");
    assert_eq!(postfix.query("recipients", "mylist@example.com"), "OK OK");
    gate.stop().unwrap();
}

#[test]
fn a_malformed_netstring_ends_only_its_own_connection() {
    let site = Site::with_list();
    let gate = gate(&site);
    let mut other = Socketmap::connect(socketmap(&gate));
    for wrong in
        ["x", ":", "-1:", "00:,", "9999999999999999999999", "65537", "3:abcd", "GET / HTTP/1.1\r\n\r\n"]
    {
        let mut postfix = Socketmap::connect(socketmap(&gate));
        postfix.send(netstring("domains example.com") + wrong);
        assert_eq!(postfix.answer().unwrap(), "OK example.com", "what came before is answered");
        assert_eq!(postfix.answer(), None, "{wrong}");
        assert_eq!(other.query("recipients", "mylist@example.com"), "OK OK");
    }
    gate.stop().unwrap();
}

#[test]
fn a_peer_that_may_not_connect_gets_no_answer() {
    let site = Site::with_list();
    let allow = Networks::new(&["192.0.2.7"]).unwrap();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let gate = site.gate(Config { allow, socketmap: listen, ..site.config() });
    let mut postfix = Socketmap::connect(socketmap(&gate));
    // The connection may be gone before the request is sent.
    let _ = postfix.0.write_all(netstring("domains example.com").as_bytes());
    assert_eq!(postfix.answer(), None);
    gate.stop().unwrap();
}

#[test]
fn a_unix_socket_is_served_and_removed_with_the_gate() {
    let site = Site::with_list();
    let path = site.data().join("socketmap");
    let listen = vec![ListenAddress::Unix(path.clone())];
    let gate = site.gate(Config { socketmap: listen, ..site.config() });
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(netstring("domains example.com").as_bytes()).unwrap();
    let mut answer = [0; 18];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, netstring("OK example.com").as_bytes());
    // An open connection does not delay the shutdown.
    gate.stop().unwrap();
    assert_eq!(stream.read(&mut answer).unwrap(), 0);
    assert!(!path.exists());
}

#[test]
fn a_peer_that_closes_its_half_after_a_request_is_answered() {
    let site = Site::with_list();
    let gate = gate(&site);
    let mut postfix = Socketmap::connect(socketmap(&gate));
    postfix.send(netstring("recipients mylist@example.com"));
    postfix.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(postfix.answer().unwrap(), "OK OK");
    assert_eq!(postfix.answer(), None);
    gate.stop().unwrap();
}

#[test]
fn above_the_connection_limit_callers_wait() {
    let site = Site::with_list();
    let address = crate::support::free_address();
    let config = site.data().join("gate.toml");
    std::fs::write(&config, format!("[socketmap]\nlisten = [\"{address}\"]\n")).unwrap();
    let _server = site.serve(&["--config", config.to_str().unwrap()]);
    let mut connections: Vec<Socketmap> = (0..500).map(|_| Socketmap::connect(address)).collect();
    assert_eq!(connections[499].query("domains", "example.com"), "OK example.com");
    let mut late = Socketmap::connect(address);
    late.send(netstring("domains example.com"));
    late.0.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(late.0.peek(&mut [0]).is_err(), "it waits");
    connections.clear();
    until("a place is free", || late.0.peek(&mut [0]).is_ok());
    assert_eq!(late.answer().unwrap(), "OK example.com");
}
