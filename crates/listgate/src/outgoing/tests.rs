//! Posts leave through a mail server that follows a script and keeps its own record.

use super::settings::OutgoingSettings;
use super::{Outgoing, Parts};
use crate::backends::sqlite::{self, DataDir, Sqlite};
use crate::backends::{Backend, Delivery, EngineStore, LeaseRequest, ListAdmin, Members};
use crate::config::Target;
use crate::message::{Incoming, Spool};
use crate::model::{
    Addressed, Clock, DeliveryKey, Effect, Endpoint, Envelope, List, ListState, MemberRole, MessageId, Name,
    NamedAddress, NewMember, NewPost, OutgoingNow, Personal, PostKind, Redelivery, Role, Step, Verdict,
};
use crate::net::{ClientTls, MailClientSettings, Patience};
use listgate_lmtp::{Protocol, ReversePath};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const LIST: &str = "mylist@example.com";

/// A data directory with a list, and the store that serves it.
struct Site {
    store: Arc<dyn EngineStore>,
    backend: Arc<dyn Backend>,
    spool: Spool,
    next: u64,
    _dir: tempfile::TempDir,
}

impl Site {
    /// Makes a list with so many members, `m0@example.org` and so on.
    fn new(members: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let choices = sqlite::Choices {
            redelivery: Redelivery::Off,
            owner: "o@example.com".to_owned(),
            clock: Clock::default(),
        };
        let backend: Arc<dyn Backend> = Arc::new(Sqlite::open(&data, choices, &Arc::default()).unwrap());
        let console = sqlite::Console::open(&data).unwrap();
        pollster::block_on(console.create(&[LIST.parse().unwrap()], &[])).unwrap();
        let new: Vec<NewMember> = (0..members)
            .map(|n| format!("m{n}@example.org").parse::<NamedAddress>().unwrap().into())
            .collect();
        for some in new.chunks(1000) {
            pollster::block_on(console.add("mylist.example.com", MemberRole::Member, some)).unwrap();
        }
        let store = Arc::clone(&backend).engine().unwrap().unwrap();
        Self { store, backend, spool: Spool::new(&data.spool()), next: 0, _dir: dir }
    }

    /// Accepts a post.
    async fn post(&mut self, body: &str, personal: Personal) {
        let list = List {
            list_id: "mylist.example.com".to_owned(),
            address: LIST.parse().unwrap(),
            state: ListState::Open,
            max_size: None,
            alias: None,
        };
        self.next += 1;
        let mut incoming =
            Incoming::new(self.backend.style(), "<>".to_owned(), "host", None, self.spool.clone());
        let message = format!("From: ann@example.org\r\nMessage-ID: <{}@x>\r\n\r\n{body}", self.next);
        incoming.push(message.as_bytes()).await.unwrap();
        let delivery = Delivery {
            key: DeliveryKey { gate: 1, n: self.next },
            envelope: Envelope {
                mail_from: ReversePath::Null,
                peer: "127.0.0.1:1".to_owned(),
                lhlo: "client.example".to_owned(),
                transport: "LMTP/TCP",
                received_at: SystemTime::now(),
            },
            message: incoming.finish().await.unwrap(),
            to: vec![Addressed {
                recipient: LIST.to_owned(),
                endpoint: Endpoint { list: Arc::new(list), role: Role::Post, detail: None },
            }],
            as_of: None,
        };
        let size = delivery.message.body.len();
        self.backend.put(delivery).await.unwrap();
        let request = LeaseRequest {
            queue: Name::In,
            ordered: false,
            max: 1,
            hold: Duration::from_secs(60),
            turn: String::new(),
        };
        let lease = self.store.lease(request).await.unwrap().leases.remove(0).id();
        let list = self.store.snapshot("mylist.example.com").await.unwrap().unwrap();
        let post = NewPost {
            list: list.number,
            kind: PostKind::Post,
            message: MessageId(lease.entry.delivery),
            message_id: format!("<{}@x>", self.next),
            size,
            settings: "{}".to_owned(),
            personal,
            skipped: None,
            instead_of_owners: None,
        };
        let step = Step::settling(lease, Verdict::Done).with(Effect::Distribute(Box::new(post))).unwrap();
        self.store.step(vec![step]).await.unwrap().remove(0).unwrap();
    }

    fn send_to(&self, to: Target) -> Outgoing {
        let parts =
            Parts { store: Arc::clone(&self.store), metrics: Arc::default(), clock: Clock::default() };
        let patience = Patience {
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(5),
            outcome: Duration::from_secs(5),
        };
        let client = MailClientSettings {
            protocol: Protocol::Smtp,
            name: "lists.example.com".to_owned(),
            tls: ClientTls::Off,
            credentials: None,
            patience,
        };
        let config = OutgoingSettings {
            to,
            connections: 4,
            max_recipients: 100,
            delimiter: '+',
            mask_addresses: false,
            client,
        };
        Outgoing::start(parts, config).unwrap()
    }

    async fn now(&self) -> OutgoingNow {
        self.backend.outgoing_now().await.unwrap().unwrap()
    }

    /// Waits until nothing is left to send.
    async fn finished(&self) -> OutgoingNow {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let now = self.now().await;
            if now.posts == 0 {
                return now;
            }
            assert!(Instant::now() < end, "not in time: {now:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What a server does at a certain point of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    Never,
    Connected,
    AfterEhlo,
    AfterMail,
    AfterRcpt(usize),
    BeforeData,
    InBody,
    /// It has taken the message, and closes before its reply.
    BeforeReply,
    AfterReply,
}

/// What was delivered: how often each recipient got each message.
type Record = BTreeMap<String, usize>;

/// A mail server that takes all mail, except that it cuts some connections.
struct Server {
    address: String,
    record: Arc<Mutex<Record>>,
}

impl Server {
    /// `cut` says what the session with this number does, and `reply` what is answered to RCPT for an address.
    fn start(
        cut: impl Fn(usize) -> Cut + Send + Sync + 'static,
        reply: impl Fn(&str) -> &'static str + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let record = Arc::new(Mutex::new(Record::new()));
        let of_server = Arc::clone(&record);
        let (cut, reply) = (Arc::new(cut), Arc::new(reply));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (record, cut, reply) = (Arc::clone(&of_server), cut(number), Arc::clone(&reply));
                // An error means that the client has closed the connection.
                if cut != Cut::Connected {
                    thread::spawn(move || drop(session(&stream.unwrap(), cut, &*reply, &record)));
                }
            }
        });
        Self { address, record }
    }

    fn target(&self) -> Target {
        format!("smtp:{}", self.address).parse().unwrap()
    }

    fn record(&self) -> Record {
        self.record.lock().unwrap().clone()
    }
}

fn session(
    mut stream: &TcpStream,
    cut: Cut,
    reply: &dyn Fn(&str) -> &'static str,
    record: &Mutex<Record>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream).lines();
    let mut to = Vec::new();
    write!(stream, "220 test ESMTP\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        match line.split([' ', ':']).next().unwrap() {
            "EHLO" => {
                write!(stream, "250-test\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME\r\n")?;
                if cut == Cut::AfterEhlo {
                    return Ok(());
                }
            }
            "MAIL" => {
                to.clear();
                write!(stream, "250 2.1.0 Ok\r\n")?;
                if cut == Cut::AfterMail {
                    return Ok(());
                }
            }
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap().to_owned();
                let answer = reply(&address);
                stream.write_all(format!("{answer}\r\n").as_bytes())?;
                if answer.starts_with('2') {
                    to.push(address);
                }
                if cut == Cut::AfterRcpt(to.len()) {
                    return Ok(());
                }
            }
            "DATA" => {
                if cut == Cut::BeforeData {
                    return Ok(());
                }
                if to.is_empty() {
                    write!(stream, "554 5.5.1 no valid recipients\r\n")?;
                    continue;
                }
                write!(stream, "354 go ahead\r\n")?;
                if cut == Cut::InBody {
                    lines.next();
                    return Ok(());
                }
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                take(&to, record);
                if cut == Cut::BeforeReply {
                    return Ok(());
                }
                write!(stream, "250 2.0.0 queued\r\n")?;
                if cut == Cut::AfterReply {
                    return Ok(());
                }
            }
            "QUIT" => return write!(stream, "221 bye\r\n"),
            _ => write!(stream, "250 Ok\r\n")?,
        }
    }
    Ok(())
}

/// Records that each address got a message.
fn take(to: &[String], record: &Mutex<Record>) {
    for address in to {
        *record.lock().unwrap().entry(address.clone()).or_default() += 1;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn ok(_: &str) -> &'static str {
    "250 2.1.5 Ok"
}

#[test]
fn everyone_gets_a_post_once() {
    for personal in [Personal::Always, Personal::Never] {
        let mut site = Site::new(1234);
        let server = Server::start(|_| Cut::Never, ok);
        let outgoing = site.send_to(server.target());
        runtime().block_on(async {
            site.post("Hello.\r\n", personal).await;
            site.post("Again.\r\n", personal).await;
            let now = site.finished().await;
            assert_eq!((now.doubted, now.deferred), (0, 0));
        });
        outgoing.stop();
        let record = server.record();
        assert_eq!(record.len(), 1234);
        assert!(record.values().all(|times| *times == 2));
    }
}

#[test]
fn a_connection_that_is_lost_loses_nothing_and_doubles_a_batch_at_most() {
    for personal in [Personal::Always, Personal::Never] {
        for cut in [
            Cut::Connected,
            Cut::AfterEhlo,
            Cut::AfterMail,
            Cut::AfterRcpt(1),
            Cut::AfterRcpt(50),
            Cut::BeforeData,
            Cut::InBody,
            Cut::BeforeReply,
            Cut::AfterReply,
        ] {
            let mut site = Site::new(300);
            // The first connections are cut, and the later ones are not.
            let server = Server::start(move |number| if number < 2 { cut } else { Cut::Never }, ok);
            let outgoing = site.send_to(server.target());
            let now = runtime().block_on(async {
                site.post("Hello.\r\n", personal).await;
                site.finished().await
            });
            outgoing.stop();
            let record = server.record();
            assert_eq!(record.len(), 300, "{cut:?}");
            let twice = record.values().filter(|times| **times > 1).count() as u64;
            assert!(record.values().all(|times| *times <= 3), "{cut:?}");
            let most = if personal == Personal::Always { 2 } else { 200 };
            assert!(twice <= most && twice <= now.doubted, "{cut:?}: {twice} twice, {} doubted", now.doubted);
            match cut {
                Cut::BeforeReply => assert!(now.doubted > 0),
                // The final dot may have been on its way.
                Cut::InBody | Cut::AfterReply => {}
                _ => assert_eq!(now.doubted, 0, "{cut:?}"),
            }
        }
    }
}

#[test]
fn a_stop_loses_nothing_and_doubles_nothing() {
    for personal in [Personal::Always, Personal::Never] {
        let mut site = Site::new(2000);
        let server = Server::start(|_| Cut::Never, ok);
        runtime().block_on(site.post("Hello.\r\n", personal));
        for _ in 0..5 {
            let outgoing = site.send_to(server.target());
            thread::sleep(Duration::from_millis(20));
            outgoing.stop();
        }
        let outgoing = site.send_to(server.target());
        let now = runtime().block_on(site.finished());
        outgoing.stop();
        let record = server.record();
        assert_eq!((record.len(), now.doubted), (2000, 0));
        assert!(record.values().all(|times| *times == 1));
    }
}

#[test]
fn dead_addresses_do_not_keep_others_from_their_copies() {
    for personal in [Personal::Always, Personal::Never] {
        let mut site = Site::new(100);
        let server = Server::start(
            |_| Cut::Never,
            |address| {
                let number: usize = address[1..address.find('@').unwrap()].parse().unwrap();
                if number % 5 < 2 { "550 5.1.1 unknown" } else { "250 2.1.5 Ok" }
            },
        );
        let outgoing = site.send_to(server.target());
        runtime().block_on(async {
            site.post("Hello.\r\n", personal).await;
            site.finished().await;
        });
        outgoing.stop();
        assert_eq!(server.record().len(), 60);
    }
}

#[test]
fn copies_are_written_into_a_directory() {
    let mut site = Site::new(3);
    let dir = tempfile::tempdir().unwrap();
    let outbox = dir.path().join("a/outbox");
    let outgoing = site.send_to(Target::Directory(outbox.clone()));
    runtime().block_on(async {
        site.post(".Hello.\r\n", Personal::Auto).await;
        site.finished().await;
    });
    outgoing.stop();
    let mut names: Vec<String> = std::fs::read_dir(&outbox)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 6, "{names:?}");
    let message = std::fs::read_to_string(outbox.join(&names[0])).unwrap();
    assert!(message.ends_with("\r\n\r\n.Hello.\r\n"), "{message}");
    let about: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(outbox.join(&names[1])).unwrap()).unwrap();
    assert_eq!(about["recipients"], serde_json::json!(["m0@example.org"]));
    assert_eq!(
        (about["list_id"].as_str(), about["kind"].as_str()),
        (Some("mylist.example.com"), Some("post"))
    );
    let sender = about["mail_from"].as_str().unwrap();
    assert!(sender.starts_with("mylist-bounces+") && sender.ends_with("@example.com"), "{sender}");
    assert_eq!(sender.len(), "mylist-bounces+@example.com".len() + 26);
}
