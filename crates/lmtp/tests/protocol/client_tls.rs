//! STARTTLS (RFC 3207) and AUTH (RFC 4954) from the client's side.

use crate::talk::talk;
use listgate_lmtp::{Client, ClientEvent, Credentials, NoMechanism, Protocol};

fn beginning(keywords: &str) -> String {
    format!(
        "
        S: 220 mail.example
        C: EHLO client.example
        S: 250-mail.example
        S: 250-{keywords}
        S: 250 PIPELINING
        E: ready\n"
    )
}

#[test]
fn what_was_announced_before_the_handshake_is_forgotten() {
    let script = beginning("DSN")
        + "
        D: tls
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        E: tls
        D: handshake
        C: EHLO client.example
        S: 250-mail.example
        S: 250 SIZE
        E: ready
        D: send s@a a@b orcpt=a@b
        C: MAIL FROM:<s@a> SIZE=5";
    talk(Protocol::Smtp, &script);
    talk(Protocol::Lmtp, &script.replace("EHLO", "LHLO"));
    let mut client = Client::new(Protocol::Smtp, "a");
    let ready = |client: &mut Client| {
        assert_eq!(
            client.next(&mut b"220 a\r\n250-b\r\n250-STARTTLS\r\n250 DSN\r\n".as_slice()),
            Some(ClientEvent::Ready)
        );
    };
    ready(&mut client);
    assert!(client.server().starttls && client.server().greeting == "a");
    client.start_tls();
    assert_eq!(client.next(&mut b"220 c\r\n".as_slice()), Some(ClientEvent::StartTls));
    assert_eq!(client.next(&mut b"".as_slice()), None);
    client.tls_started();
    assert_eq!(*client.server(), listgate_lmtp::Server::default());
}

#[test]
fn a_refused_starttls_leaves_the_session_as_it_was() {
    let script = beginning("STARTTLS")
        + "
        D: tls
        C: STARTTLS
        S: 454 4.7.0 TLS is not available
        E: refused StartTls: 454 4.7.0 TLS is not available
        D: send s@a a@b
        C: MAIL FROM:<s@a>
        C: RCPT TO:<a@b>
        C: DATA";
    talk(Protocol::Smtp, &script);
    let other = beginning("STARTTLS")
        + "
        D: tls
        C: STARTTLS
        S: 250 Ok
        E: closed: the server does not speak SMTP: 250 Ok (to StartTls)";
    talk(Protocol::Smtp, &other);
}

/// Someone between the two may add replies to the plaintext, which the client would read as replies of the server
/// whose certificate it has checked.
#[test]
fn plaintext_before_the_handshake_ends_the_session() {
    let said = b"220 a\r\n250-b\r\n250 STARTTLS\r\n";
    let started = || {
        let mut client = Client::new(Protocol::Smtp, "a");
        assert_eq!(client.next(&mut said.as_slice()), Some(ClientEvent::Ready));
        client.start_tls();
        client
    };
    let closed = Some(crate::util::closed(listgate_lmtp::Closed::Plaintext));
    for injected in ["2", "250 injected\r\n", "\0"] {
        let mut client = started();
        let together = format!("220 c\r\n{injected}");
        assert_eq!(client.next(&mut together.as_bytes()), closed);
        assert_eq!(client.next(&mut b"250 d\r\n".as_slice()), None);
        let mut client = started();
        assert_eq!(client.next(&mut b"220 c\r\n".as_slice()), Some(ClientEvent::StartTls));
        assert_eq!(client.next(&mut injected.as_bytes()), closed);
    }
}

#[test]
fn a_client_logs_in_with_plain() {
    let script = beginning("AUTH LOGIN PLAIN")
        + "
        D: login ann s\u{fc}\u{df}
        C: AUTH PLAIN
        S: 334
        C: AGFubgBzw7zDnw==
        S: 235 2.7.0 Authentication successful
        E: ready";
    talk(Protocol::Smtp, &script);
}

#[test]
fn a_client_logs_in_with_login() {
    let script = beginning("AUTH LOGIN CRAM-MD5")
        + "
        D: login ann secret
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 235 2.7.0 Authentication successful
        E: ready";
    talk(Protocol::Smtp, &script);
}

#[test]
fn a_refused_login_leaves_the_session_as_it_was() {
    let script = beginning("AUTH LOGIN")
        + "
        D: login ann secret
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 535 5.7.8 Authentication failed
        E: refused Auth: 535 5.7.8 Authentication failed
        D: quit
        C: QUIT";
    talk(Protocol::Smtp, &script);
    let endless = beginning("AUTH PLAIN")
        + "
        D: login ann secret
        C: AUTH PLAIN
        S: 334
        C: AGFubgBzZWNyZXQ=
        S: 334
        E: closed: the server does not speak SMTP: 334  (to Auth)";
    talk(Protocol::Smtp, &endless);
    let other = beginning("AUTH PLAIN")
        + "
        D: login ann secret
        C: AUTH PLAIN
        S: 354 Go on
        E: closed: the server does not speak SMTP: 354 Go on (to Auth)";
    talk(Protocol::Smtp, &other);
}

#[test]
fn a_server_without_a_known_mechanism_is_not_asked() {
    let mut client = Client::new(Protocol::Smtp, "a");
    let said = b"220 a\r\n250-b\r\n250 AUTH CRAM-MD5\r\n";
    assert_eq!(client.next(&mut said.as_slice()), Some(ClientEvent::Ready));
    client.output().clear();
    let credentials = Credentials::new("ann", "secret").unwrap();
    assert_eq!(client.authenticate(&credentials), Err(NoMechanism));
    assert_eq!(client.output(), b"");
    client.quit();
}

#[test]
fn a_password_is_not_shown() {
    let credentials = Credentials::new("ann", "secret").unwrap();
    assert_eq!(
        (credentials.user(), format!("{credentials:?}").as_str()),
        ("ann", "Credentials { user: \"ann\", .. }")
    );
    for (user, password) in [("", "a"), ("a\0", "b"), ("a", "b\0")] {
        assert!(Credentials::new(user, password).is_err());
    }
    let mut client = Client::new(Protocol::Smtp, "a");
    assert_eq!(
        client.next(&mut b"220 a\r\n250-b\r\n250 AUTH PLAIN\r\n".as_slice()),
        Some(ClientEvent::Ready)
    );
    client.authenticate(&credentials).unwrap();
    let encoded = "AGFubgBzZWNyZXQ=";
    for said in [b"".as_slice(), b"334 \r\n", b"250 no\r\n"] {
        client.next(&mut { said });
        let shown = format!("{client:?}");
        assert!(shown.starts_with("Client { protocol: Smtp, "), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains(encoded), "{shown}");
        // Nor as a list of octets.
        assert!(!shown.contains("65, 71, 70"), "{shown}");
    }
    assert!(String::from_utf8_lossy(client.output()).contains(encoded), "it was sent");
}
