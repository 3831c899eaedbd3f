//! `listgate work`: leases entries of a queue, runs a command for each, and settles them by its exit code.
//!
//! One thread does it all, since what takes time are other processes. An entry is leased when there is
//! room to run a command for it, so that none lies idle here while another process could have it.

mod command;
mod progress;

use crate::limits;
use crate::model::{Entry, Lease, Verdict};
use crate::queue::{Error, Queue};
use command::handler::{self, Handler, Report};
use command::reaper::Reaper;
pub(crate) use command::reaper::{SUBCOMMAND, run as reap};
use progress::Progress;
pub(crate) use progress::erase as erase_progress;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// What is to be done.
pub(crate) struct Plan {
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The data directory, wherever the command goes.
    pub(crate) data: PathBuf,
    pub(crate) jobs: usize,
    /// The time that one run of the command may take.
    pub(crate) timeout: Duration,
    /// The attempts after which an entry is shunted.
    pub(crate) max_attempts: u32,
    /// For how long an entry is leased at a time.
    pub(crate) lease: Duration,
    /// End when nothing is left that could be leased.
    pub(crate) drain: bool,
    /// Draw a line about it on standard error.
    pub(crate) progress: bool,
}

/// Why `listgate work` ends before it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Queue(#[from] Error),
    #[error("cannot {operation}: {source}")]
    System { operation: &'static str, source: io::Error },
    #[error("command {0} not found: give its path, or add its directory to PATH")]
    NoCommand(String),
    #[error("command {0:?} not found: to run a line of shell, write `-- sh -c {0:?}`")]
    Shell(String),
    #[error("{0} is not executable for this user: `chmod +x {0}`")]
    NotExecutable(String),
    #[error("{0} is a directory: give the path of a command")]
    Directory(String),
    #[error("cannot run {command}: {source} ({}); its entry waits again", fix(source))]
    Command { command: String, source: io::Error },
    #[error("stopped at once; what ran waits again")]
    Stopped,
}

/// Works `queue` until it is told to end, or everything is done if the plan is to drain it.
pub(crate) fn run(queue: Queue, plan: Plan) -> Result<(), WorkError> {
    if let Some(command) = plan.command.first() {
        look_for(command)?;
    }
    let failed = |operation| move |source| WorkError::System { operation, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("start"))?;
    runtime.block_on(async {
        let asked = Asked::listen().map_err(failed("hear signals"))?;
        let reaper = Reaper::start().map_err(failed("start a process that watches over the others"))?;
        let (command, data) = (plan.command.clone(), plan.data.clone());
        let handler = Handler { command, timeout: plan.timeout, data, reaper };
        let progress = Progress::new(plan.progress);
        let worker = Worker {
            queue,
            handler: Arc::new(handler),
            plan,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            ended: Vec::new(),
            resume: Instant::now(),
            extended: SystemTime::now(),
            progress,
            stop: None,
        };
        worker.run(asked).await
    })
}

/// Looks for the command before an entry is leased for it.
fn look_for(command: &OsStr) -> Result<(), WorkError> {
    let may_run = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let shown = || command.to_string_lossy().into_owned();
    let path = Path::new(command);
    let is_there = if command.as_bytes().contains(&b'/') {
        may_run(path)
    } else {
        // Where there is no PATH, the system has one of its own.
        env::var_os("PATH").is_none_or(|path| env::split_paths(&path).any(|dir| may_run(&dir.join(command))))
    };
    if is_there {
        Ok(())
    } else if path.is_dir() {
        Err(WorkError::Directory(shown()))
    } else if path.exists() && command.as_bytes().contains(&b'/') {
        Err(WorkError::NotExecutable(shown()))
    } else if command.as_bytes().iter().any(u8::is_ascii_whitespace) {
        Err(WorkError::Shell(shown()))
    } else {
        Err(WorkError::NoCommand(shown()))
    }
}

/// What to do about a command that is there and cannot be run.
fn fix(why: &io::Error) -> &'static str {
    match Errno::from_io_error(why) {
        Some(Errno::NOENT) => "the interpreter behind its #! is not there",
        Some(Errno::NOEXEC) => {
            "a script begins with a line such as #!/bin/sh, a program is for this processor"
        }
        Some(Errno::TXTBSY) => "another process is writing it",
        Some(Errno::ACCESS | Errno::PERM) => "make it executable for this user, and its interpreter too",
        _ => "see to its path and its format",
    }
}

/// Ctrl-C, SIGTERM, and SIGHUP where a terminal is closed: the first asks to finish what runs, the next to end
/// it.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Asked {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// A command that runs for an entry.
struct Running {
    lease: Lease,
    started: Instant,
    stop: oneshot::Sender<()>,
}

struct Worker {
    queue: Queue,
    handler: Arc<Handler>,
    plan: Plan,
    tasks: JoinSet<io::Result<Report>>,
    running: HashMap<Id, Running>,
    /// What is yet to be settled.
    ended: Vec<(Lease, Verdict)>,
    /// Nothing is leased before this, as the store could not be read or written.
    resume: Instant,
    /// When the leases were last extended, by the clock that they end by.
    extended: SystemTime,
    progress: Progress,
    /// No more is leased; this is the reason to give at the end.
    stop: Option<Result<(), WorkError>>,
}

impl Worker {
    async fn run(mut self, mut asked: Asked) -> Result<(), WorkError> {
        let mut extend = interval(self.plan.lease / 3);
        extend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.settle()?;
            let nothing_waits = self.stop.is_some() || !self.lease()? && self.plan.drain;
            // Whoever asked twice does not wait for a store that is away: those leases lapse.
            let settled = self.ended.is_empty() || matches!(self.stop, Some(Err(WorkError::Stopped)));
            if nothing_waits && self.running.is_empty() && settled {
                break;
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = sleep(limits::POLL) => {}
                _ = extend.tick() => self.extend()?,
                () = asked.next() => self.asked_to_stop(),
            }
            // More than one may have ended: they are settled together.
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.ended(ended);
            }
            self.progress.draw(self.running.len());
        }
        self.progress.end();
        self.stop.unwrap_or(Ok(()))
    }

    /// Leases what there is room for. Says whether anything may be left to lease.
    fn lease(&mut self) -> Result<bool, WorkError> {
        // After the machine slept, or its clock was set forward, what runs here may be free to lease too.
        let since = SystemTime::now().duration_since(self.extended).unwrap_or_default();
        if since > self.plan.lease / 2 && !self.is_paused() {
            self.extend()?;
        }
        let room = self.plan.jobs - self.running.len();
        if room == 0 || self.is_paused() {
            return Ok(true);
        }
        let leases = match self.queue.lease(room, self.plan.lease) {
            Ok(leases) => leases,
            Err(why) => {
                self.pause(why)?;
                return Ok(true);
            }
        };
        let some = !leases.is_empty();
        for lease in leases {
            self.start(lease);
        }
        Ok(some)
    }

    fn start(&mut self, lease: Lease) {
        // Whoever had it last may have been killed each time, and told nobody.
        if lease.entry.attempts > self.plan.max_attempts {
            let last = lease.entry.state.reason().unwrap_or("no reason is known");
            let why = format!("given up after {} attempts: {last}", self.plan.max_attempts);
            self.ended.push((lease, Verdict::Shunt { why }));
            return;
        }
        let message = self.queue.message(&lease).map_err(io::Error::other);
        let message = match message.and_then(|message| handler::as_file(message, lease.entry.size)) {
            Ok(message) => message,
            Err(why) => {
                let verdict = handler::failure(&lease, why.to_string(), self.plan.max_attempts);
                self.ended.push((lease, verdict));
                return;
            }
        };
        let (stop, stopped) = oneshot::channel();
        let handler = Arc::clone(&self.handler);
        let entry = lease.entry.clone();
        let task = self.tasks.spawn(async move { handler.run(&entry, message, stopped).await });
        self.running.insert(task.id(), Running { lease, started: Instant::now(), stop });
    }

    fn ended(&mut self, ended: Result<(Id, io::Result<Report>), JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, report),
            Err(why) => (why.id(), Err(io::Error::other(why))),
        };
        let Running { lease, started, .. } = self.running.remove(&id).expect("each task has its entry");
        let verdict = match report {
            Ok(report) => handler::verdict(&lease, &report, self.plan.timeout, self.plan.max_attempts),
            Err(source) if is_misconfigured(&source) => {
                let command = self.plan.command.first().map(|name| name.to_string_lossy().into_owned());
                let command = command.unwrap_or_default();
                self.stop.get_or_insert(Err(WorkError::Command { command, source }));
                Verdict::Release
            }
            Err(why) => handler::failure(&lease, format!("cannot run it: {why}"), self.plan.max_attempts),
        };
        log(&lease.entry, &verdict, started);
        self.ended.push((lease, verdict));
    }

    /// Settles what has ended. What cannot be settled now is tried again while its lease lasts.
    fn settle(&mut self) -> Result<(), WorkError> {
        if self.ended.is_empty() || self.is_paused() {
            return Ok(());
        }
        let settled = match self.queue.settle(&self.ended) {
            Ok(settled) => settled,
            Err(why) => return self.pause(why),
        };
        for ((lease, verdict), settled) in self.ended.drain(..).zip(settled) {
            if settled.is_err() {
                tracing::warn!(
                    id = %lease.entry.id,
                    "its lease had lapsed, or it was removed: the verdict does not count"
                );
            }
            self.progress.count(&verdict, settled.is_ok());
        }
        Ok(())
    }

    fn extend(&mut self) -> Result<(), WorkError> {
        let (ids, leases): (Vec<Id>, Vec<&Lease>) =
            self.running.iter().map(|(id, running)| (*id, &running.lease)).unzip();
        let settled = self.ended.iter().map(|(lease, _)| lease);
        let leases: Vec<&Lease> = leases.into_iter().chain(settled).collect();
        let now = SystemTime::now();
        match self.queue.extend(&leases, self.plan.lease) {
            Ok(extended) => {
                self.extended = now;
                let stale = ids.into_iter().zip(extended).filter(|(_, extended)| extended.is_err());
                // Another has the entry or will, so that nothing may go on with it here.
                stale.for_each(|(id, _)| self.stop_one(id));
                Ok(())
            }
            Err(why) => self.pause(why),
        }
    }

    fn stop_one(&mut self, id: Id) {
        if let Some(running) = self.running.get_mut(&id) {
            let (gone, _) = oneshot::channel();
            // It may have ended by itself.
            let _ = std::mem::replace(&mut running.stop, gone).send(());
        }
    }

    fn asked_to_stop(&mut self) {
        if self.stop.is_none() {
            self.stop = Some(Ok(()));
            tracing::info!("finishing {} that run; ask again to end them", self.running.len());
            return;
        }
        self.stop = Some(Err(WorkError::Stopped));
        let ids: Vec<Id> = self.running.keys().copied().collect();
        ids.into_iter().for_each(|id| self.stop_one(id));
    }

    fn is_paused(&self) -> bool {
        Instant::now() < self.resume
    }

    /// What may be better in a while is waited for; what is final is not.
    fn pause(&mut self, why: Error) -> Result<(), WorkError> {
        let Error::Unavailable(_) = why else { return Err(why.into()) };
        tracing::warn!("{why}; trying again");
        self.resume = Instant::now() + limits::STORE_PAUSE;
        Ok(())
    }
}

/// Whether no entry could be handled, whichever it is (execve(2)). A lack of memory or descriptors passes, and
/// too much environment is of one entry.
fn is_misconfigured(why: &io::Error) -> bool {
    let of_the_command = [
        Errno::NOENT,
        Errno::ACCESS,
        Errno::PERM,
        Errno::NOEXEC,
        Errno::TXTBSY,
        Errno::LIBBAD,
        Errno::ISDIR,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::NAMETOOLONG,
    ];
    Errno::from_io_error(why).is_some_and(|errno| of_the_command.contains(&errno))
}

/// One line for each entry.
fn log(entry: &Entry, verdict: &Verdict, started: Instant) {
    let (word, why) = match verdict {
        Verdict::Done => ("done", ""),
        Verdict::Retry { why, .. } => ("put off", why.as_str()),
        Verdict::Shunt { why } => ("shunted", why.as_str()),
        Verdict::Release => ("released", ""),
    };
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (id, list) = (&entry.id, &entry.list_id);
    if why.is_empty() {
        tracing::info!(%id, list, attempt = entry.attempts, ms, "{word}");
    } else {
        tracing::warn!(%id, list, attempt = entry.attempts, ms, why, "{word}");
    }
}
