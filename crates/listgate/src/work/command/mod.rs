//! `listgate work`: runs a command for each entry, and settles the entry by the command's exit code.
//!
//! One thread does everything except the store's work, because the time is spent in other processes. An entry is
//! leased only when there is room to run a command for it, so that none waits here while another process could
//! handle it.

mod handler;
mod look;
pub(super) mod reaper;

use super::error::WorkError;
use super::on_a_thread::OnAThread;
use super::plan::{Plan, Stop};
use super::worker::Worker;
use crate::backends::sqlite::Consumer;
use handler::Handler;
use reaper::Reaper;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The command, and what it needs.
pub(crate) struct CommandPlan {
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The data directory, as an absolute path: the command may change its working directory.
    pub(crate) data: PathBuf,
    /// The time that one run of the command may take.
    pub(crate) timeout: Duration,
}

/// Works a queue with a command until a signal ends it or, if the plan is to drain the queue, no entry is left to
/// lease.
///
/// # Errors
/// The command cannot be run, the store can no longer be used, or a second signal ended the run.
pub(crate) fn run(consumer: Consumer, plan: Plan, command: CommandPlan) -> Result<(), WorkError> {
    if let Some(name) = command.command.first() {
        look::look_for(name).map_err(|why| WorkError::Processor(why.into()))?;
    }
    let failed = |operation| move |source| WorkError::System { operation, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("start"))?;
    runtime.block_on(async {
        let signals = StopSignals::listen().map_err(failed("listen for signals"))?;
        let reaper = Reaper::start().map_err(failed("start a process that watches over the others"))?;
        let CommandPlan { command, data, timeout } = command;
        let handler = Handler { command, timeout, data, reaper };
        let (sender, stop) = watch::channel(Stop::default());
        tokio::spawn(signals.forward_to(sender));
        Worker::new(Arc::new(OnAThread(Arc::new(consumer))), handler, plan, stop).run().await
    })
}

/// The signals that ask the worker to end: Ctrl-C, SIGTERM, and SIGHUP from a closed terminal. The first asks it
/// to finish the running commands, the next to end them.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
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

    /// Passes each signal on to the worker for as long as the worker exists.
    async fn forward_to(mut self, worker: watch::Sender<Stop>) {
        self.next().await;
        tracing::info!("stopping when the running commands have ended; a second signal ends them now");
        worker.send_replace(Stop::Finish);
        self.next().await;
        worker.send_replace(Stop::AtOnce);
        worker.closed().await;
    }
}
