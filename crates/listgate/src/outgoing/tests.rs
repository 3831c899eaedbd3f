//! Posts leave through a mail server that follows a script and keeps its own record.

mod notices;
mod order;

use super::settings::{OutgoingSettings, Reloadable};
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
use crate::texts::Texts;
use listgate_lmtp::{Protocol, ReversePath};
use listgate_test_support::smtp_server::{Act, Manner, Moment, SmtpServer};
use listgate_test_support::until;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const LIST: &str = "mylist@example.com";

/// A data directory with a list, and the store that serves it.
struct Site {
    store: Arc<dyn EngineStore>,
    backend: Arc<dyn Backend>,
    spool: Spool,
    next: u64,
    dir: tempfile::TempDir,
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
        Self { store, backend, spool: Spool::new(&data.spool()), next: 0, dir }
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
            begun: None,
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
        self.send_to_with(to, |_| ())
    }

    /// Starts to send, with settings that `change` has changed.
    fn send_to_with(&self, to: Target, change: impl FnOnce(&mut OutgoingSettings)) -> Outgoing {
        let parts =
            Parts { store: Arc::clone(&self.store), metrics: Arc::default(), clock: Clock::default() };
        let wait = Duration::from_secs(5);
        let patience = Patience { connect: wait, reply: wait, outcome: wait };
        let client = MailClientSettings {
            protocol: Protocol::Smtp,
            name: "lists.example.com".to_owned(),
            tls: ClientTls::Off,
            credentials: None,
            patience,
        };
        let mut settings = OutgoingSettings {
            texts: Texts::default(),
            null_sender: false,
            to,
            connections: 4,
            max_recipients: 100,
            max_rate: None,
            delimiter: '+',
            reloadable: Reloadable {
                hostname: "lists.example.com".to_owned(),
                mask_addresses: false,
                grace: Duration::from_secs(1),
            },
            client,
        };
        change(&mut settings);
        Outgoing::start(parts, settings).unwrap()
    }

    async fn now(&self) -> OutgoingNow {
        self.backend.outgoing_now().await.unwrap().unwrap()
    }

    /// Waits until something is so.
    async fn becomes(&self, what: &str, so: impl AsyncFn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !so().await {
            assert!(Instant::now() < end, "{what}: not in time: {:?}", self.now().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until nothing is left to send.
    async fn finished(&self) -> OutgoingNow {
        let end = Instant::now() + Duration::from_secs(60);
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn target(server: &SmtpServer) -> Target {
    format!("smtp:{}", server.address).parse().unwrap()
}

#[test]
fn everyone_gets_a_post_once() {
    for personal in [Personal::Always, Personal::Never] {
        let mut site = Site::new(1234);
        let server = SmtpServer::start(Manner::default());
        let outgoing = site.send_to(target(&server));
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

/// Every moment of a session at which a server can end it.
const MOMENTS: [Moment; 16] = [
    Moment::Connected,
    Moment::BeforeEhlo,
    Moment::AfterEhlo,
    Moment::BeforeMail,
    Moment::AfterMail,
    Moment::BeforeRcpt(0),
    Moment::AfterRcpt(1),
    Moment::BeforeRcpt(50),
    Moment::AfterRcpt(99),
    Moment::AfterRcpt(100),
    Moment::BeforeData,
    Moment::AfterData,
    Moment::InBody,
    Moment::BeforeReply,
    Moment::InReply,
    Moment::AfterReply,
];

/// The first connections end at a moment, and the later ones do not.
fn a_lost_connection(manner: &Manner, personal: Personal, moment: Moment, act: Act) {
    const CUT: usize = 2;
    let what = format!("{personal:?} {moment:?} {act:?} {:?}", manner.keywords);
    let mut site = Site::new(300);
    let act = move |number, at| (number < CUT && at == moment).then_some(act);
    let server = SmtpServer::scripted(manner.clone(), act, |_| "250 2.1.5 Ok".to_owned());
    let outgoing = site.send_to(target(&server));
    let now = runtime().block_on(async {
        site.post("Hello.\r\n", personal).await;
        site.finished().await
    });
    outgoing.stop();
    let record = server.record();
    assert_eq!(record.len(), 300, "{what}");
    assert!(record.values().all(|times| *times <= 1 + CUT), "{what}");
    let twice = record.values().filter(|times| **times > 1).count();
    // One transaction of each connection.
    let most = CUT * if personal == Personal::Always { 1 } else { 100 };
    let doubted = usize::try_from(now.doubted).unwrap();
    assert!(twice <= doubted && doubted <= most, "{what}: {twice} twice, {doubted} doubted");
    match moment {
        Moment::BeforeReply | Moment::InReply => assert!(doubted > 0, "{what}"),
        // The final dot may have been on its way.
        Moment::AfterData | Moment::InBody | Moment::AfterReply => {}
        _ => assert_eq!(doubted, 0, "{what}"),
    }
}

#[test]
fn a_connection_that_is_lost_loses_nothing_and_doubles_a_batch_at_most() {
    for manner in [Manner::default(), Manner::default().without("PIPELINING")] {
        for personal in [Personal::Always, Personal::Never] {
            for moment in MOMENTS {
                a_lost_connection(&manner, personal, moment, Act::Close);
            }
        }
    }
}

#[test]
fn a_server_that_ends_the_session_with_421_loses_nothing() {
    for manner in [Manner::default(), Manner::default().without("PIPELINING")] {
        for moment in MOMENTS {
            // A message whose dot is answered so is not in doubt, and a reply cannot begin so.
            if !matches!(moment, Moment::BeforeReply | Moment::InReply) {
                a_lost_connection(&manner, Personal::Never, moment, Act::Busy);
            }
        }
    }
}

#[test]
fn a_dot_that_is_answered_with_421_is_not_in_doubt() {
    let mut site = Site::new(300);
    let act = |number, at| (number < 2 && at == Moment::BeforeReply).then_some(Act::Busy);
    let server = SmtpServer::scripted(Manner::default(), act, |_| "250 2.1.5 Ok".to_owned());
    let outgoing = site.send_to(target(&server));
    let now = runtime().block_on(async {
        site.post("Hello.\r\n", Personal::Never).await;
        site.finished().await
    });
    outgoing.stop();
    let record = server.record();
    assert_eq!((record.len(), now.doubted), (300, 0));
    assert!(record.values().all(|times| *times == 1));
}

#[test]
fn servers_with_less_to_offer_get_everything_once() {
    let manner = Manner::default;
    for manner in [
        manner().without("8BITMIME").without("SIZE"),
        manner().max_recipients(30),
        manner().max_recipients(1).without("PIPELINING"),
        manner().greeting("220 mail.example ESMTP Exim 4.97"),
        manner().delay(Duration::from_millis(1)),
    ] {
        let what = format!("{:?} {:?}", manner.keywords, manner.greeting);
        let mut site = Site::new(230);
        let server = SmtpServer::start(manner);
        let outgoing = site.send_to(target(&server));
        let now = runtime().block_on(async {
            site.post("Hell\u{f6}.\r\n", Personal::Never).await;
            site.finished().await
        });
        outgoing.stop();
        let record = server.record();
        assert_eq!((record.len(), now.doubted), (230, 0), "{what}");
        assert!(record.values().all(|times| *times == 1), "{what}");
    }
}

#[test]
fn an_announced_limit_of_recipients_is_kept() {
    let mut site = Site::new(230);
    let server = SmtpServer::start(Manner::default().with("LIMITS RCPTMAX=30"));
    let outgoing = site.send_to(target(&server));
    runtime().block_on(async {
        site.post("Hello.\r\n", Personal::Never).await;
        site.finished().await
    });
    outgoing.stop();
    assert_eq!(server.record().len(), 230);
    let sizes: Vec<usize> = server.taken().iter().map(|taken| taken.to.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 30), "{sizes:?}");
}

#[test]
fn a_stop_loses_nothing_and_doubles_nothing() {
    for personal in [Personal::Always, Personal::Never] {
        let mut site = Site::new(2000);
        let server = SmtpServer::start(Manner::default());
        runtime().block_on(site.post("Hello.\r\n", personal));
        for _ in 0..5 {
            let outgoing = site.send_to(target(&server));
            thread::sleep(Duration::from_millis(20));
            outgoing.stop();
        }
        let outgoing = site.send_to(target(&server));
        let now = runtime().block_on(site.finished());
        outgoing.stop();
        let record = server.record();
        assert_eq!((record.len(), now.doubted), (2000, 0));
        assert!(record.values().all(|times| *times == 1));
    }
}

#[test]
fn a_stop_does_not_wait_for_a_server_that_does_not_answer() {
    for moment in [Moment::Connected, Moment::BeforeMail, Moment::BeforeReply] {
        let mut site = Site::new(150);
        let is_silent = Arc::new(AtomicBool::new(true));
        let of_server = Arc::clone(&is_silent);
        let act = move |_, at| (at == moment && of_server.load(Ordering::SeqCst)).then_some(Act::Silence);
        let server = SmtpServer::scripted(Manner::default(), act, |_| "250 2.1.5 Ok".to_owned());
        runtime().block_on(site.post("Hello.\r\n", Personal::Never));
        let outgoing = site.send_to_with(target(&server), |settings| {
            let wait = Duration::from_secs(3600);
            settings.client.patience = Patience { connect: wait, reply: wait, outcome: wait };
            settings.reloadable.grace = wait;
        });
        outgoing.configure(Reloadable {
            hostname: "other.example.com".to_owned(),
            mask_addresses: true,
            grace: Duration::from_secs(1),
        });
        until("it waits for the server", || match moment {
            Moment::BeforeReply => server.record().len() == 150,
            _ => server.connections() > 0,
        });
        let since = Instant::now();
        outgoing.stop();
        // The grace time is a second since the reload, and was an hour before.
        assert!(since.elapsed() < Duration::from_secs(30), "{moment:?}: {:?}", since.elapsed());
        is_silent.store(false, Ordering::SeqCst);
        let outgoing = site.send_to(target(&server));
        let now = runtime().block_on(site.finished());
        outgoing.stop();
        let record = server.record();
        let in_doubt = if moment == Moment::BeforeReply { 150 } else { 0 };
        assert_eq!((record.len(), now.doubted), (150, in_doubt), "{moment:?}");
        assert_eq!(record.values().filter(|times| **times > 1).count() as u64, in_doubt, "{moment:?}");
    }
}

#[test]
fn no_more_leaves_than_the_maximum_rate() {
    // The time of the last transaction is not waited for, and any of them may be the last, so all have the same size.
    for (personal, members, rate, least) in [
        (Personal::Never, 300, 100, Duration::from_secs(2)),
        (Personal::Always, 30, 20, Duration::from_millis(1450)),
    ] {
        let mut site = Site::new(members);
        let server = SmtpServer::start(Manner::default());
        let outgoing = site.send_to_with(target(&server), |settings| settings.max_rate = Some(rate));
        let since = Instant::now();
        runtime().block_on(async {
            site.post("Hello.\r\n", personal).await;
            site.finished().await;
        });
        let took = since.elapsed();
        outgoing.stop();
        assert_eq!(server.record().len(), members);
        assert!(took >= least, "{personal:?}: {took:?}");
    }
}

#[test]
fn a_transaction_that_waits_for_its_turn_is_neither_marked_nor_waited_for() {
    let mut site = Site::new(100);
    let server = SmtpServer::start(Manner::default());
    let database = rusqlite::Connection::open(site.dir.path().join("listgate.db")).unwrap();
    let mut marked = database.prepare("SELECT count(*) FROM batch WHERE state = 'sending'").unwrap();
    let outgoing = site.send_to_with(target(&server), |settings| {
        settings.max_rate = Some(1);
        settings.reloadable.grace = Duration::from_secs(3600);
    });
    runtime().block_on(async {
        site.post("Hello.\r\n", Personal::Never).await;
        while server.record().len() < 3 {
            // Each connection has claimed a batch. Those that are marked would be in doubt after a crash.
            let marked: usize = marked.query_row([], |row| row.get(0)).unwrap();
            assert!(marked <= 2, "{marked} batches are marked");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    outgoing.stop();
    let sent = server.record().len();
    assert!(sent < 20, "it went on for a minute: {sent}");
    let outgoing = site.send_to(target(&server));
    let now = runtime().block_on(site.finished());
    outgoing.stop();
    let record = server.record();
    assert_eq!((record.len(), now.doubted), (100, 0));
    assert!(record.values().all(|times| *times == 1));
}

#[test]
fn a_server_that_is_away_or_refuses_everything_loses_nothing() {
    let mut site = Site::new(300);
    let server = SmtpServer::start(Manner::default());
    server.go_away();
    let outgoing = site.send_to(target(&server));
    runtime().block_on(async {
        site.post("Hello.\r\n", Personal::Never).await;
        let reason = async || site.now().await.reason.is_some_and(|reason| reason.contains("clos"));
        site.becomes("it says why it waits", reason).await;
        // It is there, and refuses.
        server.set(Manner::default().greeting("554 5.7.1 no mail from you"));
        server.come_back();
        let stopped =
            async || site.now().await.stopped.is_some_and(|(_, why)| why.contains("no mail from you"));
        site.becomes("the way out is stopped", stopped).await;
        server.set(Manner::default());
        let now = site.finished().await;
        assert_eq!((now.doubted, now.stopped), (0, None));
    });
    outgoing.stop();
    let record = server.record();
    assert_eq!(record.len(), 300);
    assert!(record.values().all(|times| *times == 1));
}

#[test]
fn ten_refusals_in_a_row_bounce_nobody_and_stop_the_way_out() {
    for restarts in [false, true] {
        let mut site = Site::new(100);
        let denies = Arc::new(AtomicBool::new(true));
        let of_server = Arc::clone(&denies);
        let reply = move |_: &str| match of_server.load(Ordering::SeqCst) {
            true => "554 5.7.1 relay access denied".to_owned(),
            false => "250 2.1.5 Ok".to_owned(),
        };
        let server = SmtpServer::scripted(Manner::default(), |_, _| None, reply);
        let mut outgoing = site.send_to(target(&server));
        runtime().block_on(async {
            site.post("Hello.\r\n", Personal::Never).await;
            let stopped = async || site.now().await.stopped.is_some_and(|(_, why)| why.contains("denied"));
            site.becomes("the way out is stopped", stopped).await;
        });
        if restarts {
            outgoing.stop();
            denies.store(false, Ordering::SeqCst);
            outgoing = site.send_to(target(&server));
        }
        denies.store(false, Ordering::SeqCst);
        // Those who were refused get it with the others.
        let now = runtime().block_on(site.finished());
        outgoing.stop();
        assert_eq!((now.doubted, now.stopped), (0, None));
        let record = server.record();
        assert_eq!(record.len(), 100, "nobody was refused for good");
        assert!(record.values().all(|times| *times == 1));
    }
}

/// Postfix closes the connection after 20 refusals by default, and this server after two. If the way out paused after
/// each connection that settled a recipient, this would take minutes.
#[test]
fn dead_addresses_do_not_keep_others_from_their_copies() {
    for (personal, dead) in [(Personal::Always, 2), (Personal::Never, 2), (Personal::Never, 4)] {
        let mut site = Site::new(500);
        let reply = move |address: &str| {
            let number: usize = address[1..address.find('@').unwrap()].parse().unwrap();
            if number % 5 < dead { "550 5.1.1 unknown" } else { "250 2.1.5 Ok" }.to_owned()
        };
        let server = SmtpServer::scripted(Manner::default().max_refusals(2), |_, _| None, reply);
        let outgoing = site.send_to(target(&server));
        runtime().block_on(async {
            site.post("Hello.\r\n", personal).await;
            site.finished().await;
        });
        outgoing.stop();
        assert_eq!(server.record().len(), 100 * (5 - dead));
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
