//! A store that fails while a post is distributed, and a mail server that does not answer.

use crate::distribution::{Copies, Distribution};
use crate::support::smtp_server::{Act, Manner, Moment, SmtpServer};
use crate::support::{Peer, until};
use crate::tools::{Tracer, answered_at_once, copy_log, log};
use std::thread;
use std::time::{Duration, Instant};

/// Starts a distribution that takes a second or so, and returns when it has begun.
fn begin(distribution: &Distribution) -> crate::support::Server {
    let server = distribution.serve();
    distribution.post(&server, "post");
    until("it begins", || distribution.mail.record().len() > 16);
    server
}

#[test]
#[ignore = "needs strace"]
fn a_full_disk_stops_the_dots_and_not_the_gate_and_ends_by_itself() {
    let mail = SmtpServer::start(Manner::default().delay(Duration::from_millis(2)));
    let distribution = Distribution::new(mail, 1000, Copies::Personal);
    let server = begin(&distribution);
    let mut peer = Peer::greeted(server.address);
    let tracer = Tracer::inject(&server, "pwrite64:error=ENOSPC", None);
    until("the sender notices", || log(&distribution.site).contains("trying again"));
    // What was marked before is sent to its end: one batch of each connection.
    let mut sent = 0;
    until("no further dots", || {
        let before = std::mem::replace(&mut sent, distribution.mail.taken().len());
        thread::sleep(Duration::from_secs(2));
        sent == before
    });
    assert!(sent < 1000, "it has sent everything");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(distribution.mail.taken().len(), sent, "a dot without a mark");
    answered_at_once(&mut peer, "NOOP");
    assert_eq!(&peer.rcpt("mylist@example.com")[..3], "250");
    tracer.detach();
    distribution.finished(1);
    assert_eq!(distribution.check(1), Ok((0, 0)));
}

#[test]
#[ignore = "needs strace"]
fn a_failed_sync_ends_the_server_although_the_mail_server_does_not_answer() {
    let act = |_, moment| (moment == Moment::BeforeReply).then_some(Act::Silence);
    let mail = SmtpServer::scripted(Manner::default(), act, |_| "250 2.1.5 Ok".to_owned());
    let distribution = Distribution::new(mail, 400, Copies::Bulk);
    let mut server = begin(&distribution);
    until("each connection waits", || distribution.mail.record().len() == 400);
    // Otherwise the sync that fails could be one of the idle gate.
    copy_log(&distribution.site);
    let tracer = Tracer::inject(&server, "fsync,fdatasync:error=EIO", None);
    let mut peer = Peer::greeted(server.address);
    let replies = peer.deliver("m0@example.org", &["mylist@example.com"], "From: m0@example.org\r\n\r\n");
    assert_eq!(&replies[0][..3], "451");
    let since = Instant::now();
    assert_eq!(server.wait(), Some(1));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    drop(tracer);
}

#[test]
fn a_mail_server_that_never_answers_delays_neither_the_gate_nor_a_stop() {
    for moment in [Moment::Connected, Moment::AfterMail, Moment::BeforeReply] {
        let act = move |_, at| (at == moment).then_some(Act::Silence);
        let mail = SmtpServer::scripted(Manner::default(), act, |_| "250 2.1.5 Ok".to_owned());
        let distribution = Distribution::new(mail, 300, Copies::Bulk);
        let mut server = distribution.serve();
        distribution.post(&server, "post");
        until("it waits", || distribution.mail.connections() > 0);
        distribution.post(&server, "another");
        let mut peer = Peer::greeted(server.address);
        answered_at_once(&mut peer, "NOOP");
        drop(peer);
        let since = Instant::now();
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        // The grace time is two seconds.
        assert!(since.elapsed() < Duration::from_secs(8), "{moment:?}: {:?}", since.elapsed());
    }
}
