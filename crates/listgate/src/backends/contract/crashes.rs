//! Tests that a step is atomic on the backend that stores files. Whenever the process is killed or the power fails,
//! each message either still has its entry or is kept, and is complete, and everything that was reported remains
//! true.

use super::{Mail, Rig, rigs};
use crate::backends::sqlite::DataDir;
use crate::error_chain::Chain;
use crate::model::{Effect, LeaseId, MessageId, Step, Stepped, Verdict};
use listgate_test_support::calls::{CALLS, Call, calls};
use listgate_test_support::disk::{Chance, Disk};
use rusqlite::Connection;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{env, fs};

/// The environment variable with the directory for a walk, when it runs in a process of its own.
pub(super) const DIR: &str = "LISTGATE_STEP_DIR";

/// The test that runs the walk, which a process of its own runs too.
const WALK: &str =
    "backends::contract::crashes::a_message_small_or_large_is_kept_in_the_step_that_settles_its_entry";

/// The sizes of the messages in octets. The last one is stored in a spool file.
const SIZES: [usize; 2] = [100, 200_000];

/// Reports the progress of the walk, each time in a single write.
fn report(what: &str, octets: usize) {
    io::stderr().write_all(report_line(what, octets).as_bytes()).unwrap();
}

fn report_line(what: &str, octets: usize) -> String {
    format!("{what} {octets}\n")
}

/// Stores a message, and settles its entry while another message is stored. The first message is kept.
async fn walk(rig: &Rig, octets: usize) {
    rig.put(&Mail { octets, ..Mail::default() }).await;
    report("put", octets);
    let lease = rig.lease_one().await;
    let beside = rig.delivery(&Mail { octets: octets / 2, text: "beside", ..Mail::default() }).await;
    let keep = Effect::Keep(MessageId(lease.entry.delivery));
    let step = Step::settling(lease, Verdict::Done).with(keep).unwrap();
    let (stepped, stored) = tokio::join!(rig.step(step), rig.backend.put(beside));
    stored.unwrap();
    let Stepped { kept, .. } = stepped.unwrap();
    report("kept", octets);
    let other = rig.lease_one().await;
    settle(rig, other).await;
    if octets == SIZES[0] {
        return;
    }
    // Once the reference is let go, the message is gone; its spool file is removed later.
    let step = Step::settling_nothing().with(Effect::LetGo(kept[0])).unwrap();
    report("letting go", octets);
    rig.step(step).await.unwrap();
    report("let go", octets);
}

async fn settle(rig: &Rig, lease: LeaseId) {
    rig.step(Step::settling(lease, Verdict::Done)).await.unwrap();
}

#[test]
fn a_message_small_or_large_is_kept_in_the_step_that_settles_its_entry() {
    let dir = tempfile::tempdir().unwrap();
    let dir = env::var_os(DIR).map_or_else(|| dir.path().to_owned(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = rigs::sqlite_at(&dir).unwrap();
    (rig.create)("a@example.com");
    SIZES.iter().for_each(|octets| runtime.block_on(walk(&rig, *octets)));
    drop(rig);
    let history = ["put", "kept"].map(|what| report_line(what, SIZES[0])).concat()
        + &["put", "kept", "letting go", "let go"].map(|what| report_line(what, SIZES[1])).concat();
    check(&dir, &history).unwrap();
}

/// Checks that what is in a directory is consistent with everything that was reported.
fn check(dir: &Path, reported: &str) -> Result<(), String> {
    if !dir.join("listgate.db").exists() {
        return if reported.is_empty() { Ok(()) } else { Err("there is no database".to_owned()) };
    }
    // Opens the directory as the next start would.
    let rig = rigs::sqlite_at(dir).map_err(|why| Chain(&why).to_string())?;
    let connection = DataDir::new(dir).open().map_err(|why| Chain(&why).to_string())?;
    let query = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    for (question, wanted) in [("integrity_check", "ok"), ("foreign_key_check", "")] {
        match query(&format!("PRAGMA {question}")) {
            Ok(answer) if answer == wanted => {}
            Err(rusqlite::Error::QueryReturnedNoRows) if wanted.is_empty() => {}
            answer => return Err(format!("{question}: {answer:?}")),
        }
    }
    SIZES.iter().try_for_each(|octets| check_message(&rig, &connection, *octets, reported))
}

fn check_message(rig: &Rig, connection: &Connection, octets: usize, reported: &str) -> Result<(), String> {
    let was = |what| reported.contains(&report_line(what, octets));
    let sql = "SELECT id, size, (SELECT count(*) FROM entry WHERE delivery = delivery.id),
                      (SELECT count(*) FROM kept WHERE kept.delivery = delivery.id)
               FROM delivery WHERE message_id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let found = connection.query_row(sql, [format!("<{octets}@x>")], read);
    let wrong =
        |why: &str| Err(format!("the message of {octets} octets {why} after {reported:?}: {found:?}"));
    let (id, size, entries, kept): (i64, usize, u64, u64) = match found {
        Err(_) if was("put") && !was("letting go") => return wrong("is lost"),
        Err(_) => return Ok(()),
        Ok(found) => found,
    };
    match (entries, kept) {
        _ if was("let go") => return wrong("is back"),
        (1, 0) if was("kept") => return wrong("has its entry back"),
        (1, 0) | (0, 1) => {}
        _ => return wrong("is neither waiting nor kept, or both"),
    }
    let body = pollster::block_on(rig.leases().read(MessageId(id), 0, usize::MAX));
    match body {
        Ok(Some(body)) if body.len() == size && size > octets => Ok(()),
        body => wrong(&format!("is not whole: {:?} octets", body.map(|body| body.map(|body| body.len())))),
    }
}

/// Runs a test in a process of its own, under strace. The trace contains what it reported.
pub(super) fn traced(walk: &str, dir: &Path, trace: &Path, options: &[&str]) -> ExitStatus {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-q", "-s", "1000000", "-o"]).arg(trace);
    strace.args(["-e", &format!("trace={CALLS}")]).args(options).arg("--").arg(env::current_exe().unwrap());
    strace.args(["--exact", walk, "--nocapture", "--test-threads=1"]).env(DIR, dir);
    let output = strace.output().unwrap();
    output.status
}

/// Returns what was reported before a line of the trace, of texts that begin with these words.
pub(super) fn reported(calls: &[Call], line: usize, words: &[&str]) -> String {
    let to_standard_error = |call: &&Call| call.name == "write" && call.ended <= line && call.result > 0;
    let texts = calls.iter().filter(to_standard_error).map(|call| String::from_utf8_lossy(&call.data));
    texts.filter(|text| text.len() < 30 && words.iter().any(|word| text.starts_with(word))).collect()
}

/// Creates a directory, with the same path that a trace shows for it.
pub(super) fn new_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env::temp_dir().canonicalize().unwrap()).unwrap()
}

/// Kills the process of a walk at each of its system calls in turn, or at one of `every` so many, and checks what is left,
/// and what was reported. Returns how many kills that were.
pub(super) fn kill_at_each_call(
    walk: &str,
    words: &[&str],
    every: u32,
    check: impl Fn(&Path, &str) -> Result<(), String>,
) -> u32 {
    const KILLED_AT: &str = "pwrite64,fsync,fdatasync,ftruncate,write,openat,?unlink,unlinkat";
    let mut ended = false;
    let (mut at, mut kills) = (0, 0);
    while !ended {
        at += every;
        kills += 1;
        let (dir, traces) = (new_dir(), new_dir());
        let trace = traces.path().join("trace");
        let inject = format!("inject={KILLED_AT}:signal=KILL:when={at}");
        ended = traced(walk, dir.path(), &trace, &["-e", &inject]).success();
        let calls = calls(&fs::read_to_string(trace).unwrap());
        check(dir.path(), &reported(&calls, usize::MAX - 1, words))
            .unwrap_or_else(|why| panic!("kill {at}: {why}"));
        assert!(at < 4000, "the walk never ends by itself");
    }
    kills
}

/// The system calls of a walk, as the power may fail between any two of them.
pub(super) struct Walk {
    dir: tempfile::TempDir,
    calls: Vec<Call>,
}

impl Walk {
    pub(super) fn record(walk: &str) -> Self {
        let (dir, traces) = (new_dir(), new_dir());
        let trace = traces.path().join("trace");
        assert!(traced(walk, dir.path(), &trace, &[]).success());
        Self { dir, calls: calls(&fs::read_to_string(trace).unwrap()) }
    }

    /// Checks what each power loss leaves, or one of `every` so many, on a disk that ignores some syncs. Returns what is wrong.
    pub(super) fn lose_power(
        &self,
        words: &[&str],
        every: u32,
        ignores_sync_of: &dyn Fn(&str) -> bool,
        check: impl Fn(&Path, &str) -> Result<(), String>,
    ) -> Vec<String> {
        let Self { dir, calls } = self;
        let root = dir.path().to_str().unwrap();
        let mut chance = Chance(1);
        let mut disk = Disk::new(root, calls, ignores_sync_of);
        let mut wrong = Vec::new();
        let about = calls.iter().filter(|call| Disk::name(root, call).is_some() || call.name == "write");
        let mut lines: Vec<usize> = about.flat_map(|call| [call.began, call.ended]).collect();
        lines.sort_unstable();
        lines.dedup();
        for (n, line) in lines.into_iter().enumerate() {
            disk.advance(line);
            if n % every as usize != 0 {
                continue;
            }
            // First lose everything that may be lost, then a random part of it.
            for some in [false, true] {
                let image = new_dir();
                disk.leave(image.path(), some.then_some(&mut chance));
                if let Err(why) = check(image.path(), &reported(calls, line, words)) {
                    wrong.push(format!("at line {line}: {why}"));
                }
            }
        }
        wrong
    }
}

/// What the walk reports.
const WORDS: [&str; 4] = ["put ", "kept ", "letting go ", "let go "];

#[test]
#[ignore = "needs strace"]
fn a_step_survives_a_kill_between_any_two_system_calls() {
    let kills = kill_at_each_call(WALK, &WORDS, 1, check);
    assert!(kills > 60, "only {kills}: the walk makes more calls");
}

#[test]
#[ignore = "needs strace"]
fn a_step_survives_a_power_loss_between_any_two_system_calls() {
    let walk = Walk::record(WALK);
    let wrong = walk.lose_power(&WORDS, 1, &|_| false, check);
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    // The same checks notice what is lost when syncs of the log, or of the directory of large bodies, are ignored.
    for name in ["listgate.db-wal", "spool"] {
        let lost = walk.lose_power(&WORDS, 1, &|of| of == name, check);
        assert!(!lost.is_empty(), "nothing is lost without syncs of {name}");
    }
}
