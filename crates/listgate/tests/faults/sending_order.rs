//! What the disk holds when a final dot is written, and what a distribution becomes after a power loss at any moment.
//!
//! From a trace of a server that distributes a post, the data directory is made again as it would be if the power failed
//! at a moment, without anything that was not synced. When the final dot of a batch is written, that directory must say
//! that the batch is being sent, and what became of each batch before on the same connection.

use crate::distribution::{Copies, Distribution, create};
use crate::support::calls::{Call, calls, merge};
use crate::support::disk::{Chance, Disk};
use crate::support::smtp_server::{Manner, SmtpServer};
use crate::support::trace::{finished, strace};
use crate::support::{Server, Site};
use crate::tools::{log, open};
use rusqlite::OptionalExtension;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::{env, fs};

/// Enough for two batches on each connection.
const fn members(copies: Copies) -> usize {
    match copies {
        Copies::Bulk => 1000,
        Copies::Personal => 160,
    }
}

/// The server's transactions as they were written to the mail server, and the whole trace.
struct Recording {
    members: usize,
    root: String,
    calls: Vec<Call>,
    dots: Vec<Dot>,
    /// The line at which the post was promised.
    promised: usize,
}

/// A final dot.
struct Dot {
    /// The line of the trace at which its write began.
    line: usize,
    batch: i64,
    /// The batches before on this connection.
    before: Vec<i64>,
    to: Vec<String>,
}

fn record(copies: Copies) -> Recording {
    let (site, members) = (Site::new(), members(copies));
    let mut traces: Vec<PathBuf> = Vec::new();
    let mut traced = |options: &[&str]| {
        let trace = site.data().join(format!("trace-{}", traces.len()));
        traces.push(trace.clone());
        (strace(&site, &trace, &[&["-ttt", "-s", "1000000"], options].concat()), trace)
    };
    create(&site, members, copies, |args| {
        let (mut listgate, _) = traced(&[]);
        assert!(listgate.args(args).stdout(Stdio::null()).status().unwrap().success());
    });
    let (gate, trace) = traced(&["-D"]);
    let root = site.data().to_str().unwrap().to_owned();
    // DSN, so that MAIL names the batch.
    let mail = SmtpServer::start(Manner::default().with("DSN"));
    let distribution = Distribution::on(site, mail, members);
    let server = Server::start(distribution.command(gate));
    distribution.post(&server, "post");
    distribution.finished(1);
    server.signal("TERM");
    finished(server, &trace);
    distribution.check(1).unwrap();
    let traces: Vec<String> = traces.iter().map(|trace| fs::read_to_string(trace).unwrap()).collect();
    let calls = calls(&merge(&traces));
    let is_promise = |call: &&Call| call.is_write() && call.has("250 2.0.0 Ok: queued as ");
    let promised = calls.iter().find(is_promise).unwrap().began;
    let dots = dots(&calls);
    Recording { members, root, calls, dots, promised }
}

/// What was written to a connection, and for each write, where it ended and when it began.
type Written = (String, Vec<(usize, usize)>);

/// Returns the final dots on all connections to the mail server, in order.
fn dots(calls: &[Call]) -> Vec<Dot> {
    let mut streams: BTreeMap<&str, Written> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.is_write() && call.path.starts_with("socket:")) {
        let (text, parts) = streams.entry(&call.path).or_default();
        text.push_str(
            std::str::from_utf8(&call.data[..usize::try_from(call.result.max(0)).unwrap()]).unwrap(),
        );
        parts.push((text.len(), call.began));
    }
    let mut dots = Vec::new();
    for (text, parts) in streams.values().filter(|(text, _)| text.contains(" ENVID=")) {
        let (mut at, mut before) = (0, Vec::new());
        while let Some(end) = text[at..].find("\r\n.\r\n") {
            let end = at + end + "\r\n.\r\n".len();
            let transaction = &text[at..end];
            let number = transaction.split_once(" ENVID=").unwrap().1.split_once('-').unwrap().1;
            let batch = number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
            let to =
                transaction.split("RCPT TO:<").skip(1).map(|rest| rest.split_once('>').unwrap().0.to_owned());
            let (_, line) = *parts.iter().find(|(upto, _)| *upto >= end).unwrap();
            let others = before.iter().copied().filter(|other| *other != batch).collect();
            dots.push(Dot { line, batch, before: others, to: to.collect() });
            before.push(batch);
            at = end;
        }
    }
    dots.sort_by_key(|dot| dot.line);
    dots
}

impl Recording {
    /// Returns what is wrong at so many of the dots. For names that `ignores_sync_of` selects, the disk only claims to have synced.
    fn check_dots(&self, most: usize, ignores_sync_of: impl Fn(&str) -> bool) -> Vec<String> {
        let mut disk = Disk::new(&self.root, &self.calls, ignores_sync_of);
        let mut wrong = Vec::new();
        for dot in self.dots.iter().take(most) {
            disk.advance(dot.line);
            let site = Site::new();
            disk.leave(site.data(), None);
            let state = |batch: i64| {
                let sql = "SELECT state FROM batch WHERE id = ?1";
                let state = open(&site).query_row(sql, [batch], |row| row.get::<_, String>(0)).optional();
                state.ok().flatten().unwrap_or_default()
            };
            let is_of = state(dot.batch);
            let unsettled: Vec<i64> =
                dot.before.iter().copied().filter(|batch| state(*batch) != "done").collect();
            if is_of != "sending" || !unsettled.is_empty() {
                wrong.push(format!(
                    "the dot of batch {} ({is_of:?}) at line {}: {unsettled:?}",
                    dot.batch, dot.line
                ));
            }
        }
        wrong
    }

    /// Cuts the power at this line, and lets the next server go on. Checks that nobody is missed, and that those who get
    /// it twice are counted.
    fn cut(&self, disk: &mut Disk<'_>, line: usize, chance: Option<&mut Chance>) -> Result<(), String> {
        disk.advance(line);
        let site = Site::new();
        disk.leave(site.data(), chance);
        let distribution = Distribution::on(site, SmtpServer::start(Manner::default()), self.members);
        let mut server = Server::try_start(distribution.command(distribution.site.command()))
            .map_err(|why| format!("no server starts: {why}: {}", log(&distribution.site)))?;
        // It moves from the queue to the posts, so it is looked for in this order.
        let is_queued = !distribution.site.ids("in").is_empty();
        if !is_queued && distribution.posts().0 == 0 {
            // It was not even promised.
            return if self.promised > line { Ok(()) } else { Err("the post is lost".to_owned()) };
        }
        distribution.finished(1);
        let doubted = distribution.posts().2;
        server.signal("TERM");
        server.wait();
        let begun = self.dots.iter().filter(|dot| dot.line <= line).flat_map(|dot| dot.to.iter().cloned());
        let before: BTreeSet<String> = begun.collect();
        let after = distribution.mail.record();
        let twice = after.keys().filter(|address| before.contains(*address)).count() as u64;
        let all = before.len() + after.len() - usize::try_from(twice).unwrap();
        if all != self.members || after.values().any(|times| *times != 1) {
            return Err(format!("{all} of {} got it", self.members));
        }
        if twice > doubted { Err(format!("{twice} got it twice, {doubted} in doubt")) } else { Ok(()) }
    }
}

#[test]
#[ignore = "needs strace"]
fn no_final_dot_is_written_before_its_mark_is_on_the_disk() {
    for copies in [Copies::Bulk, Copies::Personal] {
        let recording = record(copies);
        let batches: BTreeSet<i64> = recording.dots.iter().map(|dot| dot.batch).collect();
        assert_eq!(batches.len(), recording.members.div_ceil(copies.of_batch()));
        assert_eq!(
            recording.dots.len(),
            if copies == Copies::Bulk { batches.len() } else { recording.members }
        );
        assert!(recording.dots.iter().any(|dot| !dot.before.is_empty()), "no connection sent two batches");
        let wrong = recording.check_dots(usize::MAX, |_| false);
        assert!(wrong.is_empty(), "{copies:?}: {wrong:#?}");
        let wrong = recording.check_dots(10, |name| matches!(name, "listgate.db" | "listgate.db-wal"));
        assert_eq!(wrong.len(), 10, "the check notices that nothing is synced");
    }
}

#[test]
#[ignore = "needs strace"]
fn a_power_loss_at_any_moment_misses_nobody_and_counts_each_doubt() {
    let images: u64 = env::var("LISTGATE_IMAGES").map_or(20, |images| images.parse().unwrap());
    let mut chance = Chance(images);
    for copies in [Copies::Bulk, Copies::Personal] {
        let recording = record(copies);
        // Between the promise and a little after the last dot.
        let (first, last) = (recording.promised, recording.dots.last().unwrap().line);
        let span = u64::try_from(last - first + (last - first) / 10).unwrap();
        let mut lines: Vec<usize> =
            (0..images / 2).map(|_| first + usize::try_from(chance.below(span)).unwrap()).collect();
        lines.sort_unstable();
        let mut disk = Disk::new(&recording.root, &recording.calls, |_| false);
        for (n, line) in lines.into_iter().enumerate() {
            let of_image = if n % 3 == 0 { None } else { Some(&mut chance) };
            if let Err(why) = recording.cut(&mut disk, line, of_image) {
                panic!("{copies:?}, image {n}, at line {line}: {why}");
            }
        }
    }
}
