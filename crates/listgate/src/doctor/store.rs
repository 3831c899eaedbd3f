//! Checks of the database, the spool directory, and their contents.

use super::finding::{AS_THE_GATE, Extent, Finding, UNREAD, age, denied, some};
use crate::backends::sqlite::health::{self, Health, Miscount, Partial, SCHEMA, SpoolHealth};
use crate::backends::sqlite::write_lock::WriteLock;
use crate::backends::sqlite::{DataDir, DataError, lists};
use crate::config::Config;
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{ListAddress, Names, OutgoingNow, comparable_domain, milliseconds};
use bytesize::ByteSize;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The maximum time of a check of the database, during which a busy gate cannot shorten its log.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the write lock: longer than any transaction of Listgate takes.
const PATIENCE_FOR_LOCK: Duration = Duration::from_secs(3);
/// The bounces that are looked at, and how many without a valid token are worth a note.
const RECENT_BOUNCES: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MANY_BOUNCES: u64 = 20;

/// How far two clocks may differ.
const CLOCK: Duration = Duration::from_secs(60);

pub(super) struct Store<'a> {
    data: &'a DataDir,
    config: &'a Config,
    running: bool,
    extent: Extent,
    health: Health,
}

/// Returns the finding for something that cannot be read at all.
fn unreadable(check: &'static str, why: &impl std::fmt::Display) -> Finding {
    Finding::wrong(
        check,
        format!("cannot be read: {why}"),
        "check the disk; if it works, restore a backup: see docs/operations.md",
    )
}

/// Returns the finding for a database that cannot be opened, which SQLite reports only on the first read.
fn unopened(data: &DataDir, why: &rusqlite::Error) -> Finding {
    match denied(data) {
        Some(path) => {
            let found = format!("cannot be read: {}: permission denied", path.display());
            Finding::wrong("database", found, AS_THE_GATE)
        }
        None => unreadable("database", why),
    }
}

/// Returns the finding for a check that ran out of time.
fn unfinished(check: &'static str) -> Finding {
    Finding::note(
        check,
        format!("not finished within {} s", PATIENCE.as_secs()),
        "run the doctor again with --thorough, preferably on a backup",
    )
}

/// Returns the finding for a look at the database, which may have been cut short or have failed.
fn looked<T>(check: &'static str, look: Partial<T>, judge: impl FnOnce(T) -> Finding) -> Finding {
    match look {
        Ok(Some(found)) => judge(found),
        Ok(None) => unfinished(check),
        Err(why) => unreadable(check, &why),
    }
}

impl<'a> Store<'a> {
    pub(super) fn open(
        data: &'a DataDir,
        config: &'a Config,
        running: bool,
        extent: Extent,
    ) -> Result<Self, Finding> {
        let patience = (!extent.thorough).then_some(PATIENCE);
        let health = Health::open(data, patience).map_err(|why| unopened(data, &why))?;
        Ok(Self { data, config, running, extent, health })
    }

    pub(super) fn examine<E>(&mut self, mut report: impl FnMut(Finding) -> Result<(), E>) -> Result<(), E> {
        let shape = match self.health.shape() {
            Ok(shape) => shape,
            Err(why) => return report(unopened(self.data, &why)),
        };
        if shape.schema != SCHEMA {
            return report(foreign_schema(shape.schema));
        }
        report(Finding::ok(
            "database",
            format!("schema {SCHEMA}; {} pages, of which {} are free for new mail", shape.pages, shape.free),
        ))?;
        report(self.write_lock())?;
        report(self.log())?;
        report(self.damage())?;
        report(self.dangling())?;
        report(self.sizes())?;
        report(self.spool())?;
        self.queues().into_iter().try_for_each(&mut report)?;
        report(self.outgoing())?;
        report(self.bounces())?;
        self.lists().into_iter().try_for_each(&mut report)
    }

    /// Checks the write lock, without which no mail is stored.
    fn write_lock(&self) -> Finding {
        let check = "write lock";
        match WriteLock::of(self.data, PATIENCE_FOR_LOCK) {
            Ok(WriteLock::Free) => Finding::ok(check, "the database can be written"),
            Ok(WriteLock::Held(holder)) => {
                let holder = holder.map_or("another process".to_owned(), |holder| holder.to_string());
                Finding::wrong(
                    check,
                    format!(
                        "{holder} has kept the database locked for {} s, and no mail can be stored",
                        PATIENCE_FOR_LOCK.as_secs()
                    ),
                    "end its transaction, or the program",
                )
            }
            Err(why) => Finding::wrong(check, format!("the database cannot be written: {why}"), AS_THE_GATE),
        }
    }

    fn log(&self) -> Finding {
        let check = "log";
        let octets = fs::metadata(self.data.log()).map_or(0, |log| log.len());
        if octets <= limits::LARGE_LOG {
            return Finding::ok(check, format!("{} in the write-ahead log", ByteSize(octets)));
        }
        Finding::note(
            check,
            format!(
                "{} in the write-ahead log: a program holds a transaction open, or no gate runs",
                ByteSize(octets)
            ),
            "end that program; a running gate then shortens the log",
        )
    }

    fn damage(&mut self) -> Finding {
        let check = "integrity";
        let how = if self.extent.thorough { "integrity_check" } else { "quick_check" };
        looked(check, self.health.damage(self.extent.thorough), |damage| match &damage[..] {
            [] => Finding::ok(check, format!("SQLite's {how} finds nothing")),
            [first, ..] => Finding::wrong(
                check,
                format!("the database is damaged: {}", first.replace('\n', " ")),
                "check the disk, then restore a backup: see docs/operations.md",
            ),
        })
    }

    fn dangling(&mut self) -> Finding {
        let check = "references";
        looked(check, self.health.dangling(), |rows| match rows {
            0 => Finding::ok(check, "all references between rows are valid"),
            rows => Finding::wrong(
                check,
                format!("{rows} rows refer to rows that do not exist"),
                "each program that writes to the database must turn foreign keys on (docs/queue.md); restore a backup",
            ),
        })
    }

    /// Checks the recorded sizes of the queues, which their limits depend on.
    fn sizes(&mut self) -> Finding {
        let check = "queue sizes";
        let look = self.health.miscounts();
        if let (Ok(Some(miscounts)), true) = (&look, self.extent.repair)
            && !miscounts.is_empty()
        {
            let corrected = self.data.open().and_then(|mut connection| {
                let corrected = health::correct(&mut connection, miscounts);
                corrected.map_err(DataError::database("write the sizes of the queues"))
            });
            return match corrected {
                Ok(()) => Finding::ok(check, format!("corrected: {}", described(miscounts))),
                Err(why) => {
                    Finding::wrong(check, format!("cannot be corrected: {}", Chain(&why)), "try again")
                }
            };
        }
        looked(check, look, |miscounts| match &miscounts[..] {
            [] => Finding::ok(check, "the recorded sizes are correct"),
            wrong => Finding::wrong(check, described(wrong), "`listgate doctor --repair`"),
        })
    }

    fn spool(&self) -> Finding {
        let check = "spool";
        // While a gate runs, a file without a row may be mail that is arriving.
        let arriving = self.running.then(|| SystemTime::now() - self.config.transaction_timeout);
        let health = match self.health.spool(&self.data.spool(), arriving) {
            Ok(health) => health,
            Err(why) => {
                return Finding::wrong(
                    check,
                    Chain(&why).to_string(),
                    "see the finding about the data directory",
                );
            }
        };
        let SpoolHealth { files, lost, orphans, orphan_octets } = health;
        if !lost.is_empty() {
            return Finding::wrong(
                check,
                format!("the message is missing or cut short of {}", some(&lost)),
                "find the file in a backup's spool/, or give them up: `listgate queue remove ID`",
            );
        }
        if orphans > 0 {
            return Finding::note(
                check,
                format!("{orphans} files ({}) belong to no entry", ByteSize(orphan_octets)),
                "the next start of `listgate serve` removes them",
            );
        }
        Finding::ok(check, format!("large messages: {files}, each with its file"))
    }

    fn queues(&mut self) -> Vec<Finding> {
        let check = "queues";
        let backlogs = match self.health.backlogs() {
            Ok(Some(backlogs)) => backlogs,
            Ok(None) => return vec![unfinished(check)],
            Err(why) => return vec![unreadable(check, &why)],
        };
        let now = SystemTime::now();
        let mut findings = Vec::new();
        for backlog in &backlogs {
            let oldest = now.duration_since(backlog.oldest).unwrap_or_default();
            let due = backlog.due.and_then(|due| now.duration_since(due).ok()).unwrap_or_default();
            let what = if oldest > UNREAD && backlog.attempts == 0 {
                format!(
                    "{} entries wait, the oldest for {}, and none was ever leased",
                    backlog.entries,
                    age(oldest)
                )
            } else if due > UNREAD {
                format!("leased or deferred entries have been due for {}", age(due))
            } else {
                continue;
            };
            findings.push(Finding::note(
                check,
                format!("no consumer reads {}: {what}", backlog.queue),
                "start the program that processes this queue, or find out why it is stuck",
            ));
        }
        if let Ok(Some(shunted @ 1..)) = self.health.shunted() {
            findings.push(Finding::note(
                check,
                format!("shunted entries, which could not be handled: {shunted}"),
                "`listgate queue ls` shows why; `listgate queue retry` retries them",
            ));
        }
        if let Ok(Some(set_back @ 1..)) = self.health.set_back(milliseconds(now)) {
            findings.push(Finding::note(
                "clock",
                format!("entries leased or deferred by a clock that was ahead: {set_back}"),
                "they may be leased at once; keep the clock right with NTP",
            ));
        }
        if backlogs.iter().any(|backlog| backlog.newest > now + CLOCK) {
            findings.push(Finding::wrong(
                "clock",
                "there are entries that were received in the future",
                "set the clock, and keep it right with NTP",
            ));
        }
        if findings.is_empty() {
            let entries: u64 = backlogs.iter().map(|backlog| backlog.entries).sum();
            findings.push(Finding::ok(check, format!("entries that wait or are being processed: {entries}")));
        }
        findings
    }

    /// Checks whether posts leave.
    fn outgoing(&mut self) -> Finding {
        let (check, to) = ("outgoing", &self.config.outgoing_to);
        looked(check, self.health.outgoing(), |now| judge_outgoing(check, &now, &to.to_string()))
    }

    /// Checks whether bounces arrive with the tokens of their addresses.
    fn bounces(&mut self) -> Finding {
        let check = "bounces";
        let since = milliseconds(SystemTime::now() - RECENT_BOUNCES);
        looked(check, self.health.bounces(since), |(without, with)| {
            let found = format!("of the last week, with a valid token: {with}; without: {without}");
            if without < MANY_BOUNCES || without <= with {
                return Finding::ok(check, found);
            }
            let fix = "check that the mail server keeps the details of addresses, such as mylist-bounces+TOKEN@ \
                       (addresses.verp_delimiter); if it does, these bounces are forged or answer other mail";
            Finding::note(check, found, fix)
        })
    }

    fn lists(&self) -> Vec<Finding> {
        let check = "lists";
        let connection = self.health.connection();
        let counts = lists::count(connection).and_then(|count| Ok((count, lists::domains(connection)?)));
        let (count, domains) = match counts {
            Ok(counts) => counts,
            Err(why) => return vec![unreadable(check, &why)],
        };
        let mut findings = match count {
            0 => vec![Finding::note(
                check,
                "there is none, so no mail is taken",
                "`listgate list create mylist@example.com --owner ADDRESS`",
            )],
            count => vec![Finding::ok(check, format!("{count} (domains: {})", domains.len()))],
        };
        let empty = domains.iter().filter(|domain| domain.alias_of.is_none() && domain.lists == 0);
        let empty: Vec<String> = empty.map(|domain| domain.name.clone()).collect();
        if !empty.is_empty() {
            findings.push(Finding::note(
                "domains",
                format!("without lists: {}", some(&empty)),
                "create a list with `listgate list create`, or remove the domain with `listgate domain remove`",
            ));
        }
        findings.push(self.postmaster());
        findings
    }

    fn postmaster(&self) -> Finding {
        let check = "site.postmaster";
        match self.find_postmaster() {
            Ok(Ok(found)) => Finding::ok(check, found),
            // The owner is only the default, and may be chosen for other purposes.
            Ok(Err((found, fix))) if self.config.postmaster.is_none() => Finding::note(check, found, fix),
            Ok(Err((found, fix))) => Finding::wrong(check, found, fix),
            Err(why) => unreadable(check, &why),
        }
    }

    /// Finds out who gets mail to the postmasters, or why nobody does, and the fix.
    fn find_postmaster(&self) -> rusqlite::Result<Result<String, (String, String)>> {
        let refused = "so mail to postmaster@ and abuse@ is refused";
        let connection = self.health.connection();
        let engine = match self.config.engine_runs() {
            Some(runs) => runs,
            None => self.health.engine_runs_by_default()?,
        };
        let to = if engine { self.config.site_postmaster() } else { self.config.postmaster.clone() };
        let Some(to) = to else {
            let found = "the gate refuses mail to postmaster@ and abuse@; `listgate mta` leaves it to the mail server";
            let fix = match engine {
                true => "set site.postmaster to the address of a person",
                false => "if the owners of a list are to read it, set site.postmaster to that list",
            };
            return Ok(Err((found.to_owned(), fix.to_owned())));
        };
        let list = to.to_string().parse::<ListAddress>().ok();
        if let Some(ListAddress { local, domain }) = list {
            let names = Names { whole: local, base: None, domain };
            if lists::find(connection, &names)?.is_some() {
                return Ok(Ok(format!("the owners of {to}")));
            }
        }
        let is_here = lists::serves(connection, &comparable_domain(to.domain().as_str()))?;
        Ok(match (engine, is_here) {
            (true, false) => Ok(to.to_string()),
            (true, true) => Err((
                format!("{to} is in a domain of this site, but not a list, {refused}"),
                "set site.postmaster to a list, or to an address in another domain".to_owned(),
            )),
            (false, _) => Err((
                format!("the list {to} does not exist, {refused}"),
                format!("`listgate list create {to} --owner ADDRESS`, or name another list"),
            )),
        })
    }
}

/// Judges what waits to leave to `to`.
fn judge_outgoing(check: &'static str, now: &OutgoingNow, to: &str) -> Finding {
    let since = |time: SystemTime| SystemTime::now().duration_since(time).unwrap_or_default();
    let (posts, held) = (now.posts, now.held);
    if let Some((stopped, why)) = &now.stopped {
        return Finding::wrong(
            check,
            format!("the mail server has refused all mail for {}: {why}", age(since(*stopped))),
            format!(
                "have the server at {to} (outgoing.to) take mail from Listgate: see docs/outgoing.md; posts wait until then"
            ),
        );
    }
    if let Some(oldest) = now.oldest.map(since).filter(|oldest| *oldest > UNREAD) {
        let why = now.reason.as_deref().unwrap_or("nothing has tried to send them");
        let found = format!("{posts} posts wait to leave, the oldest for {}: {why}", age(oldest));
        let fix = format!(
            "`listgate post ls` shows each; `listgate serve` with the engine must run, and reach the server at {to} \
             (outgoing.to)"
        );
        return Finding::note(check, found, fix);
    }
    Finding::ok(check, format!("posts on their way: {posts}; posts that wait for moderators: {held}"))
}

fn foreign_schema(found: usize) -> Finding {
    let check = "database";
    if found > SCHEMA {
        let found = format!("a newer Listgate wrote it (schema {found}; this one knows {SCHEMA})");
        return Finding::wrong(check, found, "use that version");
    }
    let found = format!("an older Listgate wrote it (schema {found}; this one has {SCHEMA})");
    Finding::note(
        check,
        found,
        "the next start of `listgate serve` migrates it; run the doctor again after that",
    )
}

fn described(miscounts: &[Miscount]) -> String {
    let describe = |Miscount { queue, recorded, found }: &Miscount| {
        format!(
            "{queue} is recorded with {} entries of {} octets, and has {} of {}",
            recorded.0, recorded.1, found.0, found.1
        )
    };
    miscounts.iter().map(describe).collect::<Vec<_>>().join("; ")
}

/// Checks the clock, which ages, ids and Date lines depend on.
pub(super) fn clock() -> Finding {
    let now = SystemTime::now();
    let time = humantime::format_rfc3339_seconds(now).to_string();
    // The beginning of 2025.
    if now < UNIX_EPOCH + Duration::from_secs(1_735_689_600) {
        return Finding::wrong(
            "clock",
            format!("it says {time}"),
            "set the clock, and keep it right with NTP",
        );
    }
    Finding::ok("clock", time)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn posts_may_wait_for_an_hour_and_then_the_reason_is_noted() {
        let minutes = |minutes: u64| Some(SystemTime::now() - Duration::from_secs(minutes * 60));
        let why = Some("cannot connect".to_owned());
        for (oldest, reason, verdict, found) in [
            (None, None, Verdict::Ok, "posts on their way: 2"),
            (minutes(59), why.clone(), Verdict::Ok, "posts on their way: 2"),
            (minutes(125), why, Verdict::Note, "2 posts wait to leave, the oldest for 2h 5m: cannot connect"),
            (minutes(61), None, Verdict::Note, "the oldest for 1h 1m: nothing has tried to send them"),
        ] {
            let now = OutgoingNow { posts: 2, oldest, reason, ..OutgoingNow::default() };
            let finding = judge_outgoing("outgoing", &now, "smtp:127.0.0.1:25");
            assert_eq!(finding.verdict, verdict);
            assert!(finding.found.contains(found), "{}", finding.found);
        }
        let stopped = Some((SystemTime::now() - Duration::from_secs(300), "554 no".to_owned()));
        let finding =
            judge_outgoing("outgoing", &OutgoingNow { stopped, ..OutgoingNow::default() }, "smtp:x:25");
        assert_eq!(finding.verdict, Verdict::Wrong);
        assert_eq!(finding.found, "the mail server has refused all mail for 5m: 554 no");
        assert!(finding.fix.unwrap().contains("smtp:x:25 (outgoing.to)"));
    }
}
