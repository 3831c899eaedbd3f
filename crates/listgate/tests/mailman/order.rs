//! No 250 is written before what it promises is on stable storage: strace shows the order of system calls. For
//! each promise, the whole file was written under a name that no runner takes, then synced, then renamed, then
//! its directory was synced, and only then the 250 was written.

use crate::site::Mailman;
use crate::support::calls::{CALLS, Call, calls};
use crate::support::trace::{finished, traced};
use crate::support::{Peer, Server, queued_as};
use std::fs;
use std::path::Path;
use std::thread;

/// A promised entry, and the size of its file.
struct Promise {
    id: String,
    queue: String,
    size: u64,
}

/// Returns the number of 250s in a trace if the order of its calls is right, or what is wrong.
fn check(trace: &str, promises: &[Promise]) -> Result<usize, String> {
    let calls = calls(trace);
    for promise in promises {
        check_promise(&calls, promise).map_err(|why| format!("{}: {why}", promise.id))?;
    }
    // Counts the 250s that no peer read, too.
    let text = b"250 2.0.0 Ok: queued as ";
    let count_in = |call: &Call| call.data.windows(text.len()).filter(|window| window == text).count();
    Ok(calls.iter().filter(|call| call.is_write()).map(count_in).sum())
}

fn check_promise(calls: &[Call], Promise { id, queue, size }: &Promise) -> Result<(), String> {
    let (unfinished, file) = (format!("{queue}/{id}.listgate.tmp"), format!("{queue}/{id}.pck"));
    let writes: Vec<&Call> = calls.iter().filter(|call| call.has_written(&unfinished)).collect();
    let written: i64 = writes.iter().map(|call| call.result).sum();
    if u64::try_from(written) != Ok(*size) || calls.iter().any(|call| call.path == file) {
        return Err(format!("{written} of {size} octets were written"));
    }
    let written = writes.iter().map(|call| call.ended).max().unwrap();
    let then = |what: &str, after: usize, is: &dyn Fn(&Call) -> bool| {
        let next = calls.iter().find(|call| call.began > after && call.result >= 0 && is(call));
        next.map(|call| call.ended).ok_or(format!("{what} does not follow line {after}"))
    };
    let synced = then("the sync of the file", written, &|call| call.has_synced(&unfinished))?;
    let names = format!("{unfinished}{file}");
    let is_rename = |call: &Call| call.name.starts_with("rename") && call.data == names.as_bytes();
    if calls.iter().filter(|call| is_rename(call)).count() != 1 {
        return Err("it is not renamed once".to_owned());
    }
    let renamed = then("the rename", synced, &is_rename)?;
    let kept = then("the sync of the directory", renamed, &|call| call.has_synced(queue))?;
    let words = format!("250 2.0.0 Ok: queued as {id}\r\n");
    let is_promise = |call: &Call| call.is_write() && call.has(&words);
    if calls.iter().filter(|call| is_promise(call)).count() != 1 {
        return Err("it is not promised once".to_owned());
    }
    then("the 250", kept, &is_promise).map(|_| ())
}

/// Delivers several messages in one session, one in three of them large, to one or more recipients.
fn deliver(mut peer: Peer, session: usize) -> Vec<(String, &'static str)> {
    let recipients = [
        ("test@example.com", "in"),
        ("test-request@example.com", "command"),
        ("test-bounces@example.com", "bounces"),
        ("test-owner@example.com", "in"),
    ];
    let mut promised = Vec::new();
    for n in 0..8 {
        let to = &recipients[n % 4..][..1 + n % (4 - n % 4)];
        let body = "again and again\r\n".repeat(if n % 3 == 1 { 9_000 + n * 3_000 } else { n * 30 });
        let message = format!("Message-ID: <{session}-{n}@example.org>\r\nSubject: a test\r\n\r\n{body}");
        let addresses: Vec<&str> = to.iter().map(|(address, _)| *address).collect();
        let replies = peer.deliver("anne@example.org", &addresses, message);
        promised.extend(replies.iter().zip(to).map(|(reply, to)| (queued_as(reply).to_owned(), to.1)));
    }
    promised
}

#[test]
#[ignore = "needs mailman, strace"]
fn every_250_follows_the_syncs_of_what_it_promises() {
    let mailman = Mailman::new();
    mailman.create(&["test@example.com"]);
    let trace = mailman.var().join("trace");
    // The gate is our child and strace is the gate's: a signal to the child is a signal to the gate.
    let gate = traced(&trace, &format!("{CALLS},?copy_file_range,?sendfile"), &["-D", "-s", "512"]);
    let server = Server::start(mailman.serve(gate));
    let sessions: Vec<_> = (0..4)
        .map(|session| (session, Peer::greeted(server.address)))
        .map(|(session, peer)| thread::spawn(move || deliver(peer, session)))
        .collect();
    let promises: Vec<Promise> = sessions
        .into_iter()
        .flat_map(|session| session.join().unwrap())
        .map(|(id, queue)| {
            let queue = mailman.queue(queue);
            let size = fs::metadata(queue.join(format!("{id}.pck"))).unwrap().len();
            Promise { id, queue: queue.to_str().unwrap().to_owned(), size }
        })
        .collect();
    server.signal("TERM");
    let trace = finished(server, &trace);
    assert!(promises.len() > 40, "{}", promises.len());
    assert_eq!(check(&trace, &promises), Ok(promises.len()));
    assert_missing_calls_are_noticed(&trace, &promises, &mailman.var());
}

/// Asserts that the checker notices what is missing from this very trace.
fn assert_missing_calls_are_noticed(trace: &str, promises: &[Promise], var: &Path) {
    let queue = var.join("queue/in");
    let queue = queue.to_str().unwrap();
    for (what, call, path) in [
        ("sync of the file", "sync(", format!("{queue}/")),
        ("sync of the directory", "sync(", format!("{queue}>")),
        ("rename", "rename(", format!("{queue}/")),
        ("250", "sendto(", "queued as".to_owned()),
    ] {
        let is_meant = |line: &&str| line.contains(call) && line.contains(&path);
        assert!(trace.lines().any(|line| is_meant(&line)), "{what}");
        let without: Vec<String> = trace
            .lines()
            .map(|line| if is_meant(&line) { line.replace(call, "openat(") } else { line.to_owned() })
            .collect();
        assert!(check(&without.join("\n"), promises).is_err(), "without the {what}");
    }
}

const TRACE: [&str; 7] = [
    r#"7 write(9</q/in/1+a.listgate.tmp>, "octets"..., 5) = 5"#,
    r#"7 copy_file_range(10</spool/1>, NULL, 9</q/in/1+a.listgate.tmp>, NULL, 4096, 0) = 7"#,
    r"7 fsync(9</q/in/1+a.listgate.tmp>) = 0",
    r#"7 rename("/q/in/1+a.listgate.tmp", "/q/in/1+a.pck") = 0"#,
    r"7 fsync(9</q/in> <unfinished ...>",
    r"7 <... fsync resumed>) = 0",
    r#"6 sendto(8<socket:[1]>, "250 2.0.0 Ok: queued as 1+a\r\n", 29, MSG_NOSIGNAL, NULL, 0) = 29"#,
];

fn synthetic(lines: &[&str]) -> Result<usize, String> {
    check(&lines.join("\n"), &[Promise { id: "1+a".to_owned(), queue: "/q/in".to_owned(), size: 12 }])
}

#[test]
fn the_checker_accepts_only_the_right_order() {
    assert_eq!(synthetic(&TRACE), Ok(1));
    for (what, order) in [
        ("no sync of the file", &[0, 1, 3, 4, 5, 6][..]),
        ("a sync before the last write", &[0, 2, 1, 3, 4, 5, 6]),
        ("a sync after the rename", &[0, 1, 3, 2, 4, 5, 6]),
        ("no rename", &[0, 1, 2, 4, 5, 6]),
        ("the directory before the rename", &[0, 1, 2, 4, 5, 3, 6]),
        ("no sync of the directory", &[0, 1, 2, 3, 6]),
        ("the reply before the sync of the directory ended", &[0, 1, 2, 3, 4, 6, 5]),
        ("no reply", &[0, 1, 2, 3, 4, 5]),
        ("a part of the file", &[0, 2, 3, 4, 5, 6]),
    ] {
        let lines: Vec<&str> = order.iter().map(|&at| TRACE[at]).collect();
        assert!(synthetic(&lines).is_err(), "{what}");
    }
    for at in [2, 3, 5] {
        let failed = TRACE[at].replace("= 0", "= -1 EIO (Input/output error)");
        let mut lines = TRACE;
        lines[at] = &failed;
        assert!(synthetic(&lines).is_err(), "{failed}");
    }
}
