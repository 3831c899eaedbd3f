//! On request, one entry of each list at a time, in order.

use crate::support::{OWNER, Site};
use crate::{LONG, deliver, open};
use listgate::queue::{Name, Verdict};

#[test]
fn busy_lists_are_skipped_even_beyond_one_batch() {
    let site = Site::new();
    let addresses: Vec<String> = (0..300).map(|number| format!("l{number:03}@example.com")).collect();
    let mut create: Vec<&str> = vec!["list", "create", "--owner", OWNER];
    create.extend(addresses.iter().map(String::as_str));
    site.stdout(&create);
    let mut twice: Vec<&str> = addresses.iter().map(String::as_str).collect();
    twice.extend(twice.clone());
    deliver(&site, &twice);
    let mut queue = open(&site, Name::In).ordered();
    let mut leased = Vec::new();
    loop {
        let some = queue.lease(7, LONG).unwrap();
        if some.is_empty() {
            break;
        }
        leased.extend(some);
    }
    assert_eq!(leased.len(), 300);
    let lease = leased.swap_remove(0);
    let list = lease.entry.list_id.clone();
    queue.settle(&[(lease, Verdict::Done)]).unwrap();
    let next = queue.lease(7, LONG).unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].entry.list_id, list);
}

#[test]
fn commands_of_one_list_run_in_sequence_while_those_of_others_run() {
    let site = Site::new();
    let addresses = ["a@example.com", "b@example.com", "c@example.com"];
    addresses.iter().for_each(|address| site.create(address));
    deliver(&site, &addresses.repeat(6));
    let log = site.data().join("order");
    let script = "echo begin $LISTGATE_LIST_ID $LISTGATE_ID >> $0; sleep 0.0$((($$ % 5) * 2)); \
                  echo end $LISTGATE_LIST_ID $LISTGATE_ID >> $0";
    let output = crate::handler::work(
        &site,
        &["in", "--ordered", "--jobs", "4", "--drain"],
        &["sh", "-c", script, log.to_str().unwrap()],
    );
    assert!(output.status.success());
    let lines = std::fs::read_to_string(log).unwrap();
    for (place, list) in ["a.example.com", "b.example.com", "c.example.com"].iter().enumerate() {
        let seen: Vec<String> = lines.lines().filter(|line| line.contains(list)).map(str::to_owned).collect();
        let ids = (0..6).map(|round| format!("{:x}-1", round * 3 + place + 1));
        let wanted: Vec<String> =
            ids.flat_map(|id| [format!("begin {list} {id}"), format!("end {list} {id}")]).collect();
        assert_eq!(seen, wanted);
    }
}
