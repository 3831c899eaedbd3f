//! A gate with a socket of systemd restarts under load from a real Postfix: no connection is refused, hardly any message
//! is deferred, and each arrives exactly once.

use crate::mta::{Postfix, each_is_queued_once};
use crate::support::service_manager::with_sockets;
use crate::support::{Server, Site, until};
use std::fs::File;
use std::net::TcpListener;
use std::thread;

const RESTARTS: usize = 20;

/// As many sessions as Postfix opens to one destination by default.
const SESSIONS: &str = "lmtp_destination_concurrency_limit = 20\nmaximal_backoff_time = 1s\n";

#[test]
#[ignore = "needs postfix"]
fn through_20_restarts_no_connection_is_refused_and_each_message_arrives_once() {
    let site = Site::with_list();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || {
        let log = File::options().create(true).append(true).open(site.data().join("log")).unwrap();
        let mut serve = site.command();
        serve.args(["serve", "--no-engine"]);
        let mut serve = with_sockets(&serve, Some("lmtp"), vec![socket.try_clone().unwrap().into()]);
        Server::start({
            serve.stderr(log);
            serve
        })
    };
    let mut server = start();
    let postfix = Postfix::start(address, SESSIONS);
    let mut sent = 0;
    for _ in 0..RESTARTS {
        // Stop the gate while most of the mail is still to come.
        let before = arrived(&postfix);
        thread::scope(|scope| {
            let source = scope.spawn(|| postfix.take(50));
            until("mail arrives", || arrived(&postfix) >= before + 10);
            server.signal("TERM");
            assert_eq!(server.wait(), Some(0));
            server = start();
            source.join().unwrap();
        });
        sent += 50;
    }
    until("Postfix has sent everything", || postfix.is_empty());
    each_is_queued_once(&site, sent);
    let log = postfix.log();
    let deferred: Vec<&str> = log.lines().filter(|line| line.contains("status=deferred")).collect();
    assert!(!log.contains("Connection refused"), "{deferred:#?}");
    // A Postfix process that gets no processor time for half a second may find 421 in place of a reply.
    assert!(deferred.len() <= sent / 100, "{deferred:#?}");
}

/// Returns how many messages the gate has taken, by Postfix's log.
fn arrived(postfix: &Postfix) -> usize {
    postfix.log().matches("status=sent").count()
}
