//! `listgate work`: runs a command for each entry, which its exit code settles.
//!
//! One thread does it all but what the store does, since what takes time are other processes. An entry is leased
//! when there is room to run a command for it, so that none lies idle here while another process could have it.

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
    /// The data directory, wherever the command goes.
    pub(crate) data: PathBuf,
    /// The time that one run of the command may take.
    pub(crate) timeout: Duration,
}

/// Works a queue with a command until a signal ends it, or everything is done if the plan is to drain it.
///
/// # Errors
/// The command cannot be run, the store cannot be used any more, or a second signal ended it.
pub(crate) fn run(consumer: Consumer, plan: Plan, command: CommandPlan) -> Result<(), WorkError> {
    if let Some(name) = command.command.first() {
        look::look_for(name).map_err(|why| WorkError::Processor(why.into()))?;
    }
    let failed = |operation| move |source| WorkError::System { operation, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("start"))?;
    runtime.block_on(async {
        let asked = Asked::listen().map_err(failed("hear signals"))?;
        let reaper = Reaper::start().map_err(failed("start a process that watches over the others"))?;
        let CommandPlan { command, data, timeout } = command;
        let handler = Handler { command, timeout, data, reaper };
        let (tell, stop) = watch::channel(Stop::default());
        tokio::spawn(asked.tell(tell));
        Worker::new(Arc::new(OnAThread(Arc::new(consumer))), handler, plan, stop).run().await
    })
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

    /// Tells the worker of each signal, for as long as there is one.
    async fn tell(mut self, worker: watch::Sender<Stop>) {
        for stop in [Stop::Finish, Stop::AtOnce] {
            self.next().await;
            worker.send_replace(stop);
        }
        worker.closed().await;
    }
}
