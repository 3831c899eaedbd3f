//! A disk with very little room, and mail that takes all it is given.

use crate::support::mount::Mount;
use crate::support::{Peer, Site};
use crate::tools::{THREE, message, serve, until};
use listgate::queue::{Name, Queue, Verdict};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

const CONFIG: &str = "[storage]\nmin_free = \"1B\"\n[queue]\nmax_size = \"1GiB\"\n";

/// Offers a message and returns the reply for each recipient, or `None` if MAIL is answered with 452.
fn offer(peer: &mut Peer, id: &str, size: usize) -> Option<Vec<String>> {
    if peer.command("MAIL FROM:<a@example.org>").starts_with("452 4.3.1") {
        return None;
    }
    for to in THREE {
        assert_eq!(&peer.command(&format!("RCPT TO:<{to}>"))[..3], "250");
    }
    assert_eq!(&peer.command("DATA")[..3], "354");
    peer.send(message(id, size) + ".\r\n");
    Some(THREE.iter().map(|_| peer.reply()).collect())
}

/// Delivers until MAIL is answered with 452. Returns how many entries were queued.
fn fill(address: SocketAddr, size: usize) -> usize {
    let mut peer = Peer::greeted(address);
    let mut queued = 0;
    for n in 0.. {
        let Some(replies) = offer(&mut peer, &format!("<{n}@x>"), size) else { break };
        for reply in replies {
            assert!(["250 2", "451 4", "452 4"].contains(&&reply[..5]), "{reply}");
            queued += usize::from(reply.starts_with("250"));
        }
    }
    queued
}

/// Settles everything in a queue, an entry at a time. Returns how many there were.
fn work_off(site: &Site, name: Name) -> usize {
    let mut queue = Queue::open(site.data(), name).unwrap();
    let mut settled = 0;
    loop {
        let leases = queue.lease(16, Duration::from_secs(60)).unwrap();
        if leases.is_empty() {
            return settled;
        }
        for lease in leases {
            let verdict = match settled % 10 {
                0 => Verdict::Shunt { why: "no such token".to_owned() },
                _ => Verdict::Done,
            };
            assert_eq!(queue.settle(&[(lease, verdict)]).unwrap(), [Ok(())]);
            settled += 1;
        }
    }
}

#[test]
#[ignore = "needs mount"]
fn consumers_can_finish_on_a_disk_full_of_mail_with_any_min_free() {
    for size in [100, 3_000, 60_000, 100_000] {
        let site = Site::new();
        let _mount = Mount::with(site.data(), 6);
        site.create("mylist@example.com");
        let server = serve(&site, CONFIG);
        let address = server.address;
        let sessions: Vec<_> = (0..4).map(|_| thread::spawn(move || fill(address, size))).collect();
        let queued: usize = sessions.into_iter().map(|session| session.join().unwrap()).sum();
        assert!(queued > 30, "{queued} entries with messages of {size} octets");

        let ids = site.ids("in");
        site.stdout(&["queue", "hold", &ids[1]]);
        site.stdout(&["queue", "remove", &ids[0]]);
        assert_eq!(work_off(&site, Name::In) + work_off(&site, Name::Command), queued - 2);
        for id in site.ids("in") {
            site.stdout(&["queue", "remove", &id]);
        }
        let mut peer = Peer::greeted(address);
        // The gate removes the files of settled large mail a little later.
        until("mail is taken again", || {
            let replies = offer(&mut peer, "<again@x>", size);
            replies.is_some_and(|replies| replies.iter().all(|reply| reply.starts_with("250")))
        });
    }
}
