//! Queue directories and Listgate's own files, replaced while it runs.

use crate::site::Mailman;
use crate::support::{Peer, Server};
use std::fs;
use std::path::Path;

const TO: [&str; 1] = ["test@example.com"];

fn site() -> Mailman {
    let mailman = Mailman::new();
    mailman.create(&TO);
    mailman.once("in");
    mailman
}

fn message(size: usize) -> String {
    format!("Message-ID: <a@example.org>\r\n\r\n{}", "0123456789abcd\r\n".repeat(size / 16))
}

#[track_caller]
fn ended(mailman: &Mailman, mut server: Server, path: &Path) {
    assert_eq!(server.wait(), Some(1));
    let log = mailman.log();
    let line = log
        .lines()
        .find(|line| line.contains("Listgate accepts no more mail"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(&path.display().to_string()) && line.contains("while it was in use"), "{line}");
}

#[test]
#[ignore = "needs mailman"]
fn a_queue_directory_that_was_replaced_ends_the_gate() {
    for size in [100, 200_000] {
        let mailman = site();
        let server = mailman.listgate();
        let (queue, moved) = (mailman.queue("in"), mailman.queue("in.old"));
        let mut peer = Peer::greeted(server.address);
        let kept = peer.deliver("anne@example.org", &TO, message(size));
        assert!(kept[0].starts_with("250"), "{kept:?}");
        peer.begin("anne@example.org", &TO);
        peer.send(message(size));
        fs::rename(&queue, &moved).unwrap();
        fs::create_dir(&queue).unwrap();
        peer.send(".\r\n");
        let reply = peer.reply();
        assert!(reply.starts_with("451") || reply.starts_with("421"), "{reply}");
        drop(peer);
        ended(&mailman, server, &queue);
        assert_eq!(fs::read_dir(moved).unwrap().count(), 1, "what was promised stays where it was");
    }
}

#[test]
#[ignore = "needs mailman"]
fn a_lock_or_a_spool_that_was_moved_away_ends_an_idle_gate() {
    for name in ["lock", "spool"] {
        let mailman = site();
        let server = mailman.listgate();
        let path = mailman.var().join("listgate").join(name);
        fs::rename(&path, mailman.var().join("elsewhere")).unwrap();
        ended(&mailman, server, &path);
    }
}
