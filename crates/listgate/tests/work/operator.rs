//! `listgate queue hold|release|retry`, and what the listings say of entries that are not waiting.

use crate::support::Site;
use crate::{A_WHILE, LONG, deliver, let_time_pass, open};
use listgate::queue::{Name, Queue, Stale, Verdict};
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

#[test]
fn entries_are_held_released_and_retried() {
    let site = Site::with_list();
    deliver(&site, &["mylist@example.com"; 4]);
    assert_eq!(site.stdout(&["queue", "hold", "1-1", "2-1"]), "held 1-1\nheld 2-1\n");
    let mut queue = open(&site, Name::In);
    let leases = queue.lease(10, LONG).unwrap();
    assert_eq!(leases.len(), 2, "what is held is not leased");
    let mut leases = leases.into_iter();
    let off = Verdict::Retry { after: LONG, why: "the disk is full".to_owned() };
    let never = Verdict::Shunt { why: "line one\nno such token\u{1b}[2J".to_owned() };
    queue.settle(&[(leases.next().unwrap(), off), (leases.next().unwrap(), never)]).unwrap();

    let status = &site.json(&["queue", "status"])[0];
    let counts =
        ["waiting", "leased", "later", "held", "shunted"].map(|state| status[state].as_u64().unwrap());
    assert_eq!(counts, [0, 0, 1, 2, 1]);
    let text = site.stdout(&["queue", "status"]);
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let text = site.stdout(&["queue", "ls", "in"]);
    assert!(text.contains("(held)") && text.contains(")\n           the disk is full\n"), "{text}");
    assert!(text.contains("(shunted)\n           line one no such token [2J\n"), "{text}");

    let text = String::from_utf8(site.listgate(&["doctor"]).stdout).unwrap();
    assert!(text.contains("shunted entries, which could not be handled: 1"), "{text}");

    let output = site.listgate(&["queue", "release", "1-1", "4-1"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("4-1 is shunted, so nothing was changed: `listgate queue retry`"), "{stderr}");
    assert_eq!(site.json(&["queue", "ls"])[0]["state"], "held", "all or none");
    assert_eq!(site.stdout(&["queue", "release", "1-1"]), "released 1-1\n");
    let stderr = String::from_utf8(site.listgate(&["queue", "release", "1-1"]).stderr).unwrap();
    assert!(
        stderr.contains("1-1 is waiting, so nothing was changed") && stderr.contains("only what is held"),
        "{stderr}"
    );
    assert_eq!(site.stdout(&["queue", "retry", "3-1", "4-1"]), "to be retried 3-1\nto be retried 4-1\n");
    let leases = queue.lease(10, LONG).unwrap();
    assert_eq!(crate::ids(&leases), ["1-1", "3-1", "4-1"]);
    assert!(leases.iter().all(|lease| lease.entry.attempts == 1));
    for change in ["hold", "release", "retry"] {
        let stderr = String::from_utf8(site.listgate(&["queue", change, "3-1"]).stderr).unwrap();
        assert!(stderr.contains("3-1 is leased"), "{stderr}");
    }
    let stderr = String::from_utf8(site.listgate(&["queue", "hold", "77-1"]).stderr).unwrap();
    assert!(stderr.contains("the entry 77-1 does not exist"), "{stderr}");
}

/// As after a worker was killed and no other came.
#[test]
fn a_lapsed_lease_does_not_block_operators() {
    let site = Site::with_list();
    // The commands use the system's clock.
    site.clock.set_back(A_WHILE);
    deliver(&site, &["mylist@example.com"; 2]);
    let mut queue = open(&site, Name::In);
    let late = queue.lease(2, LONG).unwrap();
    let_time_pass(&site);
    assert_eq!(site.stdout(&["queue", "hold", "1-1"]), "held 1-1\n");
    assert_eq!(site.stdout(&["queue", "retry", "2-1"]), "to be retried 2-1\n");
    for lease in late {
        assert_eq!(queue.settle(&[(lease, Verdict::Done)]).unwrap(), [Err(Stale)]);
    }
    assert_eq!(crate::states(&site), ["1-1 held 1: ", "2-1 waiting 0: "]);
}

/// An entry that is due counts as waiting even while no consumer looks.
#[test]
fn an_entry_that_is_due_counts_as_waiting_without_a_consumer() {
    let site = Site::with_list();
    // The site's clock has to agree with the system's at the end, as the doctor uses that.
    let age = Duration::from_secs(9000);
    site.clock.set_back(A_WHILE + age);
    deliver(&site, &["mylist@example.com"]);
    site.clock.advance(age);
    open(&site, Name::In).lease(1, LONG).unwrap();
    let gate = site.gate(listgate::Config { admin: Some("127.0.0.1:0".parse().unwrap()), ..site.config() });
    let oldest = || {
        let mut stream = std::net::TcpStream::connect(gate.admin().unwrap()).unwrap();
        stream.write_all(b"GET /metrics?of=queues HTTP/1.1\r\n\r\n").unwrap();
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("listgate_queue_oldest_seconds{queue=\"in\"} "));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(oldest(), 0, "somebody has it");
    let_time_pass(&site);
    assert!(oldest() >= 9000);
    let text = String::from_utf8(site.listgate(&["doctor"]).stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("no consumer reads in: leased or deferred entries have been due"), "{text}");
}

#[test]
fn listings_show_until_when_an_entry_is_leased_or_deferred() {
    let site = Site::with_list();
    // The listings use the system's clock, so the part with lapsed entries comes first.
    site.clock.set_back(A_WHILE);
    deliver(&site, &["mylist@example.com"; 3]);
    let mut queue = open(&site, Name::In);
    let put_off_one_and_lease_one = |queue: &mut Queue| {
        let first = queue.lease(1, LONG).unwrap().remove(0);
        queue.settle(&[(first, Verdict::Retry { after: 2 * LONG, why: "busy".to_owned() })]).unwrap();
        queue.lease(1, LONG).unwrap().remove(0)
    };
    put_off_one_and_lease_one(&mut queue);
    let_time_pass(&site);
    let text = site.stdout(&["queue", "ls"]);
    assert!(text.contains("(later, due)\n") && text.contains("(leased, lapsed)\n"), "{text}");

    let begun = SystemTime::now();
    let second = put_off_one_and_lease_one(&mut queue);
    let text = site.stdout(&["queue", "ls"]);
    assert!(text.contains("(later, in ") && text.contains(" left)\n"), "{text}");
    let entries = site.json(&["queue", "ls"]);
    let passed = begun.elapsed().unwrap();
    for (entry, after) in entries.iter().zip([2 * LONG, LONG]) {
        let until = humantime::parse_rfc3339(entry["available_at"].as_str().unwrap()).unwrap();
        // The listing has whole milliseconds.
        assert!(until + Duration::from_millis(1) > begun + after && until <= begun + passed + after);
    }
    assert!(second.entry.state.until().is_some() && entries[2]["available_at"].is_null());
}
