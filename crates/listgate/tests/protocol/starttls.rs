//! STARTTLS (RFC 3207): certificates, their reload, and peers that have one of their own.

use crate::support::tls::Authority;
use crate::support::{Peer, Server, Site, queued_as};
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{ChildStderr, Stdio};

/// A site whose gate has a certificate, and whose log is read.
struct Encrypted {
    site: Site,
    authority: Authority,
    server: Server,
    log: Lines<BufReader<ChildStderr>>,
}

impl Encrypted {
    /// Starts a gate with more lines in its configuration.
    fn new(toml: &str) -> Self {
        let (site, authority) = (Site::with_list(), Authority::new());
        authority.issue("lists.example.com").write(site.data());
        fs::write(site.data().join("ca.pem"), authority.pem()).unwrap();
        let file = site.data().join("listgate.toml");
        let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
        fs::write(&file, format!("{tls}{toml}")).unwrap();
        let mut command = site.command();
        command
            .args(["serve", "--no-engine", "--listen", "127.0.0.1:0", "--config"])
            .arg(file)
            .stderr(Stdio::piped());
        let mut server = Server::start(command);
        let log = BufReader::new(server.child.stderr.take().unwrap()).lines();
        Self { site, authority, server, log }
    }

    fn logs(&mut self, text: &str) -> String {
        self.log.by_ref().map(Result::unwrap).find(|line| line.contains(text)).expect("the log has that")
    }
}

#[test]
fn a_message_is_delivered_over_tls() {
    let Encrypted { site, authority, server, .. } = Encrypted::new("[lmtp]\nadd_received = true\n");
    let mut peer = Peer::greeted(server.address);
    assert!(peer.command("LHLO a.example").contains("STARTTLS"));
    peer.start_tls(&authority, None).unwrap();
    assert_eq!(peer.command("MAIL FROM:<>"), "503 5.5.1 Say LHLO first");
    let capabilities = peer.command("LHLO mail.example");
    assert!(!capabilities.contains("STARTTLS") && capabilities.contains("PIPELINING"), "{capabilities}");
    assert_eq!(peer.command("STARTTLS"), "503 5.5.1 TLS is in use already");
    let long = "0123456789\r\n".repeat(50_000);
    let replies = peer.deliver("a@example.org", &["mylist@example.com"], format!("Subject: x\r\n\r\n{long}"));
    let id = queued_as(&replies[0]);
    assert_eq!(site.json(&["queue", "show", id])[0]["transport"], "LMTPS/TCP");
    let stored = String::from_utf8(site.message(id)).unwrap();
    assert!(stored.contains(" with LMTPS; ") && stored.ends_with(&long));
    assert_eq!(&peer.command("QUIT")[..3], "221");
    assert_eq!(peer.reply(), "", "TLS ends in order");
}

#[test]
fn starttls_is_not_offered_without_a_certificate_or_by_a_unix_socket() {
    let site = Site::with_list();
    let server = site.serve(&["--listen", "127.0.0.1:0"]);
    let mut peer = Peer::greeted(server.address);
    assert!(!peer.command("LHLO a.example").contains("STARTTLS"));
    assert_eq!(peer.command("STARTTLS"), "502 5.5.1 Command not implemented");
    peer.assert_usable();
}

/// CVE-2011-0411 and its kind: what is sent in the clear behind STARTTLS must not be obeyed within TLS.
#[test]
fn commands_injected_behind_starttls_have_no_effect() {
    let Encrypted { site, authority, server, .. } = Encrypted::new("");
    let injected = "LHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<mylist@example.com>\r\n\
                    DATA\r\nSubject: evil\r\n\r\n.\r\n";
    for injected in [injected, "RSET\r\n", "x", "\r\n", "LHLO evil.example\r\n"] {
        let mut peer = Peer::greeted(server.address);
        assert_eq!(
            peer.command(&format!("STARTTLS\r\n{}", injected.trim_end_matches("\r\n"))),
            "220 2.0.0 Ready to start TLS"
        );
        peer.handshake(&authority, None).unwrap();
        assert_eq!(
            peer.command("MAIL FROM:<>"),
            "503 5.5.1 Say LHLO first",
            "no reply to {injected:?} comes first"
        );
        peer.command("LHLO a.example");
        peer.assert_usable();
    }
    assert!(site.json(&["queue", "ls"]).iter().all(|entry| entry["mail_from"] == "after@example.org"));
}

#[test]
fn plaintext_after_starttls_fails_the_handshake() {
    let mut encrypted = Encrypted::new("");
    let mut peer = Peer::greeted(encrypted.server.address);
    assert_eq!(&peer.command("STARTTLS")[..3], "220");
    peer.send("LHLO a.example\r\n");
    assert!(encrypted.logs("handshake").contains("the TLS handshake failed: "));
    Peer::greeted(encrypted.server.address).assert_usable();
}

#[test]
fn a_certificate_is_replaced_under_open_sessions() {
    let mut encrypted = Encrypted::new("");
    let address = encrypted.server.address;
    let secured = |authority: &Authority| {
        let mut peer = Peer::greeted(address);
        peer.start_tls(authority, None).unwrap();
        peer.command("LHLO a.example");
        peer
    };
    let mut open: Vec<Peer> = (0..200).map(|_| secured(&encrypted.authority)).collect();
    for peer in &mut open[..100] {
        peer.begin("a@example.org", &["mylist@example.com"]);
    }
    let new = encrypted.authority.issue("lists.example.com");
    new.write(encrypted.site.data());
    encrypted.server.signal("HUP");
    encrypted.logs("SIGHUP: new connections use the new tls.certificate");
    let before = open[0].certificate();
    assert_ne!(secured(&encrypted.authority).certificate(), before);
    for (place, peer) in open.iter_mut().enumerate() {
        if place < 100 {
            peer.send(format!("Subject: {place}\r\n\r\n.\r\n"));
            assert_eq!(&peer.reply()[..3], "250");
        } else {
            peer.deliver("a@example.org", &["mylist@example.com"], format!("Subject: {place}\r\n\r\n"));
        }
    }
    assert_eq!(encrypted.site.json(&["queue", "ls"]).len(), 200);
    // A broken one is refused, and the one before stays in use.
    let used = secured(&encrypted.authority).certificate();
    let other = Authority::new().issue("lists.example.com");
    for (certificate, key, why) in [
        ("", new.key.as_str(), "cert.pem has no certificate in PEM"),
        (&new.certificate, "", "key.pem has no private key in PEM"),
        (&new.certificate, &other.key, "cannot be used with the key"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", &new.key, "cert.pem is not PEM, or is damaged"),
    ] {
        fs::write(encrypted.site.data().join("cert.pem"), certificate).unwrap();
        fs::write(encrypted.site.data().join("key.pem"), key).unwrap();
        encrypted.server.signal("HUP");
        let line = encrypted.logs("SIGHUP");
        assert!(line.contains("the settings stay as they were") && line.contains(why), "{line}");
        assert_eq!(secured(&encrypted.authority).certificate(), used);
    }
}

#[test]
fn a_certificate_admits_a_mail_server_from_any_network() {
    let toml = "client_ca = \"ca.pem\"\n[server]\nallow = [\"192.0.2.1\"]\n";
    let mut encrypted = Encrypted::new(toml);
    let (address, authority) = (encrypted.server.address, &encrypted.authority);
    let must = "451 4.7.0 Must issue a STARTTLS command first";
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.command("MAIL FROM:<>"), must);
    assert_eq!(peer.command("VRFY mylist"), must);
    peer.start_tls(authority, Some(&authority.issue("mx.example.org"))).unwrap();
    peer.command("LHLO mx.example.org");
    peer.assert_usable();
    let mut peer = Peer::greeted(address);
    peer.start_tls(authority, None).unwrap();
    peer.command("LHLO mx.example.org");
    let refused = peer.command("MAIL FROM:<>");
    assert_eq!(refused, "451 4.7.1 Your network is not in server.allow, and you showed no certificate");
    let mut peer = Peer::greeted(address);
    let stranger = Authority::new().issue("mx.example.org");
    // With TLS 1.3, the client learns that its certificate is refused from the next thing it reads.
    let _ = peer.start_tls(authority, Some(&stranger));
    assert!(encrypted.logs("handshake").contains("the TLS handshake failed: "));
}
