//! Much mail from a real Postfix: through limits, restarts and lost replies, each message arrives exactly once.

use crate::mta::{Postfix, each_is_queued_once};
use crate::support::{PATIENCE, Server, Site, free_address, until};
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// As many sessions as Postfix opens to one destination by default, and retries within two seconds.
const BUSY: &str = "maximal_backoff_time = 2s\nlmtp_destination_concurrency_limit = 20\n";

/// What Postfix logs when it stops sending to a destination for a time.
const SUSPENDED: &str = "delivery temporarily suspended";

/// Starts a gate with this configuration; `listen` may be the address of an earlier gate.
fn serve(site: &Site, toml: &str, listen: &str) -> Server {
    let config = site.data().join("gate.toml");
    fs::write(&config, format!("[storage]\nmin_free = \"0B\"\n{toml}")).unwrap();
    let log = fs::File::options().create(true).append(true).open(site.data().join("log")).unwrap();
    let mut command = site.command();
    command.args(["serve", "--no-engine", "--listen", listen, "--config"]).arg(config).stderr(log);
    Server::start(command)
}

/// Returns how much mail each has, and the ends of both logs, to say why mail does not arrive.
fn last_lines(site: &Site, postfix: &Postfix) -> String {
    let end = |log: &str| {
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    };
    let gate = fs::read_to_string(site.data().join("log")).unwrap();
    let stored = site.json(&["queue", "ls", "in"]).len();
    format!(
        "the gate has {stored}:\n{}\nPostfix:\n{}\nPostfix still has:\n{}",
        end(&gate),
        end(&postfix.log()),
        postfix.queued().join("\n"),
    )
}

/// Waits until all messages have arrived and Postfix has none left; no Message-ID may be there twice.
fn all_arrive(site: &Site, postfix: &Postfix, messages: usize) {
    let until = Instant::now() + 2 * PATIENCE;
    while !postfix.is_empty() || site.json(&["queue", "ls", "in"]).len() < messages {
        assert!(Instant::now() < until, "not all have arrived\n{}", last_lines(site, postfix));
        thread::sleep(Duration::from_millis(200));
    }
    each_is_queued_once(site, messages);
}

#[test]
#[ignore = "needs postfix"]
fn at_the_connection_limit_postfix_waits_and_does_not_suspend_delivery() {
    let site = Site::with_list();
    let server = serve(&site, "[server]\nmax_connections = 2\n", "127.0.0.1:0");
    let postfix = Postfix::start(server.address, BUSY);
    postfix.take(500);
    all_arrive(&site, &postfix, 500);
    assert!(!postfix.log().contains(SUSPENDED));
}

#[test]
#[ignore = "needs postfix"]
fn at_the_cap_of_a_queue_mail_waits_until_there_is_room() {
    let site = Site::with_list();
    let server = serve(&site, "[queue]\nmax_entries = 50\n", "127.0.0.1:0");
    let postfix = Postfix::start(server.address, BUSY);
    postfix.take(200);
    postfix.logged(&["status=deferred", "452 4.3.1 The queue in is full"]);
    let mut arrived = Vec::new();
    let until = Instant::now() + 2 * PATIENCE;
    while arrived.len() < 200 {
        let in_time = Instant::now() < until;
        assert!(in_time, "{} have arrived\n{}", arrived.len(), last_lines(&site, &postfix));
        let entries = site.json(&["queue", "ls", "in"]);
        let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
        arrived.extend(entries.iter().map(|entry| text(entry, "message_id")));
        let ids: Vec<String> = entries.iter().map(|entry| text(entry, "id")).collect();
        if !ids.is_empty() {
            let ids = ids.iter().map(String::as_str);
            site.stdout(&["queue", "remove"].into_iter().chain(ids).collect::<Vec<_>>());
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((arrived.len(), arrived.iter().collect::<HashSet<_>>().len()), (200, 200));
    assert!(!postfix.log().contains(SUSPENDED));
}

#[test]
#[ignore = "needs postfix"]
fn through_ten_restarts_each_message_arrives_once() {
    let site = Site::with_list();
    let address = free_address().to_string();
    let mut server = serve(&site, "", &address);
    let postfix = Postfix::start(server.address, BUSY);
    thread::scope(|scope| {
        scope.spawn(|| postfix.take(1000));
        for restart in 0..10 {
            thread::sleep(Duration::from_millis(300));
            // Some gates shut down cleanly, others are killed.
            server.signal(if restart % 2 == 0 { "TERM" } else { "KILL" });
            server.wait();
            server = serve(&site, "", &address);
        }
    });
    all_arrive(&site, &postfix, 1000);
}

/// Starts a proxy between Postfix and the gate. It does not pass on the first `cuts` replies after the data,
/// but cuts the connection instead.
fn cutting_proxy(gate: SocketAddr, cuts: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let left = Arc::new(AtomicUsize::new(cuts));
    let shared = Arc::clone(&left);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, left) = (client.unwrap(), Arc::clone(&shared));
            thread::spawn(move || {
                let server = TcpStream::connect(gate).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
                pass_replies(server, client, &left);
            });
        }
    });
    (address, left)
}

fn pass_replies(mut server: TcpStream, mut client: TcpStream, left: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = server.read(&mut buffer) {
        let is_final = buffer[..len].windows(9).any(|text| text == b"queued as");
        let one_less = |left: usize| left.checked_sub(1);
        if is_final && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            break;
        }
        if client.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Both);
}

#[test]
#[ignore = "needs postfix"]
fn none_of_200_lost_replies_creates_a_second_entry() {
    const CUTS: usize = 200;
    let site = Site::with_list();
    let server = serve(&site, "", "127.0.0.1:0");
    let (proxy, left) = cutting_proxy(server.address, CUTS);
    // Lost connections must not make Postfix stop sending to this destination.
    let patient = format!("{BUSY}lmtp_destination_concurrency_failed_cohort_limit = 1000\n");
    let postfix = Postfix::start(proxy, &patient);
    postfix.take(CUTS);
    all_arrive(&site, &postfix, CUTS);
    assert_eq!(left.load(Ordering::Relaxed), 0);
    let said = || {
        let log = fs::read_to_string(site.data().join("log")).unwrap();
        log.matches("(received before: not queued again)").count()
    };
    until("each is logged, never in silence", || said() >= CUTS);
    assert_eq!(said(), CUTS);
}
