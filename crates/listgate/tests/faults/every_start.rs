//! Any one system call of a start fails: in a new directory, and in one that a killed gate has left.

use crate::ledger::Ledger;
use crate::one_fault::{
    CONFIG, Fault, deliver, ensure, ensure_sound, faults, name, path, recovers, try_each,
};
use crate::support::calls::calls;
use crate::support::trace::{finished, strace};
use crate::support::{OWNER, Peer, Server, Site};
use crate::tools::{command, log, open, serve, spooled, until};
use std::fs;

const LIST: &str = "mylist@example.com";

/// A directory to start in, and what was promised by an earlier gate on it.
#[derive(Default)]
struct Beginning {
    site: Site,
    ledger: Ledger,
}

impl Beginning {
    fn copy(&self) -> Self {
        let site = Site::new();
        for name in ["listgate.db", "listgate.db-wal", "spool"] {
            let (from, to) = (self.site.data().join(name), site.data().join(name));
            if from.is_dir() {
                fs::create_dir(&to).unwrap();
                for file in spooled(&self.site) {
                    fs::copy(from.join(&file), to.join(&file)).unwrap();
                }
            } else if from.exists() {
                fs::copy(from, to).unwrap();
            }
        }
        Self { site, ledger: self.ledger.clone() }
    }

    /// Returns the faults for the calls that a gate makes until it reports that it takes mail.
    fn faults(&self) -> Vec<Fault> {
        let Self { site, .. } = self.copy();
        let trace = site.data().join("trace");
        let server = Server::start(command(&site, strace(&site, &trace, &["-D"]), CONFIG));
        server.signal("TERM");
        let calls = calls(&finished(server, &trace));
        let ready = calls.iter().position(|call| call.data.starts_with(b"Listgate "));
        faults(&calls[..ready.unwrap()], |path| name(&site, path))
    }

    fn fails(&self, fault: &Fault) -> Result<(), String> {
        let Self { site, mut ledger } = self.copy();
        let trace = site.data().join("trace");
        let options = fault.options(&path(&site, &fault.file));
        let options: Vec<&str> = ["-D"].into_iter().chain(options.iter().map(String::as_str)).collect();
        match Server::try_start(command(&site, strace(&site, &trace, &options), CONFIG)) {
            Ok(server) => {
                // SQLite ignores a failed sync of the directory; the gate syncs it again.
                ensure(!fault.is_sync() || fault.file.is_empty(), || "the sync is forgotten".to_owned())?;
                ensure_sound(&open(&site))?;
                site.listgate(&["list", "create", LIST, "--owner", OWNER]);
                let refused = deliver(&server, &mut ledger, &[201, 204])?;
                ensure(refused.is_empty(), || format!("it starts, and then {refused:?}"))?;
                server.signal("TERM");
                let trace = finished(server, &trace);
                ensure(trace.contains("(INJECTED)"), || "there was no such call".to_owned())?;
            }
            Err(status) => {
                let log = log(&site);
                // Of the three or four files of the database, SQLite names only one.
                let file = if fault.file.starts_with("listgate.db") { "listgate.db" } else { &fault.file };
                let named = path(&site, file);
                let named = named.to_str().unwrap();
                let reports_it = |line: &str| line.starts_with("listgate: cannot ") && line.contains(named);
                ensure(status.code() == Some(1) && log.lines().any(reports_it), || {
                    format!("{status}: {log}")
                })?;
            }
        }
        // This fails if the list exists already.
        site.listgate(&["list", "create", LIST, "--owner", OWNER]);
        recovers(&site, &mut ledger)
    }
}

#[test]
#[ignore = "needs strace"]
fn any_call_of_a_start_in_a_new_directory_may_fail() {
    let beginning = Beginning::default();
    try_each(beginning.faults(), |fault| beginning.fails(fault));
}

/// The killed gate left mail in the log, a spool file to be unlinked, and one of a message that was still
/// arriving.
#[test]
#[ignore = "needs strace"]
fn any_call_of_a_start_after_a_kill_may_fail() {
    let site = Site::with_list();
    let mut ledger = Ledger::default();
    let mut server = serve(&site, CONFIG);
    assert_eq!(deliver(&server, &mut ledger, &[4]), Ok(vec![]));
    let removed: Vec<String> = ledger.promised.drain().map(|(id, _)| id).collect();
    assert_eq!(deliver(&server, &mut ledger, &[1, 8]), Ok(vec![]));
    let mut peer = Peer::greeted(server.address);
    peer.begin("a@example.org", &[LIST]);
    peer.send("x".repeat(200_000));
    until("what arrives has a file", || spooled(&site).len() == 3);
    site.stdout(&["queue", "remove", &removed[0], &removed[1]]);
    server.signal("KILL");
    server.wait();
    let beginning = Beginning { site, ledger };
    try_each(beginning.faults(), |fault| beginning.fails(fault));
}
