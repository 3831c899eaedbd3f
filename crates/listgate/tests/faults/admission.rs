//! Who may connect, and how much mail is taken at a time: peers learn of overload before they send the data,
//! and other peers are not affected.

use crate::support::{PATIENCE, Peer, Server, Site, free_address, get, queued_as, tcp};
use crate::tools::{answered_at_once, log, serve, spooled, until};
use listgate::{Config, ListenAddress, Networks};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const LIST: &str = "mylist@example.com";

/// Returns what the gate sends to a connection before the peer says anything.
fn greeting(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn above_the_connection_limit_callers_wait_and_are_served_in_turn() {
    let site = Site::with_list();
    let gate = site.gate(Config { max_connections: 2, max_connections_per_peer: Some(10), ..site.config() });
    let (first, mut second) = (Peer::greeted(tcp(&gate)), Peer::greeted(tcp(&gate)));
    let mut third = TcpStream::connect(tcp(&gate)).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut octet = [0];
    assert!(third.read(&mut octet).is_err(), "a waiting caller gets no greeting");
    second.assert_usable();
    drop(first);
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!((third.read(&mut octet).unwrap(), octet), (1, *b"2"));
}

#[test]
fn the_last_free_connection_goes_to_the_first_caller_on_any_address() {
    let site = Site::with_list();
    let listen = vec!["127.0.0.1:0".parse().unwrap(); 2];
    let gate = site.gate(Config { listen, max_connections: 1, ..site.config() });
    let addresses = gate.addresses().iter().map(|address| match address {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(_) => panic!("the gate listens on TCP alone"),
    });
    let addresses: Vec<SocketAddr> = addresses.collect();
    for (first, second) in [(addresses[0], addresses[1]), (addresses[1], addresses[0])] {
        let mut served = Peer::greeted(first);
        let mut waiting = TcpStream::connect(second).unwrap();
        waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut octet = [0];
        assert!(waiting.read(&mut octet).is_err(), "a waiting caller gets no greeting");
        served.assert_usable();
        drop(served);
        waiting.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!((waiting.read(&mut octet).unwrap(), octet), (1, *b"2"));
    }
}

#[test]
fn a_peer_with_too_many_connections_gets_421_and_its_others_continue() {
    let site = Site::with_list();
    let gate = site.gate(Config { max_connections_per_peer: Some(2), ..site.config() });
    let (mut first, second) = (Peer::greeted(tcp(&gate)), Peer::greeted(tcp(&gate)));
    let turned = greeting(tcp(&gate));
    assert_eq!(turned, "421 lists.example.com has too many connections from you, closing\r\n");
    first.assert_usable();
    drop(second);
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(tcp(&gate)).is_ok_and(|mut stream| {
        let mut code = [0; 3];
        stream.read_exact(&mut code).unwrap();
        code != *b"220"
    }) {
        assert!(Instant::now() < until, "a place that is left is free again");
    }
}

#[test]
fn an_unknown_peer_gets_421_and_no_bounce() {
    let site = Site::with_list();
    let gate = site.gate(Config { allow: Networks::new(&["192.0.2.0/24"]).unwrap(), ..site.config() });
    assert_eq!(greeting(tcp(&gate)), "421 lists.example.com does not know you, closing (server.allow)\r\n");
}

#[test]
fn a_unix_socket_has_its_mode_and_checks_the_callers_uid() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::with_list();
    let path = site.data().join("lmtp.sock");
    let listen = vec![ListenAddress::Unix(path.clone())];
    let config = Config { listen, socket_mode: 0o640, allow_uids: Some(vec![4_000_000]), ..site.config() };
    let gate = site.gate(config.clone());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let code_from = |path| {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut code = [0; 3];
        stream.read_exact(&mut code).unwrap();
        code
    };
    assert_eq!(code_from(&path), *b"421");
    gate.stop().unwrap();
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(site.data()).unwrap());
    let _gate = site.gate(Config { allow_uids: Some(vec![own]), ..config });
    assert_eq!(code_from(&path), *b"220");
}

#[test]
fn a_full_queue_defers_only_its_own_mail() {
    let site = Site::with_list();
    let server = serve(&site, "[queue]\nmax_entries = 5\n");
    let mut peer = Peer::greeted(server.address);
    let ids: Vec<String> = (0..5)
        .map(|n| queued_as(&peer.deliver("", &[LIST], format!("A: {n}\r\n\r\n"))[0]).to_owned())
        .collect();
    peer.command("MAIL FROM:<>");
    let full = "452 4.3.1 The queue in is full, try again later";
    assert_eq!(peer.command(&format!("RCPT TO:<{LIST}>")), full);
    assert_eq!(peer.command("RCPT TO:<mylist-join@example.com>"), "250 2.1.5 Recipient ok");
    peer.command("RSET");
    // Removing entries makes room at once.
    site.stdout(&["queue", "remove", &ids[0], &ids[1]]);
    queued_as(&peer.deliver("", &[LIST], "A: b\r\n\r\n")[0]);
    let log = stop(server, &site);
    assert!(log.contains("the queue in fills up: 4 entries"), "{log}");
    assert!(log.contains("the queue in is full: 5 entries"), "{log}");
}

fn stop(mut server: Server, site: &Site) -> String {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    log(site)
}

/// Waits until this many octets are in flight.
fn in_flight(admin: SocketAddr, octets: u64) {
    let line = format!("\nlistgate_in_flight_bytes {octets}\n");
    until(line.trim(), || get(admin, "/metrics").contains(&line));
}

#[test]
fn too_much_mail_at_once_is_deferred_at_mail() {
    let site = Site::with_list();
    let admin = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { max_in_flight: 1 << 20, max_message_size: 1 << 20, admin, ..site.config() };
    let gate = site.gate(config);
    let (mut busy, mut other) = (Peer::greeted(tcp(&gate)), Peer::greeted(tcp(&gate)));
    assert_eq!(&busy.command(&format!("MAIL FROM:<> SIZE={}", 900 << 10))[..3], "250");
    let too_much_mail = "452 4.3.2 Too much mail at once, try again later";
    assert_eq!(other.command(&format!("MAIL FROM:<> SIZE={}", 200 << 10)), too_much_mail);
    assert_eq!(&other.command("MAIL FROM:<> SIZE=1000")[..3], "250", "small mail still goes");
    other.command("RSET");
    busy.command("RSET");
    assert_eq!(&other.command(&format!("MAIL FROM:<> SIZE={}", 200 << 10))[..3], "250");
    other.command("RSET");
    // A message without a declared size counts as it arrives.
    busy.begin("", &[LIST]);
    busy.send(vec![b'x'; 900 << 10]);
    in_flight(gate.admin().unwrap(), 900 << 10);
    assert_eq!(other.command(&format!("MAIL FROM:<> SIZE={}", 200 << 10)), too_much_mail);
    busy.send("\r\n.\r\n");
    queued_as(&busy.reply());
    assert_eq!(&other.command(&format!("MAIL FROM:<> SIZE={}", 200 << 10))[..3], "250");
}

#[test]
fn too_much_undeclared_mail_is_deferred_after_the_data() {
    let site = Site::with_list();
    let admin = free_address();
    let limits = "[server]\nmax_in_flight = \"1MiB\"\n[lmtp]\nmax_message_size = \"1MiB\"\n";
    let rest = format!("[storage]\nmin_free = \"0B\"\n[admin]\nlisten = \"{admin}\"\n");
    let server = serve(&site, &format!("{limits}{rest}"));
    let (mut first, mut second) = (Peer::greeted(server.address), Peer::greeted(server.address));
    first.begin("", &[LIST]);
    first.send(vec![b'x'; 900 << 10]);
    in_flight(admin, 900 << 10);
    second.begin("", &[LIST, "mylist-join@example.com"]);
    second.send(vec![b'x'; 900 << 10]);
    until("the second is given up", || log(&site).contains("server.max_in_flight"));
    // The gate discards its data while it waits for its end.
    in_flight(admin, 900 << 10);
    assert_eq!(spooled(&site).len(), 1);
    second.send("\r\n.\r\n");
    let too_much_mail = "452 4.3.2 Too much mail at once, try again later";
    assert_eq!([second.reply(), second.reply()], [too_much_mail, too_much_mail]);
    first.send("\r\n.\r\n");
    queued_as(&first.reply());
    second.assert_usable();
}

#[test]
fn a_message_is_answered_at_once_however_many_commands_came_before_it() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut peer = Peer::greeted(tcp(&gate));
    peer.command("MAIL FROM:<>");
    for _ in 0..1200 {
        peer.send("RCPT TO:<nobody@example.com>\r\n");
    }
    assert!((0..1200).all(|_| peer.reply().starts_with("550")));
    peer.command(&format!("RCPT TO:<{LIST}>"));
    assert_eq!(&peer.command("DATA")[..3], "354");
    let begun = Instant::now();
    peer.send(vec![b'x'; 2 << 20]);
    peer.send("\r\n.\r\n");
    queued_as(&peer.reply());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?} for 2 MiB", begun.elapsed());
}

#[test]
fn the_maximum_number_of_recipients_is_accepted_without_a_pause() {
    const MANY: usize = 20_000;
    let site = Site::with_list();
    let gate = site.gate(Config { max_recipients: MANY, ..site.config() });
    let mut peer = Peer::greeted(tcp(&gate));
    let mut stream = peer.stream.try_clone().unwrap();
    let begun = Instant::now();
    let writer = std::thread::spawn(move || {
        let recipients = format!("RCPT TO:<{LIST}>\r\n").repeat(MANY);
        stream.write_all(format!("MAIL FROM:<>\r\n{recipients}DATA\r\n").as_bytes()).unwrap();
        stream.write_all(b"Subject: to many\r\n\r\n.\r\n").unwrap();
    });
    let accepted = (0..=MANY).map(|_| peer.reply()).filter(|reply| reply.starts_with("250")).count();
    assert_eq!(accepted, MANY + 1);
    assert_eq!(&peer.reply()[..3], "354");
    assert!((0..MANY).all(|_| peer.reply().starts_with("250")));
    writer.join().unwrap();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn commands_without_a_message_end_with_421() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let mut stream = TcpStream::connect(tcp(&gate)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        stream.write_all("NOOP\r\n".repeat(101).as_bytes()).unwrap();
    });
    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("250 2.0.0 Ok").count(), 100);
    assert!(text.ends_with("421 4.7.0 Too many commands without a message, closing\r\n"));
    answered_at_once(&mut Peer::greeted(tcp(&gate)), "NOOP");
}
