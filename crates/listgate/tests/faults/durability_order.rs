//! No 250 is written before what it promises is on stable storage: strace shows the order of system calls.
//! (`kill -9` cannot show it, as the page cache survives.)
//!
//! Each message has a mark. Its commit begins with the first write of the mark to the write-ahead log and ends
//! with the frame whose header marks a commit. Every promise requires a sync of the log that began after that
//! frame was written and succeeded before the 250 was written. A large message also requires a sync of its
//! spool file after the file's last write, then one of the spool directory, both before the commit began.

use crate::support::calls::{Call, calls};
use crate::support::trace::{finished, strace};
use crate::support::{OWNER, Peer, Server, Site, queued_as};
use crate::tools::{command, message};
use std::fs;
use std::path::Path;
use std::thread;

/// A promised entry of the message with this mark.
struct Promise {
    id: String,
    mark: String,
    large: bool,
}

/// Returns the number of 250s in a trace if the order of its calls is right, or what is wrong.
fn check(trace: &str, data_dir: &str, promises: &[Promise]) -> Result<usize, String> {
    let calls = calls(trace);
    for promise in promises {
        check_promise(&calls, data_dir, promise).map_err(|why| format!("{}: {why}", promise.id))?;
    }
    // Counts the 250s that no peer read, too.
    let text = b"250 2.0.0 Ok: queued as ";
    let count_in = |call: &Call| call.data.windows(text.len()).filter(|window| window == text).count();
    Ok(calls.iter().filter(|call| call.is_write()).map(count_in).sum())
}

fn check_promise(calls: &[Call], data_dir: &str, promise: &Promise) -> Result<(), String> {
    let wal = format!("{data_dir}/listgate.db-wal");
    let words = format!("250 2.0.0 Ok: queued as {}\r\n", promise.id);
    let reply = calls.iter().find(|call| call.is_write() && call.has(&words)).ok_or("no 250 was written")?;
    let to_wal: Vec<&Call> = calls.iter().filter(|call| call.is_write() && call.path == wal).collect();
    let begin = to_wal.iter().position(|call| call.has(&promise.mark)).ok_or("it is not in the log")?;
    // A frame is a header of 24 octets and a page. In the last frame of a commit, the header has the size of
    // the database. The page with the mark is preceded by its header.
    let header = begin.checked_sub(1).ok_or("a page without a header")?;
    let is_commit = |call: &&Call| call.data.len() == 24 && call.data[4..8] != [0; 4];
    let commit = to_wal[header..].iter().position(is_commit).ok_or("no frame commits it")?;
    let last = to_wal.get(header + commit + 1).ok_or("the committing frame has no page")?;
    if calls.iter().any(|call| call.path == wal && call.name == "pwrite64" && call.result < 0) {
        return Err("a write to the log failed".to_owned());
    }
    let synced = |call: &&Call| call.has_synced(&wal) && call.began > last.ended && call.ended < reply.began;
    if !calls.iter().any(|call| synced(&call)) {
        return Err(format!("no sync of the log between lines {} and {}", last.ended, reply.began));
    }
    if promise.large { check_spool(calls, data_dir, promise, to_wal[header]) } else { Ok(()) }
}

fn check_spool(calls: &[Call], data_dir: &str, promise: &Promise, commit: &Call) -> Result<(), String> {
    let spool = format!("{data_dir}/spool");
    let in_spool = |call: &&Call| call.is_write() && call.path.starts_with(&format!("{spool}/"));
    let first = calls.iter().filter(in_spool).find(|call| call.has(&promise.mark));
    let file = &first.ok_or("it is not in the spool")?.path;
    let last = calls.iter().filter(in_spool).rfind(|call| call.path == *file).unwrap();
    let file_synced = calls.iter().find(|call| call.has_synced(file) && call.began > last.ended);
    let file_synced = file_synced.ok_or("no sync of the spool file")?;
    let in_time =
        |call: &&Call| call.has_synced(&spool) && call.began > file_synced.ended && call.ended < commit.began;
    calls.iter().find(in_time).map(|_| ()).ok_or_else(|| "no sync of the spool directory in time".to_owned())
}

/// Delivers several messages in one session, one in three of them large, some to two recipients.
fn deliver(mut peer: Peer, session: usize) -> Vec<Promise> {
    let mut promises = Vec::new();
    for n in 0..9 {
        let mark = format!("<mark-{session}-{n}-end@x>");
        let large = n % 3 == 1;
        let to: &[&str] = if n % 2 == 0 {
            &["mylist@example.com"]
        } else {
            &["mylist@example.com", "mylist-join@example.com"]
        };
        let text = message(&mark, if large { 70_000 + n * 50_000 } else { n * 700 });
        for reply in peer.deliver("a@example.org", to, text) {
            promises.push(Promise { id: queued_as(&reply).to_owned(), mark: mark.clone(), large });
        }
    }
    promises
}

#[test]
#[ignore = "needs strace"]
fn every_250_follows_the_syncs_of_what_it_promises() {
    let site = Site::with_list();
    let trace = site.data().join("trace");
    // The gate is our child and strace is the gate's: a signal to the child is a signal to the gate.
    let gate = strace(&site, &trace, &["-D", "-s", "4096"]);
    let server = Server::start(command(&site, gate, "[storage]\nmin_free = \"0B\"\n"));
    let sessions: Vec<_> = (0..4)
        .map(|session| (session, Peer::greeted(server.address)))
        .map(|(session, peer)| thread::spawn(move || deliver(peer, session)))
        .collect();
    let promises: Vec<Promise> = sessions.into_iter().flat_map(|session| session.join().unwrap()).collect();
    server.signal("TERM");
    let trace = finished(server, &trace);
    let data_dir = site.data().to_str().unwrap();
    assert_eq!(promises.len(), 4 * (5 + 2 * 4));
    assert_eq!(check(&trace, data_dir, &promises), Ok(promises.len()));
    // The checker notices syncs that are missing from this very trace.
    for (what, path) in [("log", "listgate.db-wal>"), ("file", "spool/"), ("directory", "spool>")] {
        let is_sync = |line: &&str| line.contains("sync(") && line.contains(&format!("{data_dir}/{path}"));
        assert!(trace.lines().any(|line| is_sync(&line)), "{what}");
        let failed: Vec<String> = trace
            .lines()
            .map(|line| if is_sync(&line) { line.replace("sync(", "sink(") } else { line.to_owned() })
            .collect();
        assert!(check(&failed.join("\n"), data_dir, &promises).is_err(), "without syncs of the {what}");
    }
}

#[test]
#[ignore = "needs strace"]
fn a_list_is_created_after_the_syncs_of_every_new_directory() {
    let site = Site::new();
    let (trace, data_dir) = (site.data().join("trace"), site.data().join("new/data"));
    let mut listgate = strace(&site, &trace, &[]);
    listgate.arg("--data-dir").arg(data_dir).args(["list", "create", "mylist@example.com", "--owner", OWNER]);
    assert!(listgate.output().unwrap().status.success());
    let calls = calls(&fs::read_to_string(trace).unwrap());
    let reported = calls.iter().find(|call| call.has("created mylist@example.com")).unwrap();
    let made: Vec<&Call> =
        calls.iter().filter(|call| call.name.starts_with("mkdir") && call.result == 0).collect();
    assert_eq!(made.len(), 3);
    for made in made {
        let parent = Path::new(made.about()).parent().unwrap().to_str().unwrap();
        let in_time =
            |call: &Call| call.has_synced(parent) && call.began > made.ended && call.ended < reported.began;
        assert!(calls.iter().any(in_time), "the name of {} may be lost", made.about());
    }
}

/// The commit of a small message; the sync of the log is interrupted by another thread's call.
const SMALL: &str = r#"7 pwrite64(5</d/listgate.db-wal>, "\0\0\0\2\0\0\0\0\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 24, 32) = 24
7 pwrite64(5</d/listgate.db-wal>, "xx<mark@x>\r\nyy"..., 4096, 56) = 4096
7 pwrite64(5</d/listgate.db-wal>, "\0\0\0\3\0\0\0\0041\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 24, 4152) = 24
7 pwrite64(5</d/listgate.db-wal>, "zz"..., 4096, 4176) = 4096
7 fsync(5</d/listgate.db-wal> <unfinished ...>
6 sendto(9<socket:[1]>, "354 go\r\n", 8, MSG_NOSIGNAL, NULL, 0) = 8
7 <... fsync resumed>) = 0
6 sendto(9<socket:[1]>, "250 2.0.0 Ok: queued as 1-1\r\n", 29, MSG_NOSIGNAL, NULL, 0) = 29
"#;

/// The calls that precede the commit of a large message.
const LARGE: &str = r#"8 write(10</d/spool/a-0>, "Message-ID: <mark@x>\r\n"..., 70000) = 70000
8 pwrite64(10</d/spool/a-0>, "0", 1, 12) = 1
8 fsync(10</d/spool/a-0>) = 0
8 openat(AT_FDCWD</d>, "/d/spool", O_RDONLY|O_CLOEXEC) = 11</d/spool>
8 fsync(11</d/spool>) = 0
"#;

fn synthetic(trace: &str, large: bool) -> Result<usize, String> {
    check(trace, "/d", &[Promise { id: "1-1".to_owned(), mark: "<mark@x>".to_owned(), large }])
}

#[test]
fn the_checker_accepts_only_the_right_order() {
    assert_eq!(synthetic(SMALL, false), Ok(1));
    assert_eq!(synthetic(&format!("{LARGE}{SMALL}"), true), Ok(1));
    let lines: Vec<&str> = SMALL.lines().collect();
    let reordered = |order: &[usize]| order.iter().map(|&at| lines[at].to_owned() + "\n").collect::<String>();
    for (what, trace) in [
        ("no sync", reordered(&[0, 1, 2, 3, 5, 7])),
        ("a sync that fails", SMALL.replace("resumed>) = 0", "resumed>) = -1 EIO (Input/output error)")),
        ("a sync of something else", SMALL.replace("fsync(5</d/listgate.db-wal>", "fsync(5</d/listgate.db>")),
        ("a sync that ends after the reply began", reordered(&[0, 1, 2, 3, 4, 5, 7, 6])),
        ("a sync that began before the last page", reordered(&[0, 1, 2, 4, 3, 5, 6, 7])),
        ("no commit", reordered(&[0, 1, 4, 5, 6, 7])),
        ("no reply", reordered(&[0, 1, 2, 3, 4, 5, 6])),
    ] {
        assert!(synthetic(&trace, false).is_err(), "{what}");
    }
    let lines: Vec<&str> = LARGE.lines().collect();
    for order in [&[0, 1, 3, 4][..], &[0, 1, 2, 3], &[0, 2, 3, 4, 1], &[0, 1, 3, 4, 2]] {
        let large: String = order.iter().map(|&at| lines[at].to_owned() + "\n").collect();
        assert!(synthetic(&format!("{large}{SMALL}"), true).is_err(), "{large}");
    }
    assert!(synthetic(SMALL, true).is_err());
}

#[test]
fn a_call_that_strace_interrupted_and_padded_is_read_whole() {
    let trace = "7 pwrite64(5</d/listgate.db-wal>, \"ab\" <unfinished ...>\n\
                 8 close(3)                                = 0\n\
                 7 <... pwrite64 resumed>, 2, 304912)          = 2\n";
    let calls = calls(trace);
    let write = &calls[0];
    assert_eq!(
        (write.path.as_str(), write.data.as_slice(), write.result),
        ("/d/listgate.db-wal", &b"ab"[..], 2)
    );
    assert_eq!((write.last_number(), write.began, write.ended), (304_912, 0, 2));
}
