//! Any one system call of a running gate fails.

use crate::ledger::Ledger;
use crate::one_fault::{CONFIG, Fault, deliver, ensure, faults, name, path, recovers, try_each};
use crate::support::calls::{CALLS, calls};
use crate::support::{Server, Site};
use crate::tools::{Tracer, log, serve, spooled};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Longer than the idle time after which the writer tidies up.
const QUIET: Duration = Duration::from_millis(800);

struct Work {
    site: Site,
    server: Server,
    ledger: Ledger,
    /// The prefix of the names of this gate's spool files.
    prefix: String,
}

impl Work {
    /// Starts a gate and delivers a large message to it. Faults begin after that.
    fn new() -> Self {
        let site = Site::with_list();
        let server = serve(&site, CONFIG);
        let mut ledger = Ledger::default();
        assert_eq!(deliver(&server, &mut ledger, &[4]), Ok(vec![]));
        let prefix = format!("spool/{}-", spooled(&site)[0].split('-').next().unwrap());
        Self { site, server, ledger, prefix }
    }

    fn name(&self, path: &str) -> Option<String> {
        name(&self.site, path).map(|name| name.replace(&self.prefix, "spool/#"))
    }

    fn path(&self, name: &str) -> PathBuf {
        path(&self.site, &name.replace("spool/#", &self.prefix))
    }

    /// Delivers small and large messages, removes a large one, waits while the idle writer tidies up, and
    /// delivers more messages. Returns the refusals.
    fn go_on(&mut self) -> Result<Vec<String>, String> {
        let (first, _): (Vec<String>, Vec<u64>) = self.ledger.promised.drain().unzip();
        let mut refused = deliver(&self.server, &mut self.ledger, &[1, 8, 2, 12, 3])?;
        self.site.stdout(
            &[&["queue", "remove"], &first.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
        );
        thread::sleep(QUIET);
        refused.extend(deliver(&self.server, &mut self.ledger, &[5, 16, 6])?);
        Ok(refused)
    }

    /// Runs [`go_on`](Self::go_on) under `strace`, then delivers messages with the numbers in `last` and stops
    /// the gate.
    fn finish(&mut self, mut strace: Command, last: &[u64]) -> Result<Finished, String> {
        let trace = self.site.data().join("trace");
        strace.arg("-o").arg(&trace);
        let tracer = Tracer::attach(&self.server, strace);
        let refused = self.go_on()?;
        let afterwards = deliver(&self.server, &mut self.ledger, last)?;
        self.server.signal("TERM");
        let code = self.server.wait();
        tracer.wait();
        Ok(Finished { trace: fs::read_to_string(trace).unwrap(), refused, afterwards, code })
    }
}

struct Finished {
    trace: String,
    /// The refusals in [`Work::go_on`]; `afterwards` has those of the last messages.
    refused: Vec<String>,
    afterwards: Vec<String>,
    code: Option<i32>,
}

/// Checks that the gate's log reports a fault: by its path, or by what SQLite could not do.
fn ensure_logged(site: &Site, fault: &Fault, path: &Path) -> Result<(), String> {
    let log = log(site);
    let words = if fault.file.starts_with("spool") { path.to_str().unwrap() } else { "cannot " };
    let reports_it = |line: &str| (line.contains("ERROR ") || line.contains("WARN ")) && line.contains(words);
    ensure(log.lines().any(reports_it), || format!("the log does not report it: {log}"))
}

fn fails(fault: &Fault) -> Result<(), String> {
    let mut work = Work::new();
    let path = work.path(&fault.file);
    let mut strace = Command::new("strace");
    strace.args(fault.options(&path));
    let finished = work.finish(strace, &[7])?;
    let Finished { trace, refused, afterwards, code } = &finished;
    let so_it_was = || format!("{refused:?}, {afterwards:?}, {code:?}: {}", log(&work.site));
    if trace.contains("(INJECTED)") {
        ensure_logged(&work.site, fault, &path)?;
        let is_well = match fault.is_sync() {
            true => *code == Some(1) && log(&work.site).contains("Listgate accepts no more mail"),
            // A call that the plain gate makes as it ends may here belong to the last messages.
            false => *code == Some(0) && (afterwards.is_empty() || refused.is_empty()),
        };
        ensure(is_well, so_it_was)?;
    } else {
        // The writer may be idle at other moments than in the plain run, and not make this call.
        ensure(fault.nth > 1 && refused.is_empty(), so_it_was)?;
    }
    recovers(&work.site, &mut work.ledger)
}

#[test]
#[ignore = "needs strace"]
fn any_call_of_a_gate_at_work_may_fail() {
    let mut plain = Work::new();
    let mut strace = Command::new("strace");
    strace.args(["-y", "-e", &format!("trace={CALLS}")]);
    let finished = plain.finish(strace, &[]).unwrap();
    assert_eq!((finished.code, finished.refused), (Some(0), vec![]));
    try_each(faults(&calls(&finished.trace), |path| plain.name(path)), fails);
}
