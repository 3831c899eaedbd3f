use super::*;
use crate::net::client_tls::TlsPolicy;
use crate::net::tls::{Tls, TlsFiles};
use listgate_lmtp::{Closed, Declared, ForwardPath, Recipient, ReversePath, Transaction};
use listgate_test_support::tls::Authority;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    reply: Duration::from_secs(5),
    outcome: Duration::from_secs(5),
};

fn settings(policy: &TlsPolicy, credentials: Option<Credentials>) -> MailClientSettings {
    let (protocol, name, tls) = (Protocol::Smtp, "client.example".to_owned(), policy.load().unwrap());
    MailClientSettings { protocol, name, tls, credentials, patience: PATIENCE }
}

/// A server that is played by a test.
struct Server {
    stream: Stream,
    received: Vec<u8>,
}

impl Server {
    async fn say(&mut self, lines: &str) {
        self.stream.write_out(lines.replace('|', "\r\n").as_bytes()).await.unwrap();
    }

    /// Reads up to and including `end`, and returns it with what was before it.
    async fn hear(&mut self, end: &str) -> String {
        loop {
            let found = memchr::memmem::find(&self.received, end.as_bytes());
            if let Some(at) = found {
                let rest = self.received.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
            }
            let read = self.stream.read_buf(&mut self.received).await.unwrap();
            assert!(read > 0, "{end:?} does not come after {:?}", String::from_utf8_lossy(&self.received));
        }
    }
}

/// Starts a server, and connects a client to it. `play` is what the server does.
async fn connected<F: Future<Output = ()> + Send + 'static>(
    settings: MailClientSettings,
    play: impl FnOnce(Server) -> F,
) -> (MailClient, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address: ServerAddress = format!("localhost:{port}").parse().unwrap();
    let (client, accepted) = tokio::join!(MailClient::connect(&address, settings), listener.accept());
    let server = Server { stream: Stream::Tcp(accepted.unwrap().0), received: Vec::new() };
    (client.unwrap(), tokio::spawn(play(server)))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let recipient = |address: &&str| ForwardPath::Mailbox(address.parse().unwrap()).into();
    addresses.iter().map(recipient).collect()
}

#[test]
fn a_body_is_written_in_pieces_and_its_dot_apart_from_it() {
    let body = async {
        let (mut client, server) = connected(settings(&TlsPolicy::Off, None), |mut server| async move {
            server.say("220 mail.example Exim|").await;
            assert_eq!(server.hear("\r\n").await, "EHLO client.example\r\n");
            server.say("250-mail.example|250 PIPELINING|").await;
            server.hear("DATA\r\n").await;
            server.say("250 a|250 b|354 c|").await;
            // All of the body arrives before the dot.
            let body = server.hear("..end\r\n").await;
            assert_eq!(body.len(), 3 * 100_000 + "..end\r\n".len());
            assert_eq!(server.hear("DATA\r\n").await, ".\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
            server.say("250 queued|250 a|550 5.1.1 No|503 b|").await;
            assert_eq!(server.hear("\r\n").await, "RSET\r\n");
            server.say("250 Ok|").await;
            assert_eq!(server.hear("\r\n").await, "QUIT\r\n");
            server.say("221 Bye|").await;
        })
        .await;
        assert_eq!(client.event().await.unwrap(), ClientEvent::Ready);
        assert_eq!(client.greeting(), "mail.example Exim");
        let to = recipients(&["a@b"]);
        let from = ReversePath::Null;
        let first = client.client().send(&Transaction::new(&from, &to, Declared::default()));
        assert_eq!(client.event().await.unwrap(), ClientEvent::SendBody { transaction: first });
        let piece = [vec![b'x'; 99_998], b"\r\n".to_vec()].concat();
        for _ in 0..3 {
            client.body(&piece).await.unwrap();
            assert!(client.client().output().len() < limits::CLIENT_OUTPUT, "it is not held whole");
        }
        client.body(b".end\r\n").await.unwrap();
        client.flush().await.unwrap();
        assert_eq!((client.client().output().len(), client.client().in_doubt()), (0, None));
        tokio::task::yield_now().await;

        client.client().end_of_body();
        assert_eq!(client.client().in_doubt(), Some(first));
        let to = recipients(&["c@d"]);
        let second = client.client().send(&Transaction::new(&from, &to, Declared::default()));
        let outcome = |event| match event {
            ClientEvent::Outcome { transaction, reply, .. } => (transaction, reply.code),
            other => panic!("{other:?}"),
        };
        assert_eq!(outcome(client.event().await.unwrap()), (first, 250));
        assert_eq!(outcome(client.event().await.unwrap()), (second, 550));
        assert_eq!(client.event().await.unwrap(), ClientEvent::Ready);
        client.client().quit();
        let closed = ClientEvent::Closed { why: Closed::Quit, in_doubt: None };
        assert_eq!(client.event().await.unwrap(), closed);
        server.await.unwrap();
    };
    run(body);
}

/// A server that answers each command at once does not read on while its replies are not read.
#[test]
fn replies_are_read_while_it_writes() {
    run(async {
        let (mut client, server) = connected(settings(&TlsPolicy::Off, None), |mut server| async move {
            server.say("220 a|").await;
            server.hear("\r\n").await;
            server.say("250-b|250 PIPELINING|").await;
            // Until the client reads, nothing more can be written here, and nothing is read.
            server.hear("MAIL FROM:<>\r\n").await;
            server.say(&"250-more|".repeat(1 << 20)).await;
            server.say("250 Ok|").await;
            server.hear("DATA\r\n").await;
            server.say(&"250 Ok|".repeat(5000)).await;
            server.say("354 Go on|").await;
        })
        .await;
        assert_eq!(client.event().await.unwrap(), ClientEvent::Ready);
        let long = format!("{}@example.com", "x".repeat(1000));
        let to = recipients(&vec![long.as_str(); 5000]);
        client.client().send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
        assert!(matches!(client.event().await.unwrap(), ClientEvent::SendBody { .. }));
        server.await.unwrap();
    });
}

/// What a server announced without TLS is forgotten, and the password is sent only with it.
#[test]
fn a_session_starts_tls_and_logs_in() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new();
    authority.issue("localhost").write(dir.path());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let stranger = dir.path().join("stranger.pem");
    std::fs::write(&stranger, Authority::new().pem()).unwrap();
    let of_server = Tls::load(&TlsFiles {
        certificate: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
        client_ca: None,
    })
    .unwrap();
    for (policy, verified) in [
        (TlsPolicy::Required { ca }, true),
        (TlsPolicy::Opportunistic, true),
        (TlsPolicy::Required { ca: stranger }, false),
    ] {
        let of_server = of_server.clone();
        let credentials = Credentials::new("ann", "secret").unwrap();
        let settings = settings(&policy, Some(credentials));
        let play = move |mut server: Server| async move {
            server.say("220 a|").await;
            server.hear("\r\n").await;
            server.say("250-b|250-AUTH PLAIN|250 STARTTLS|").await;
            assert_eq!(server.hear("\r\n").await, "STARTTLS\r\n");
            server.say("220 Go on|").await;
            let Server { stream, received } = server;
            let Ok((stream, _)) = stream.with_tls(&of_server).await else { return };
            let mut server = Server { stream, received };
            assert_eq!(server.hear("\r\n").await, "EHLO client.example\r\n");
            server.say("250-b|250 AUTH LOGIN|").await;
            assert_eq!(server.hear("\r\n").await, "AUTH LOGIN\r\n");
            server.say("334 VXNlcm5hbWU6|").await;
            assert_eq!(server.hear("\r\n").await, "YW5u\r\n");
            server.say("334 UGFzc3dvcmQ6|").await;
            assert_eq!(server.hear("\r\n").await, "c2VjcmV0\r\n");
            server.say("235 2.7.0 Ok|").await;
        };
        run(async {
            let (mut client, server) = connected(settings, play).await;
            let event = client.event().await;
            if verified {
                assert_eq!(event.unwrap(), ClientEvent::Ready, "{policy:?}");
                assert!(!client.client().server().starttls);
            } else {
                assert!(matches!(network_error(event), (Operation::Handshake, io::ErrorKind::InvalidData)));
                assert!(matches!(client.event().await, Err(MailClientError::Gone)));
            }
            server.await.unwrap();
        });
    }
}

fn network_error(event: Result<ClientEvent, MailClientError>) -> (Operation, io::ErrorKind) {
    match event {
        Err(MailClientError::Network { operation, source }) => (operation, source.kind()),
        other => panic!("{other:?}"),
    }
}

/// Returns the first event of a session with a server that gives each command the next reply.
fn first_event(
    settings: MailClientSettings,
    replies: &'static [&'static str],
) -> Result<ClientEvent, MailClientError> {
    run(async {
        let (mut client, server) = connected(settings, move |mut server| async move {
            server.say("220 a|").await;
            for reply in replies {
                server.hear("\r\n").await;
                server.say(reply).await;
            }
        })
        .await;
        let event = client.event().await;
        server.await.unwrap();
        event
    })
}

#[test]
fn a_server_without_tls_gets_what_the_policy_allows() {
    let dir = TempDir::new().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, Authority::new().pem()).unwrap();
    let required = TlsPolicy::Required { ca };
    let credentials = || Some(Credentials::new("ann", "secret").unwrap());
    let (plain, refuses): (&[&str], &[&str]) = (&["250 b|"], &["250-b|250 STARTTLS|", "454 4.7.0 Later|"]);
    let is_ready = |event: Result<ClientEvent, _>| matches!(event, Ok(ClientEvent::Ready));
    assert!(is_ready(first_event(settings(&TlsPolicy::Opportunistic, None), plain)));
    assert!(is_ready(first_event(settings(&TlsPolicy::Opportunistic, None), refuses)));
    let event = first_event(settings(&required, None), plain);
    assert!(matches!(event, Err(MailClientError::NoTls)), "{event:?}");
    let event = first_event(settings(&required, None), refuses);
    assert!(matches!(event, Err(MailClientError::TlsRefused(reply)) if reply.code == 454));
    for replies in [plain, refuses] {
        let event = first_event(settings(&TlsPolicy::Opportunistic, credentials()), replies);
        assert!(matches!(event, Err(MailClientError::NoTlsForPassword)), "{event:?}");
    }
    let replies = &["250-b|250 AUTH PLAIN|", "334 |", "235 Ok|"];
    assert!(is_ready(first_event(settings(&TlsPolicy::Off, credentials()), replies)));
    let event = first_event(settings(&TlsPolicy::Off, credentials()), plain);
    assert!(matches!(event, Err(MailClientError::NoMechanism(_))), "{event:?}");
    let event = first_event(settings(&TlsPolicy::Off, credentials()), &["250-b|250 AUTH PLAIN|", "535 No|"]);
    assert!(matches!(event, Err(MailClientError::LoginRefused(reply)) if reply.code == 535));
}

/// A caller that does something else meanwhile drops the future of the event.
#[test]
fn an_event_that_is_not_awaited_to_the_end_is_not_lost() {
    run(async {
        let pause = || tokio::time::sleep(Duration::from_millis(20));
        let (mut client, server) = connected(settings(&TlsPolicy::Off, None), move |mut server| async move {
            server.say("220 a|").await;
            server.hear("\r\n").await;
            server.say("250-b|250 PIPE").await;
            pause().await;
            server.say("LINING|").await;
            server.hear("MAIL FROM:<>\r\n").await;
            pause().await;
            server.hear("DATA\r\n").await;
            for reply in ["250 a|", &"250 b|".repeat(1000), "354 ", "c|"] {
                pause().await;
                server.say(reply).await;
            }
            assert_eq!(server.hear(".\r\n").await, "x\r\n.\r\n");
            pause().await;
            server.say("250 queued|").await;
        })
        .await;
        let mut dropped = 0;
        let mut outcomes = 0;
        let to = recipients(&vec![format!("{}@example.com", "x".repeat(1000)).as_str(); 1000]);
        while outcomes < 1000 {
            match timeout(Duration::from_millis(1), client.event()).await {
                Err(_) => dropped += 1,
                Ok(Ok(ClientEvent::Ready)) => {
                    client.client().send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
                }
                Ok(Ok(ClientEvent::SendBody { .. })) => {
                    client.body(b"x").await.unwrap();
                    client.client().end_of_body();
                }
                Ok(Ok(ClientEvent::Outcome { recipient, reply, .. })) => {
                    assert_eq!((recipient, reply.code), (outcomes, 250));
                    outcomes += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(dropped > 10, "{dropped}");
        server.await.unwrap();
    });
}

#[test]
fn each_wait_has_its_patience() {
    run(async {
        let mut impatient = settings(&TlsPolicy::Off, None);
        let (short, long) = (Duration::from_millis(50), Duration::from_secs(60));
        impatient.patience = Patience { connect: long, reply: short, outcome: long };
        let (mut client, server) = connected(impatient, |server| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(server);
        })
        .await;
        let silence = client.event().await;
        assert_eq!(network_error(silence), (Operation::Read, io::ErrorKind::TimedOut));
        server.abort();

        impatient = settings(&TlsPolicy::Off, None);
        impatient.patience = Patience { connect: long, reply: long, outcome: short };
        let (mut client, server) = connected(impatient, |mut server| async move {
            server.say("220 a|").await;
            server.hear("\r\n").await;
            server.say("250-b|250 PIPELINING|").await;
            server.hear("DATA\r\n").await;
            server.say("250 a|250 b|354 c|").await;
            server.hear("\r\n.\r\n").await;
            server.hear("never").await;
        })
        .await;
        assert_eq!(client.event().await.unwrap(), ClientEvent::Ready);
        let to = recipients(&["a@b"]);
        let id = client.client().send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
        assert_eq!(client.event().await.unwrap(), ClientEvent::SendBody { transaction: id });
        client.body(b"x\r\n").await.unwrap();
        client.client().end_of_body();
        let since = std::time::Instant::now();
        assert_eq!(network_error(client.event().await), (Operation::Read, io::ErrorKind::TimedOut));
        assert!(since.elapsed() < long, "the wait for an outcome is short here");
        assert_eq!(client.client().in_doubt(), Some(id));
        server.abort();
    });
}

/// The reason that a server gives before it closes the connection is not lost, although nothing can be written.
#[test]
fn the_last_reply_of_a_server_is_read() {
    run(async {
        let (mut client, server) = connected(settings(&TlsPolicy::Off, None), |mut server| async move {
            server.say("220 a|").await;
            server.hear("\r\n").await;
            server.say("250-b|250 PIPELINING|").await;
            server.hear("DATA\r\n").await;
            server.say("250 a|250 b|354 c|").await;
            server.hear("xxx").await;
            server.say("421 4.3.2 Shutting down|").await;
        })
        .await;
        assert_eq!(client.event().await.unwrap(), ClientEvent::Ready);
        let to = recipients(&["a@b"]);
        client.client().send(&Transaction::new(&ReversePath::Null, &to, Declared::default()));
        assert!(matches!(client.event().await.unwrap(), ClientEvent::SendBody { .. }));
        let mut written = Ok(());
        while written.is_ok() {
            written = client.body(&[b'x'; 100_000]).await;
        }
        match client.event().await.unwrap() {
            ClientEvent::Closed { why: Closed::Refused { phase: None, reply }, in_doubt: None } => {
                assert_eq!(reply.to_string(), "421 4.3.2 Shutting down");
            }
            other => panic!("{other:?}"),
        }
        server.await.unwrap();
    });
}

#[test]
fn a_server_that_is_down_is_an_error_of_the_connection() {
    run(async {
        let port = listgate_test_support::free_address().port();
        for address in
            [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "unix:/nonexistent".to_owned()]
        {
            let address: ServerAddress = address.parse().unwrap();
            let failed = MailClient::connect(&address, settings(&TlsPolicy::Off, None)).await.map(|_| ());
            let expected = match address {
                ServerAddress::Unix(_) => io::ErrorKind::NotFound,
                _ => io::ErrorKind::ConnectionRefused,
            };
            match failed {
                Err(MailClientError::Network { operation: Operation::Connect, source }) => {
                    assert_eq!(source.kind(), expected);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}
