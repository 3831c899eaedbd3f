//! One fault at a time, at every system call that a gate makes on its data directory.
//!
//! A plain trace counts the calls of each kind on each file; then each of them fails in a run of its own.
//! Whatever fails: no reply is 5xx, nothing promised is lost or stored twice, and the log reports the fault.

use crate::ledger::{Ledger, MailServer};
use crate::support::calls::Call;
use crate::support::{Server, Site};
use crate::tools::{command, log, open};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{env, thread};

pub(crate) const CONFIG: &str = "[storage]\nmin_free = \"0B\"\n";

/// The number of concurrent runs, each of which spends most of its time waiting.
const AT_ONCE: usize = 4;

/// A failing system call: the `nth` of this kind on this file, counted from one.
#[derive(Debug)]
pub(crate) struct Fault {
    call: String,
    pub(crate) file: String,
    pub(crate) nth: usize,
    error: &'static str,
}

impl Fault {
    pub(crate) fn is_sync(&self) -> bool {
        self.call.ends_with("sync")
    }

    /// Returns the strace options that inject this fault.
    pub(crate) fn options(&self, path: &Path) -> [String; 4] {
        let Self { call, nth, error, .. } = self;
        let inject = format!("inject={call}:error={error}:when={nth}");
        ["-P".to_owned(), path.to_str().unwrap().to_owned(), "-e".to_owned(), inject]
    }
}

/// Returns a file's path below the data directory, which is the same in all runs; `..` is the directory above.
/// Files that do not belong to the gate have no name.
pub(crate) fn name(site: &Site, path: &str) -> Option<String> {
    if Path::new(path) == site.data().parent().unwrap() {
        return Some("..".to_owned());
    }
    let name = path.strip_prefix(site.data().to_str().unwrap())?.trim_start_matches('/');
    (!matches!(name, "log" | "trace" | "listgate.toml")).then(|| name.to_owned())
}

pub(crate) fn path(site: &Site, name: &str) -> PathBuf {
    match name {
        "" => site.data().to_owned(),
        ".." => site.data().parent().unwrap().to_owned(),
        name => site.data().join(name),
    }
}

/// Returns the faults for these calls: one for each sync, and for other calls of a kind, one each for the
/// first, the middle and the last, or for all of them if LISTGATE_EVERY_CALL is set.
pub(crate) fn faults(calls: &[Call], name: impl Fn(&str) -> Option<String>) -> Vec<Fault> {
    let mut counts: BTreeMap<(String, String), BTreeMap<u32, usize>> = BTreeMap::new();
    for call in calls {
        if let Some(file) = name(call.about()) {
            // strace counts calls separately for each thread.
            *counts.entry((call.name.clone(), file)).or_default().entry(call.process).or_default() += 1;
        }
    }
    let all = env::var_os("LISTGATE_EVERY_CALL").is_some();
    let mut faults = Vec::new();
    for ((call, file), by_thread) in counts {
        let count = *by_thread.values().max().unwrap();
        let is_sync = call.ends_with("sync");
        for nth in (1..=count).filter(|nth| all || is_sync || [1, count.div_ceil(2), count].contains(nth)) {
            let errors: &[_] = match nth % 2 {
                _ if is_sync => &["EIO"],
                _ if all => &["EIO", "ENOSPC"],
                0 => &["ENOSPC"],
                _ => &["EIO"],
            };
            let fault = |&error| Fault { call: call.clone(), file: file.clone(), nth, error };
            faults.extend(errors.iter().map(fault));
        }
    }
    faults
}

/// Tries each fault, then panics with everything that went wrong.
pub(crate) fn try_each(faults: Vec<Fault>, run: impl Fn(&Fault) -> Result<(), String> + Sync) {
    let count = faults.len();
    let queue = Mutex::new(faults.into_iter());
    let wrong = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(fault) = next() {
                    if let Err(why) = run(&fault) {
                        wrong.lock().unwrap().push(format!("{fault:?}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {count} faults: {wrong:#?}", wrong.len());
}

pub(crate) fn ensure(so: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(why()) }
}

/// Delivers messages with these numbers until the gate ends, and returns the refusals.
pub(crate) fn deliver(server: &Server, ledger: &mut Ledger, numbers: &[u64]) -> Result<Vec<String>, String> {
    let mut refused = Vec::new();
    let Ok(mut session) = MailServer::connect(server.address) else { return Ok(refused) };
    for &number in numbers {
        ledger.sent.insert(number);
        let Ok(replies) = session.send(number) else { break };
        for reply in replies {
            match &reply[..3] {
                "250" => ledger.promise(number, &reply),
                "451" | "421" => refused.push(reply),
                _ => return Err(format!("{number} is answered {reply}")),
            }
        }
    }
    Ok(refused)
}

/// Checks that a new gate has all that was promised, and takes mail.
pub(crate) fn recovers(site: &Site, ledger: &mut Ledger) -> Result<(), String> {
    let started = Server::try_start(command(site, site.command(), CONFIG));
    let server = started.map_err(|status| format!("the next start fails: {status}: {}", log(site)))?;
    let connection = open(site);
    ensure_sound(&connection)?;
    ledger.check(site, &connection)?;
    let promised = ledger.promised.len();
    let refused = deliver(&server, ledger, &[u64::MAX / 2])?;
    ensure(ledger.promised.len() == promised + 2, || format!("the next gate refuses: {refused:?}"))
}

/// Checks that a database is in WAL mode, on which everything depends, and that nothing in it is broken.
pub(crate) fn ensure_sound(connection: &Connection) -> Result<(), String> {
    for (question, wanted) in [("integrity_check", "ok"), ("journal_mode", "wal")] {
        let answer: rusqlite::Result<String> =
            connection.pragma_query_value(None, question, |row| row.get(0));
        ensure(answer.as_deref() == Ok(wanted), || format!("{question}: {answer:?}"))?;
    }
    Ok(())
}
