//! `listgate serve` from its start to its end.

use crate::support::{Peer, Server, Site, until};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn sighup_ends_no_session() {
    let site = Site::with_list();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut server = Server::start(command);
    let mut busy = Peer::greeted(server.address);
    busy.begin("a@example.org", &["mylist@example.com"]);
    for _ in 0..3 {
        server.signal("HUP");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    busy.send("Subject: in flight\r\n\r\n.\r\n");
    assert_eq!(&busy.reply()[..3], "250");
    Peer::greeted(server.address).assert_usable();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("SIGHUP: settings read again; nothing has changed"), "{log}");
}

#[test]
fn sighup_applies_what_has_changed_to_new_connections() {
    let site = Site::with_list();
    let file = site.data().join("listgate.toml");
    fs::write(&file, "").unwrap();
    let mut command = site.command();
    command
        .args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .stderr(Stdio::piped());
    let mut server = Server::start(command);
    let mut log = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let mut hang_up = |toml: &str, expected: &[&str]| {
        fs::write(&file, toml).unwrap();
        server.signal("HUP");
        for expected in expected {
            let line = log.by_ref().map(Result::unwrap).find(|line| line.contains("SIGHUP")).unwrap();
            assert!(line.contains(expected), "{expected:?} is not in: {line}");
        }
    };
    let mut open = Peer::greeted(server.address);
    let toml = "[server]\nhostname = \"new.example.com\"\nmax_connections = 5\n[lmtp]\nmax_message_size = \"1KiB\"\n\
                [addresses]\nverp_delimiter = \"=\"\n";
    hang_up(
        toml,
        &[
            "new connections use the new server.hostname, lmtp.max_message_size",
            "restart to apply the new server.max_connections, addresses.verp_delimiter",
        ],
    );
    open.send("MAIL FROM:<> SIZE=5000\r\n");
    assert_eq!(&open.reply()[..3], "250", "an open connection keeps its settings");
    assert!(greeting(server.address).starts_with("220 new.example.com "));
    let mut new = Peer::greeted(server.address);
    let refused = new.command("MAIL FROM:<> SIZE=5000");
    assert!(refused.starts_with("552 5.3.4"), "{refused}");
    // A file with a mistake changes nothing.
    hang_up("[server]\nhostname = 1\n", &["the settings stay as they were: "]);
    assert!(greeting(server.address).starts_with("220 new.example.com "));
    // The new `server.allow` applies to new connections, and ends none that is open.
    hang_up("server.allow = [\"192.0.2.1\"]\n", &["new connections use the new "]);
    assert!(greeting(server.address).starts_with("421 "));
    new.assert_usable();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

fn greeting(address: SocketAddr) -> String {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(address).unwrap()).read_line(&mut line).unwrap();
    line
}

#[test]
fn it_greets_by_its_name_and_stops_at_sigterm_with_421_for_the_idle() {
    let site = Site::with_list();
    let mut server = site.serve(&[]);
    let mut idle = Peer::greeted(server.address);
    let mut busy = Peer::greeted(server.address);
    busy.begin("a@example.org", &["mylist@example.com", "mylist-owner@example.com"]);
    server.signal("TERM");
    assert_eq!(&idle.reply()[..9], "421 4.3.2");
    busy.send("Subject: in flight\r\n\r\n.\r\n");
    assert_eq!(&busy.reply()[..3], "250");
    assert_eq!(&busy.reply()[..3], "250");
    assert_eq!(&busy.reply()[..9], "421 4.3.2");
    assert_eq!(server.wait(), Some(0));
    assert_eq!(site.ids("in").len(), 2);
}

/// A mail server that has just connected would keep its mail for minutes after a 421, and perhaps all mail for the gate.
#[test]
fn who_is_about_to_send_mail_at_sigterm_may_send_one_message() {
    let site = Site::with_list();
    let mut server = site.serve(&[]);
    let (mut about_to, mut talking) = (Peer::greeted(server.address), Peer::greeted(server.address));
    let since = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| server.signal("TERM"));
        until("no more connections are accepted", || {
            // After half a second of silence, the gate would end the session.
            assert_eq!(&about_to.command("NOOP")[..3], "250");
            std::thread::sleep(Duration::from_millis(80));
            TcpStream::connect(server.address).is_err()
        });
    });
    about_to.begin("a@example.org", &["mylist@example.com"]);
    about_to.send("Subject: just in time\r\n\r\n.\r\nMAIL FROM:<a@example.org>\r\n");
    assert_eq!(&about_to.reply()[..3], "250");
    assert_eq!(&about_to.reply()[..9], "421 4.3.2", "one message, and no second");
    // Who only talks does not keep the gate from ending.
    let mut last = talking.command("NOOP");
    while last.starts_with("250") {
        std::thread::sleep(Duration::from_millis(100));
        last = talking.command("NOOP");
    }
    assert!(last.starts_with("421 4.3.2"), "{last}");
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(server.wait(), Some(0));
    assert_eq!(site.ids("in").len(), 1);
}

#[test]
fn a_second_gate_on_the_same_data_names_the_holder() {
    let site = Site::new();
    let server = site.serve(&[]);
    let second = site.listgate(&["serve", "--listen", "127.0.0.1:0"]);
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    let holder = format!("is held by listgate serve (process {}", server.child.id());
    assert!(stderr.contains(&holder) && stderr.contains("stop that gate first"), "{stderr}");
}

#[test]
fn several_listeners_at_once_and_a_stale_socket_is_replaced() {
    let site = Site::with_list();
    let socket = site.data().join("lmtp.sock");
    let listen = format!("unix:{}", socket.display());
    for _ in 0..2 {
        let mut server = site.serve(&["--listen", &listen]);
        assert_eq!(&server.peer().command("NOOP")[..3], "250");
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"QUIT\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let greeting =
            format!("Listgate LMTP queue runner {}\r\n221 2.0.0 Bye\r\n", env!("CARGO_PKG_VERSION"));
        assert!(text.starts_with("220 ") && text.ends_with(&greeting), "{text}");
        // The second round finds the socket of a gate that was killed before it could remove it.
        server.signal("KILL");
        server.wait();
        assert!(socket.exists());
    }
}

#[test]
fn it_prints_its_address_and_what_to_do_next() {
    let site = Site::new();
    let mut command = site.command();
    command
        .args(["serve", "--no-engine", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut text = String::new();
    while !text.contains("list create") {
        let mut octets = [0; 1024];
        let read = out.read(&mut octets).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&octets[..read]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for part in
        ["listening on  127.0.0.1:", "data in       /", "lists         0", "list create mylist@example.com"]
    {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn port_25_is_refused_and_a_taken_port_is_named() {
    let site = Site::new();
    let output = site.listgate(&["serve", "--listen", "127.0.0.1:25"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RFC 2033"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = site.listgate(&["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains(&address) && stderr.contains("choose another --listen or server.listen"),
        "{stderr}"
    );
}

#[test]
fn one_log_line_for_a_transaction_in_json_names_everything() {
    let site = Site::with_list();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--log", "json"]).stderr(Stdio::piped());
    let mut server = Server::start(command);
    let mut peer = Peer::greeted(server.address);
    assert_eq!(&peer.command("MAIL FROM:<anne@example.org>")[..3], "250");
    assert_eq!(&peer.command("RCPT TO:<nobody@example.com>")[..3], "550");
    assert_eq!(&peer.command("RCPT TO:<mylist-join@example.com>")[..3], "250");
    assert_eq!(&peer.command("DATA")[..3], "354");
    peer.send("Message-ID: <logged@example.org>\r\n\r\n.\r\n");
    let id = peer.reply().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(&peer.command("MAIL FROM:<>")[..3], "250");
    assert_eq!(&peer.command("RCPT TO:<mylist@example.com>")[..3], "250");
    assert_eq!(&peer.command("RSET")[..3], "250");
    server.signal("TERM");
    server.wait();
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let transactions: Vec<_> = lines.iter().filter(|line| line["message"] == "transaction").collect();
    let [line] = transactions[..] else { panic!("{log}") };
    assert_eq!(line["message_id"], "<logged@example.org>");
    assert_eq!(line["from"], "anne@example.org");
    assert_eq!(line["id"], id.split('-').next().unwrap());
    let to = line["to"].as_str().unwrap();
    assert!(to.contains(&format!("mylist-join@example.com command/join mylist.example.com {id}")), "{to}");
    assert!(to.contains("nobody@example.com 550 5.1.1"), "{to}");
    assert!(line["size"].is_u64() && line["ms"].is_u64());
    let probe = lines.iter().find(|line| line["message"] == "abandoned").unwrap();
    assert_eq!((&probe["to"], &probe["from"]), (&"mylist@example.com".into(), &"<>".into()));
}

#[test]
fn without_an_address_nothing_is_created() {
    let site = Site::new();
    let data = site.data().join("new");
    let config = listgate::Config { data_dir: data.clone(), listen: Vec::new(), ..site.config() };
    let why = listgate::Gate::start(config).err().unwrap().to_string();
    assert!(why.contains("server.listen = []"), "{why}");
    assert!(!data.exists());
}
