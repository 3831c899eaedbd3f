//! A list with very many members costs no more than a small one, except for the batches of its posts.

use crate::distribution::{Copies, Distribution};
use crate::support::smtp_server::{Manner, SmtpServer};
use crate::support::{PATIENCE, Server, Site};
use crate::tools::{assert_all, log, message, open, peak_memory, until};
use rusqlite::Connection;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const MIB: usize = 1 << 20;
const BIG: &str = "mylist@example.com";
const SMALL: &str = "small@example.com";

/// Octets of a batch's row, and of its entries in indexes.
const OF_A_BATCH: usize = 200;
/// Octets of all else that a post leaves in the database.
const OF_A_POST: usize = 64 << 10;

#[test]
fn a_list_with_very_many_members_costs_what_its_batches_cost() {
    let members: usize = env::var("LISTGATE_MEMBERS").map_or(100_000, |members| members.parse().unwrap());
    let since = Instant::now();
    let step = |what: &str| eprintln!("{:>6.1} s: {what}", since.elapsed().as_secs_f64());
    let distribution = Distribution::new(SmtpServer::start(Manner::default()), members, Copies::Bulk);
    let site = &distribution.site;
    site.create(SMALL);
    let database = open(site);
    step("the members are imported");
    joining_costs_the_same_as_in_an_empty_list(site, &database);
    step("others have joined and left");
    let server = distribution.serve();
    a_post_costs_what_its_batches_cost(&distribution, &server, &database, members);
    step("the post is distributed");
    assert_eq!(distribution.check(1), Ok((0, 0)), "{}", log(site));
    step("each member got it once");
    mail_is_taken_while_the_list_is_swept(site, &server, &database);
    step("mail was taken while the list was swept");
}

/// Compares the octets that a new member adds to the log.
fn joining_costs_the_same_as_in_an_empty_list(site: &Site, database: &Connection) {
    let logged = |list: &str, n: usize| {
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // While this connection is open, the log stays.
        let address = format!("new{n}@example.org");
        site.stdout(&["member", "add", list, &address]);
        let logged = fs::metadata(site.data().join("listgate.db-wal")).unwrap().len();
        site.stdout(&["member", "remove", list, &address]);
        logged
    };
    // A page is divided now and then.
    let least = |list: &str| (0..5).map(|n| logged(list, n)).min().unwrap();
    let (small, big) = (least(SMALL), least(BIG));
    eprintln!("a new member adds {small} octets to the log, and {big} in the large list");
    // Each index may have one level more.
    assert!(small > 0 && big <= small + 4 * 4120, "{small} and {big} octets");
}

fn a_post_costs_what_its_batches_cost(
    distribution: &Distribution,
    server: &Server,
    database: &Connection,
    members: usize,
) {
    let (memory, stored) = (peak_memory(server), used(database));
    distribution.post(server, "post");
    let sent = || database.query_row("SELECT sum(sent) FROM post", [], |row| row.get::<_, Option<usize>>(0));
    let (mut last, mut since) = (None, Instant::now());
    while !distribution.are_finished(1) {
        let now = sent().unwrap();
        if now > last {
            (last, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "nothing is sent after {last:?}: {}", log(&distribution.site));
        thread::sleep(Duration::from_millis(50));
    }
    let grown = peak_memory(server) - memory;
    eprintln!("VmHWM was {} KiB, and grew by {} KiB", memory >> 10, grown >> 10);
    assert!(grown < 32 * MIB, "VmHWM grew by {} KiB", grown >> 10);
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, usize>(0)).unwrap();
    let batches = count("SELECT count(*) FROM batch");
    assert_eq!(batches, members.div_ceil(Copies::Bulk.of_batch()));
    assert_eq!(count("SELECT count(*) FROM recipient"), 0);
    let stored = used(database) - stored;
    eprintln!("{stored} octets for {batches} batches");
    assert!(stored < batches * OF_A_BATCH + OF_A_POST, "{stored} octets for {batches} batches");
}

fn mail_is_taken_while_the_list_is_swept(site: &Site, server: &Server, database: &Connection) {
    site.stdout(&["list", "remove", BIG]);
    let sql = "SELECT count(*) FROM member WHERE list IN (SELECT list FROM roster WHERE list_id IS NULL)";
    let left = || database.query_row(sql, [], |row| row.get::<_, usize>(0)).unwrap();
    let mut before = left();
    let mut peer = server.peer();
    peer.command("LHLO client.example");
    for n in 0..5 {
        until("members of the removed list are swept", || left() < before);
        let replies = peer.deliver("m0@example.org", &[SMALL], message(&format!("<{n}@x>"), 1000));
        assert_all(&replies, "250");
        before = left();
        assert!(before > 0, "nothing was left to sweep");
    }
    peer.command("MAIL FROM:<m0@example.org>");
    let refused = peer.command(&format!("RCPT TO:<{BIG}>"));
    assert!(refused.starts_with("550"), "{refused}");
}

/// Returns the octets of the pages that the database uses.
fn used(database: &Connection) -> usize {
    let get =
        |name: &str| database.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, usize>(0)).unwrap();
    (get("page_count") - get("freelist_count")) * get("page_size")
}
