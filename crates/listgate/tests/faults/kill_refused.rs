//! `kill -9` after the mail server has refused recipients, and before it answers to the message.

use crate::distribution::{Copies, Distribution};
use crate::support::smtp_server::{Act, Manner, Moment, SmtpServer};
use crate::tools::{open, until};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const MEMBERS: usize = 200;

/// Returns whether the mail server refuses a member: three of four.
fn is_dead(address: &str) -> bool {
    let number: usize = address[1..address.find('@').unwrap()].parse().unwrap();
    number % 4 != 3
}

#[test]
fn those_who_were_refused_before_a_kill_are_not_offered_again() {
    for (copies, refused, doubted) in [
        // Two batches, on a connection each.
        (Copies::Bulk, 150, 50),
        // Each of four connections gets as far as the first who is accepted. All others of its 16 are in doubt.
        (Copies::Personal, 4 * 3, 4 * 13),
    ] {
        let is_silent = Arc::new(AtomicBool::new(true));
        let offered = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        let (of_server, counted) = (Arc::clone(&is_silent), Arc::clone(&offered));
        let act = move |_, at| {
            (at == Moment::BeforeReply && of_server.load(Ordering::SeqCst)).then_some(Act::Silence)
        };
        let reply = move |address: &str| {
            *counted.lock().unwrap().entry(address.to_owned()).or_default() += 1;
            if is_dead(address) { "550 5.1.1 unknown" } else { "250 2.1.5 Ok" }.to_owned()
        };
        let mail = SmtpServer::scripted(Manner::default(), act, reply);
        let distribution = Distribution::new(mail, MEMBERS, copies);
        let mut server = distribution.serve();
        distribution.post(&server, "post");
        until("the refusals are stored", || {
            let sql = "SELECT count(*) FROM recipient WHERE state = 'refused'";
            open(&distribution.site).query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap() == refused
        });
        server.signal("KILL");
        assert_eq!(server.wait(), None);
        is_silent.store(false, Ordering::SeqCst);
        let mut server = distribution.serve();
        distribution.finished(1);
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));

        let offered = offered.lock().unwrap();
        assert_eq!(offered.len(), MEMBERS);
        let again: Vec<_> = offered.iter().filter(|(who, times)| is_dead(who) && **times > 1).collect();
        assert!(again.is_empty(), "{copies:?}: offered again: {again:?}");
        let record = distribution.mail.record();
        assert_eq!(record.len(), MEMBERS / 4, "{copies:?}");
        assert!(record.values().all(|times| *times <= 2), "{copies:?}");
        let shown = distribution.site.json(&["post", "show", "1"]);
        for (key, value) in [("sent", 50), ("refused", 150), ("deferred", 0), ("doubted", doubted)] {
            assert_eq!(shown[0][key], json!(value), "{copies:?}: {key}: {shown:?}");
        }
    }
}
