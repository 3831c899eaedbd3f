//! Small disks: each recipient's copy has to fit, on whichever disk it ends up.

use crate::site::Mailman;
use crate::support::mount::Mount;
use crate::support::{Peer, until};
use std::fs;

const MIB: usize = 1 << 20;
const CONFIG: &str = "[storage]\nmin_free = \"8MiB\"\n";

/// Creates a site with a list, and its queues.
fn site() -> Mailman {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    mailman.once("in");
    mailman
}

/// Mounts a small disk for its queues.
fn small_queues(mailman: &Mailman) -> Mount {
    let queues = mailman.var().join("queue");
    let mount = Mount::on(&queues);
    for queue in ["in", "command", "bounces"] {
        fs::create_dir(queues.join(queue)).unwrap();
    }
    mount
}

#[test]
#[ignore = "needs mailman, mount"]
fn copies_that_leave_less_than_min_free_are_deferred() {
    let mailman = site();
    let _mount = small_queues(&mailman);
    let server = mailman.listgate_with(CONFIG);
    let mut peer = Peer::greeted(server.address);
    let message = format!("Message-ID: <a@example.org>\r\n\r\n{}", "0123456789abcd\r\n".repeat(MIB / 16));
    let mut deliver = |recipients| {
        let to = vec!["test@example.com"; recipients];
        peer.deliver("anne@example.org", &to, &message)
    };
    for reply in deliver(10) {
        assert!(reply.starts_with("451 4.3.1 ") && reply.contains("no space"), "{reply}");
    }
    assert_eq!(mailman.files("in"), [""; 0], "nothing is written");
    until("the log says why", || mailman.log().contains("10 files beyond storage.min_free"));
    for recipients in [6, 1] {
        let replies = deliver(recipients);
        assert!(replies.iter().all(|reply| reply.starts_with("250 ")), "{replies:?}");
    }
    assert_eq!(deliver(1)[0][..9], *"451 4.3.1");
    assert_eq!(mailman.files("in").len(), 7);
}

#[test]
#[ignore = "needs mailman, mount"]
fn free_space_is_the_minimum_of_queues_and_spool() {
    let declared = |mailman: &Mailman| {
        let server = mailman.listgate_with(CONFIG);
        let mut peer = Peer::greeted(server.address);
        let mut mail = |size| peer.command(&format!("MAIL FROM:<a@example.org> SIZE={size}"))[..9].to_owned();
        (mail(12 * MIB), mail(MIB))
    };
    let as_small = ("452 4.3.1".to_owned(), "250 2.1.0".to_owned());
    let mailman = site();
    {
        let _mount = small_queues(&mailman);
        assert_eq!(declared(&mailman), as_small, "the queues");
    }
    let own = mailman.var().join("listgate");
    let _mount = Mount::on(&own);
    assert_eq!(declared(&mailman), as_small, "the spool");
    let doctor = mailman.doctor(CONFIG);
    assert!(doctor.contains("free space      16.0 MiB"), "{doctor}");
}
