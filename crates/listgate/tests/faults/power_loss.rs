//! The power fails: many disk images from one trace of a gate under load, each opened by a new gate.
//!
//! `durability_order` shows from a trace that syncs are where they have to be. This test shows that they
//! suffice: whatever they do not cover is dropped, torn or kept at random, in SQLite's files, too.

use crate::ledger::{Ledger, MailServer};
use crate::support::calls::{Call, calls, merge};
use crate::support::disk::{Chance, Disk};
use crate::support::trace::{finished, strace};
use crate::support::{OWNER, Peer, Server, Site};
use crate::tools::{command, log, open, spooled, until};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs, thread};

const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";
const LIST: &str = "mylist@example.com";
const SESSIONS: usize = 4;

/// Longer than the idle time after which the writer tidies up: it checkpoints, and unlinks the files of removed
/// mail.
const QUIET: Duration = Duration::from_millis(800);

/// The history of a data directory from its creation, as system calls and as its mail servers saw it.
#[derive(Default)]
struct Recording {
    site: Site,
    traces: Vec<PathBuf>,
    ledger: Ledger,
    removed: HashSet<String>,
}

impl Recording {
    fn strace(&mut self, options: &[&str]) -> (Command, PathBuf) {
        let trace = self.site.data().join(format!("trace-{}", self.traces.len()));
        self.traces.push(trace.clone());
        (strace(&self.site, &trace, &[&["-ttt", "-s", "1000000"], options].concat()), trace)
    }

    fn listgate(&mut self, args: &[String]) {
        let (mut listgate, _) = self.strace(&[]);
        assert!(listgate.args(args).stdout(Stdio::null()).status().unwrap().success());
    }

    fn serve(&mut self) -> (Server, PathBuf) {
        let (gate, trace) = self.strace(&["-D"]);
        (Server::start(command(&self.site, gate, CONFIG)), trace)
    }

    /// Delivers messages with these numbers in several sessions, one in sixteen of them large, and meanwhile
    /// removes half of the large ones that were there before.
    fn load(&mut self, server: &Server, numbers: Range<u64>) {
        let numbers: Vec<u64> = numbers.filter(|number| number % 4 != 0 || number % 20 == 0).collect();
        self.ledger.sent.extend(&numbers);
        let promises = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for session in 0..SESSIONS {
                let (numbers, promises) = (numbers.iter().skip(session).step_by(SESSIONS), &promises);
                scope.spawn(move || {
                    let mut server = MailServer::connect(server.address).unwrap();
                    for &number in numbers {
                        let replies = server.send(number).unwrap();
                        promises.lock().unwrap().push((number, replies));
                    }
                });
            }
            self.remove_half_of_the_large();
        });
        for (number, replies) in promises.into_inner().unwrap() {
            replies.iter().for_each(|reply| self.ledger.promise(number, reply));
        }
    }

    /// Removes the messages, both entries of each in one command.
    fn remove_half_of_the_large(&mut self) {
        let is_there = |id: &String| !self.removed.contains(id);
        let large = self.ledger.promised.iter().filter(|(id, number)| *number % 4 == 0 && is_there(id));
        let mut large: Vec<(u64, String)> = large.map(|(id, number)| (*number, id.clone())).collect();
        large.sort();
        for both in large.chunks_exact(2).step_by(2) {
            let ids = both.iter().map(|(_, id)| id.clone());
            self.removed.extend(ids.clone());
            self.listgate(
                &[&["queue".to_owned(), "remove".to_owned()][..], &ids.collect::<Vec<_>>()].concat(),
            );
        }
    }
}

/// Records a gate on a new directory, which is killed when there is something to recover, and the gate after
/// it, which fills the log until it is copied into the database under load.
fn record() -> Recording {
    let mut recording = Recording::default();
    recording.listgate(&["list", "create", LIST, "--owner", OWNER].map(str::to_owned));
    let (server, trace) = recording.serve();
    recording.load(&server, 1..60);
    thread::sleep(QUIET);
    // The gate is killed with mail in its log and a large message that is still arriving.
    recording.load(&server, 60..200);
    let mut peer = Peer::greeted(server.address);
    peer.begin("a@example.org", &[LIST]);
    let before = spooled(&recording.site).len();
    peer.send("x".repeat(200_000));
    until("what arrives has a file", || spooled(&recording.site).len() > before);
    server.signal("KILL");
    finished(server, &trace);
    let (server, trace) = recording.serve();
    // The small ones of these have nine KiB each.
    recording.load(&server, 9000..9960);
    thread::sleep(QUIET);
    recording.load(&server, 200..260);
    server.signal("TERM");
    finished(server, &trace);
    recording
}

/// The lines of the trace at which things happened.
struct History<'a> {
    root: &'a str,
    calls: &'a [Call],
    ledger: &'a Ledger,
    list_created: usize,
    /// The line at which each id was promised.
    promised: HashMap<&'a str, usize>,
    /// The lines at which each id's removal began and was reported.
    removed: HashMap<&'a str, (usize, usize)>,
}

impl<'a> History<'a> {
    fn of(recording: &'a Recording, calls: &'a [Call]) -> Self {
        let root = recording.site.data().to_str().unwrap();
        let mut writes = BTreeMap::new();
        for call in calls.iter().filter(|call| call.is_write() && !call.path.starts_with(root)) {
            for line in call.data.split_inclusive(|&octet| octet == b'\n') {
                writes.entry(String::from_utf8_lossy(line)).or_insert(call);
            }
        }
        let removed = recording.removed.iter().map(|id| {
            let written = writes[&*format!("removed {id}\n")];
            let began = calls.iter().find(|call| call.process == written.process).unwrap();
            (id.as_str(), (began.began, written.began))
        });
        let promised =
            |id: &'a String| (id.as_str(), writes[&*format!("250 2.0.0 Ok: queued as {id}\r\n")].began);
        Self {
            root,
            calls,
            ledger: &recording.ledger,
            list_created: writes[&*format!("created {LIST} (list_id mylist.example.com)\n")].began,
            promised: recording.ledger.promised.keys().map(promised).collect(),
            removed: removed.collect(),
        }
    }

    /// Returns the lines after which the power fails, in order: the same number for each kind of call on each
    /// kind of file, at random, each at the beginning or the end of the call.
    fn cuts(&self, count: usize, chance: &mut Chance) -> Vec<usize> {
        let mut kinds: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
        for call in self.calls.iter().filter(|call| call.result >= 0) {
            let words =
                if call.is_write() && call.has("250 2.0.0 Ok: queued as ") { Some("250") } else { None };
            let name = Disk::name(self.root, call).map(|name| name.split_inclusive('/').next().unwrap_or(""));
            if let Some(about) = words.or(name) {
                kinds.entry((&call.name, about)).or_default().push(call);
            }
        }
        let mut pick = |calls: &Vec<&Call>| {
            let call = calls[usize::try_from(chance.below(calls.len() as u64)).unwrap()];
            if chance.below(2) == 0 { call.began } else { call.ended }
        };
        let mut cuts: Vec<usize> = kinds.values().cycle().take(count).map(&mut pick).collect();
        cuts.sort_unstable();
        cuts
    }

    /// Returns what has to be there after a power loss at this line.
    fn at(&self, line: usize) -> Expected<'_> {
        let mut ledger = self.ledger.clone();
        let began = |id: &str| self.removed.get(id).is_some_and(|&(began, _)| began <= line);
        ledger.promised.retain(|id, _| self.promised[id.as_str()] <= line && !began(id));
        let gone =
            self.removed.iter().filter(|(_, (_, written))| *written <= line).map(|(&id, _)| id).collect();
        Expected { ledger, gone, list: self.list_created <= line }
    }

    /// Returns whether the log grew as long as a gate lets it.
    fn fills_the_log(&self) -> bool {
        let is_far_in = |call: &Call| {
            call.name == "pwrite64" && call.path.ends_with("-wal") && call.last_number() > 4000 * 4096
        };
        self.calls.iter().any(is_far_in)
    }

    /// Cuts the power at many moments and returns what was wrong after each. For names that `ignores_sync_of`
    /// selects, the disk only claims to have synced the file or directory.
    fn cut_power(&self, images: usize, ignores_sync_of: impl Fn(&str) -> bool) -> Vec<String> {
        let mut chance = Chance(images as u64);
        let mut disk = Disk::new(self.root, self.calls, ignores_sync_of);
        let mut wrong = Vec::new();
        for (n, line) in self.cuts(images, &mut chance).into_iter().enumerate() {
            disk.advance(line);
            let site = Site::new();
            disk.leave(site.data(), if n % 4 == 0 { None } else { Some(&mut chance) });
            if let Err(why) = self.at(line).check(&site) {
                wrong.push(format!("image {n}, at line {line}: {why}"));
            }
        }
        wrong
    }
}

struct Expected<'a> {
    ledger: Ledger,
    gone: Vec<&'a str>,
    list: bool,
}

impl Expected<'_> {
    /// Starts a gate on what is left, and checks all of it.
    fn check(mut self, site: &Site) -> Result<(), String> {
        let started = Server::try_start(command(site, site.command(), CONFIG));
        let server = started.map_err(|status| format!("no gate starts: {status}, {}", log(site)))?;
        let connection = open(site);
        let query = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
        for (question, wanted) in [("integrity_check", "ok"), ("journal_mode", "wal")] {
            match query(&format!("PRAGMA {question}")) {
                Ok(answer) if answer == wanted => {}
                answer => return Err(format!("{question}: {answer:?}")),
            }
        }
        self.ledger.check(site, &connection)?;
        let entry =
            |id: &str| query(&format!("SELECT queue FROM entry WHERE printf('%x-%d', delivery, n) = '{id}'"));
        if let Some(id) = self.gone.iter().find(|id| entry(id).is_ok()) {
            return Err(format!("{id} was removed and is back"));
        }
        if !self.list {
            return Ok(());
        }
        let replies = MailServer::connect(server.address).and_then(|mut server| server.send(u64::MAX / 2));
        for reply in replies.map_err(|why| why.to_string())? {
            match reply.strip_prefix("250 2.0.0 Ok: queued as ") {
                Some(id) if !self.ledger.promised.contains_key(id) => {}
                _ => return Err(format!("more mail is answered {reply}")),
            }
        }
        Ok(())
    }
}

#[test]
#[ignore = "needs strace"]
fn promised_mail_survives_a_power_loss_at_any_moment_once_and_complete() {
    let images = env::var("LISTGATE_IMAGES").map_or(150, |images| images.parse().unwrap());
    let recording = record();
    let traces: Vec<String> =
        recording.traces.iter().map(|trace| fs::read_to_string(trace).unwrap()).collect();
    let calls = calls(&merge(&traces));
    let history = History::of(&recording, &calls);
    assert!(history.fills_the_log(), "no checkpoint under load");
    let wrong = history.cut_power(images, |_| false);
    assert!(wrong.is_empty(), "{} of {images} images: {wrong:#?}", wrong.len());
    // The same checks notice what is lost when the syncs of any one file or directory do nothing.
    for name in ["listgate.db-wal", "listgate.db", "spool/", "spool", ""] {
        let wrong = history.cut_power(30, |of| of == name || name == "spool/" && of.starts_with(name));
        assert!(!wrong.is_empty(), "nothing is lost without syncs of {name:?}");
    }
}
