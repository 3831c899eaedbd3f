//! Checks of the data directory and its disk.

use super::finding::{AS_THE_GATE, Finding};
use crate::backends::sqlite::DataDir;
use crate::backends::sqlite::health::Health;
use crate::limits;
use crate::model::Space;
use bytesize::ByteSize;
use rustix::fs::{Access, access};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CHECK: &str = "data directory";

pub(super) fn directory(data: &DataDir) -> Vec<Finding> {
    let mut findings = vec![match writable(CHECK, data.path()) {
        Ok((metadata, what)) => ownership(data, &metadata, what),
        Err(finding) => finding,
    }];
    if let Ok(links) = File::open(data.backup_links()) {
        findings.push(match links.try_lock_shared() {
            Ok(()) => Finding::note(
                "backup",
                format!("{} was left by a backup that was killed", data.backup_links().display()),
                "the next `listgate backup` removes it",
            ),
            Err(_) => Finding::ok("backup", "one is being made"),
        });
    }
    findings
}

/// Returns the metadata and a description of a directory, or a finding if this user cannot work in it.
pub(super) fn writable(check: &'static str, path: &Path) -> Result<(Metadata, String), Finding> {
    let metadata = fs::metadata(path).map_err(|why| {
        let found = format!("cannot look at {}: {why}", path.display());
        Finding::wrong(check, found, "check the permissions of the directories above it")
    })?;
    let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
    let what = format!("{} (mode {mode:o}, uid {uid}, gid {gid})", path.display());
    if access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Err(Finding::wrong(check, format!("{what} cannot be written by this user"), AS_THE_GATE));
    }
    Ok((metadata, what))
}

/// Checks who owns the files and who can read them.
fn ownership(data: &DataDir, metadata: &Metadata, what: String) -> Finding {
    let (uid, gid) = (metadata.uid(), metadata.gid());
    if let Some((file, owner)) = strangers(data, uid) {
        Finding::note(
            CHECK,
            format!("{what}, and {} belongs to uid {owner}", file.display()),
            format!("unless the gate runs as root: chown -R {uid}:{gid} {}", data.path().display()),
        )
    } else if metadata.mode() & 0o001 != 0 && is_open_to_all(data) {
        Finding::note(
            CHECK,
            format!("{what}: every user of this machine can read the mail"),
            format!("chmod o-rwx {0} {0}-* {1}", data.database().display(), data.spool().display()),
        )
    } else {
        Finding::ok(CHECK, what)
    }
}

/// Returns a file of the gate whose owner is not that of the directory, and that owner.
fn strangers(data: &DataDir, uid: u32) -> Option<(PathBuf, u32)> {
    let owned = [data.database(), data.log(), data.spool()].into_iter().filter_map(|path| {
        let owner = fs::metadata(&path).ok()?.uid();
        Some((path, owner))
    });
    owned.into_iter().find(|(_, owner)| *owner != uid)
}

/// Returns whether other users may read the database or enter the spool directory.
fn is_open_to_all(data: &DataDir) -> bool {
    let mode = |path: PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.mode());
    mode(data.database()) & 0o004 != 0 || mode(data.spool()) & 0o001 != 0
}

/// Returns the room for mail as the gate calculates it, including the free pages of the database.
pub(super) fn with_free_pages(data: &DataDir) -> io::Result<Space> {
    let shape = Health::open(data, None).and_then(|health| health.shape());
    data.space(shape.map_or(0, |shape| shape.free))
}

pub(super) fn space(space: io::Result<Space>, min_free: u64) -> Finding {
    let check = "free space";
    let space = match space {
        Ok(space) => space,
        Err(why) => return Finding::wrong(check, format!("cannot be read: {why}"), "see the system's log"),
    };
    let of_inodes = space.inodes.map_or_else(String::new, |inodes| format!(", {inodes} inodes"));
    let of_pages = match space.unused {
        0 => String::new(),
        unused => format!(", {} in the database for small mail", ByteSize(unused)),
    };
    let free = ByteSize(space.free);
    let found = format!("{free}{of_pages}{of_inodes}; storage.min_free is {}", ByteSize(min_free));
    let least = min_free.max(limits::SETTLING_RESERVE);
    let deferred = if space.octets() < least || !space.has_log_room() {
        Some("all mail")
    } else if space.free < least {
        Some("large mail")
    } else {
        None
    };
    if let Some(mail) = deferred {
        let fix = "make room, or set storage.min_free lower";
        return Finding::wrong(check, format!("{mail} is deferred with 452: {found}"), fix);
    }
    if space.inodes.is_some_and(|inodes| inodes < limits::MIN_INODES) {
        let fix = "remove files: messages need inodes";
        return Finding::wrong(check, format!("all mail is deferred with 452: {found}"), fix);
    }
    Finding::ok(check, found)
}

/// Octets of a database page, which is also a common size of a message.
const PAGE: usize = 4096;

/// Messages in a commit: a single one, as many as with a few sessions, and as many as with many sessions.
const BATCHES: [usize; 3] = [1, 8, 32];

/// The number of writes for each batch size, and the time after which a slow disk is spared the rest.
const WRITES: usize = 200;
const LONGEST: Duration = Duration::from_millis(500);

/// A sync time longer than that of any current disk, and one shorter than any real disk can achieve.
const SLOW: Duration = Duration::from_millis(20);
const UNBELIEVABLE: Duration = Duration::from_micros(10);

pub(super) fn syncs(data: &DataDir) -> Finding {
    let check = "disk syncs";
    let scratch = Scratch(data.path().join("doctor-scratch"));
    let measured = scratch
        .create()
        .and_then(|file| BATCHES.into_iter().map(|batch| measure(&file, batch)).collect::<io::Result<_>>());
    let latencies: Vec<Latency> = match measured {
        Ok(latencies) => latencies,
        Err(why) => {
            let found = format!("cannot write and sync {}: {why}", scratch.0.display());
            let fix = match why.kind() {
                io::ErrorKind::PermissionDenied => AS_THE_GATE,
                _ => "make room; if there is enough, see the system's log",
            };
            return Finding::wrong(check, found, fix);
        }
    };
    let rate = |at: usize| in_two_digits(BATCHES[at] as f64 / latencies[at].median.as_secs_f64());
    let found = format!(
        "median {:.2?}, p99 {:.2?}: about {} commits a second; the disk allows {} messages of 4 KiB \
         a second at {} in a commit, {} at {}",
        latencies[0].median,
        latencies[0].p99,
        rate(0),
        rate(1),
        BATCHES[1],
        rate(2),
        BATCHES[2],
    );
    match latencies[0].median {
        slow if slow > SLOW => Finding::note(check, found, "each message waits for one: use a faster disk"),
        fast if fast < UNBELIEVABLE => Finding::note(
            check,
            found,
            "no disk is that fast: if this is a memory file system, a power loss deletes the mail; use a real disk",
        ),
        _ => Finding::ok(check, found),
    }
}

/// Rounds a rate to two significant digits, because more would suggest a precision that an estimate lacks.
fn in_two_digits(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.max(1.0).log10().floor() - 1.0);
    (rate / unit).round() * unit
}

/// A scratch file that is removed on drop. One left behind by a doctor that was killed is reused.
struct Scratch(PathBuf);

impl Scratch {
    /// Creates the file at its full size, because the gate's log also overwrites existing octets.
    fn create(&self) -> io::Result<File> {
        let Self(path) = self;
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&vec![1; WRITES * PAGE], 0)?;
        file.sync_all()?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Latency {
    median: Duration,
    p99: Duration,
}

/// Measures writes of `pages` pages, each followed by a sync.
fn measure(file: &File, pages: usize) -> io::Result<Latency> {
    let octets = vec![2; pages * PAGE];
    let places = WRITES / pages;
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < WRITES && start.elapsed() < LONGEST {
        let place = times.len() % places * octets.len();
        let started = Instant::now();
        file.write_all_at(&octets, place as u64)?;
        file.sync_all()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(Latency { median: times[times.len() / 2], p99: times[times.len() * 99 / 100] })
}
