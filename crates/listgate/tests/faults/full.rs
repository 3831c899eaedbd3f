//! A disk that really is full: a small tmpfs.

use crate::support::mount::Mount;
use crate::support::{Peer, Site};
use crate::tools::{THREE, answered_at_once, assert_all, entries, log, message, open, serve, spooled, until};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// Fills the rest of the disk with a file. Removing the file frees the space.
fn fill(site: &Site) -> PathBuf {
    let path = site.data().join("ballast");
    let mut file = File::create(&path).unwrap();
    for chunk in [1 << 16, 1 << 12, 1] {
        let chunk = vec![0; chunk];
        let full = loop {
            if let Err(why) = file.write_all(&chunk) {
                break why;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
    path
}

/// Returns the codes of the reply to MAIL, and resets the transaction.
fn mail(peer: &mut Peer) -> String {
    let reply = peer.command("MAIL FROM:<a@example.org>");
    peer.command("RSET");
    reply[..9].to_owned()
}

/// Begins a message with a declared size, once there is room for it.
fn begin_with_room(peer: &mut Peer, message: &str) {
    let mail = format!("MAIL FROM:<a@example.org> SIZE={}", message.len());
    until("room for the message", || peer.command(&mail).starts_with("250"));
    for to in THREE {
        assert_eq!(&peer.command(&format!("RCPT TO:<{to}>"))[..3], "250");
    }
    assert_eq!(&peer.command("DATA")[..3], "354");
}

#[test]
#[ignore = "needs mount"]
fn a_disk_with_less_than_min_free_defers_at_mail() {
    let site = Site::new();
    let _mount = Mount::on(site.data());
    site.create("mylist@example.com");
    let server = serve(&site, "[storage]\nmin_free = \"1MiB\"\n");
    let mut peer = Peer::greeted(server.address);
    peer.assert_usable();
    let too_much = format!("MAIL FROM:<a@example.org> SIZE={}", 16 * MIB);
    assert_eq!(&peer.command(&too_much)[..9], "452 4.3.1");
    let mut begun = Peer::greeted(server.address);
    begun.begin("a@example.org", &THREE);
    let ballast = fill(&site);
    // The gate checks the free space only now and then.
    until("452 at MAIL", || mail(&mut peer) == "452 4.3.1");
    begun.send(message("<undeclared@x>", 10_000) + ".\r\n");
    assert_all(&THREE.map(|_| begun.reply()), "452 4.3.1");
    answered_at_once(&mut peer, "NOOP");
    fs::remove_file(ballast).unwrap();
    until("room again", || mail(&mut peer) == "250 2.1.0");
    peer.assert_usable();
    assert!(log(&site).contains("storage.min_free"), "{}", log(&site));
}

#[test]
#[ignore = "needs mount"]
fn room_within_the_database_is_for_small_messages_only() {
    let site = Site::new();
    let _mount = Mount::on(site.data());
    site.create("mylist@example.com");
    let server = serve(&site, "[storage]\nmin_free = \"4MiB\"\n");
    let mut peer = Peer::greeted(server.address);
    for _ in 0..60 {
        assert_all(&peer.deliver("a@example.org", &THREE, message("<done@x>", 60_000)), "250");
    }
    open(&site).execute_batch("DELETE FROM entry").unwrap();
    // Frees 2 MiB, as consumers need some room for the write-ahead log.
    let ballast = File::options().write(true).open(fill(&site)).unwrap();
    ballast.set_len(ballast.metadata().unwrap().len() - 2 * MIB).unwrap();
    let large = format!("MAIL FROM:<a@example.org> SIZE={}", 100_000);
    until("452 for a large message", || {
        let reply = peer.command(&large);
        peer.command("RSET");
        reply.starts_with("452 4.3.1")
    });
    assert_eq!(&peer.command("MAIL FROM:<a@example.org> SIZE=60000")[..3], "250");
    peer.command("RSET");
    let doctor = site.listgate(&["doctor", "--config", site.data().join("listgate.toml").to_str().unwrap()]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("large mail is deferred with 452"), "{doctor}");
}

#[test]
#[ignore = "needs mount"]
fn a_disk_that_fills_up_defers_each_recipient_until_there_is_room() {
    let site = Site::new();
    let _mount = Mount::on(site.data());
    site.create("mylist@example.com");
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n");
    let mut peer = Peer::greeted(server.address);
    peer.assert_usable();
    for (id, size) in [("<row@x>", 60_000), ("<spool@x>", 1_000_000)] {
        let message = message(id, size);
        begin_with_room(&mut peer, &message);
        let ballast = fill(&site);
        peer.send(message + ".\r\n");
        assert_all(&THREE.map(|_| peer.reply()), "451 4.3.1");
        answered_at_once(&mut peer, "NOOP");
        fs::remove_file(ballast).unwrap();
    }
    until("the spool file of the refused message is gone", || spooled(&site).is_empty());
    let log = log(&site);
    assert!(log.contains("cannot store the mail: ") && log.contains("disk is full"), "{log}");
    assert!(log.contains("cannot write ") && log.contains("No space left on device"), "{log}");
    for (id, size) in [("<row@x>", 60_000), ("<spool@x>", 1_000_000)] {
        let message = message(id, size);
        begin_with_room(&mut peer, &message);
        peer.send(message + ".\r\n");
        assert_all(&THREE.map(|_| peer.reply()), "250");
        assert_eq!(entries(&site, id), 3, "once for each recipient");
    }
}
