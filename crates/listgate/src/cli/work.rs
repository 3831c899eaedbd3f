//! `listgate work`

use super::error::CliError;
use super::log::{self, LogFormat};
use super::site::Site;
use crate::backends::sqlite::Consumer;
use crate::file_error::During;
use crate::model::{Clock, Name};
use crate::operations::{self, OperationError};
use crate::work::{self, CommandPlan, Plan, ProgressLine};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

/// Run a command for each entry of a queue
///
/// The command reads the message from its standard input. Exit code 0: the entry is done and
/// removed. 65 (EX_DATAERR): it is shunted, with the last lines of standard error as the reason,
/// until `listgate queue retry`. Any other code, usually 75 (EX_TEMPFAIL): it is retried after 10 s,
/// 20 s, 40 s, ... 1 h.
///
/// The environment has LISTGATE_ID, LISTGATE_QUEUE, LISTGATE_LIST_ID, LISTGATE_LISTNAME,
/// LISTGATE_SUBADDRESS, LISTGATE_DETAIL, LISTGATE_MAIL_FROM, LISTGATE_RECIPIENT, LISTGATE_RECEIVED_AT,
/// LISTGATE_MESSAGE_ID, LISTGATE_ATTEMPT, LISTGATE_MSGDATA as JSON, and LISTGATE_DATA_DIR.
///
/// Each entry is handled at least once, and by one process at a time. Ctrl-C lets running commands
/// finish; a second Ctrl-C ends them.
#[derive(clap::Args)]
pub(super) struct Args {
    /// in, command or bounces
    queue: Name,
    /// How many commands run at a time
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,
    /// Handle one entry of a list at a time, in the order of arrival
    #[arg(long)]
    ordered: bool,
    /// How long a command may run; then it is ended, and the entry is retried later
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    timeout: Duration,
    /// Shunt an entry after this many failures
    #[arg(long, value_name = "N", default_value = "20")]
    max_attempts: NonZeroU32,
    /// How long entries stay leased if this process dies
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    lease: Duration,
    /// Exit when nothing waits any more; deferred entries stay
    #[arg(long)]
    drain: bool,
    /// The format of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The reason a text is not a valid time for `listgate work`.
#[derive(Debug, thiserror::Error)]
enum TimeError {
    #[error("write a time such as 30s or 5m")]
    NotATime(#[from] humantime::DurationError),
    #[error("write at least 1s")]
    TooShort,
}

fn time(text: &str) -> Result<Duration, TimeError> {
    let time = humantime::parse_duration(text)?;
    if time < Duration::from_secs(1) { Err(TimeError::TooShort) } else { Ok(time) }
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let config = site.config()?;
    let instead = "`mailman start` starts the runners that work them";
    let own_data = operations::own_data(config, "the queues", instead)?;
    operations::may_work(config, args.queue)?;
    let is_shown = io::stderr().is_terminal() && args.log == LogFormat::Text;
    let progress = is_shown.then(ProgressLine::default);
    match &progress {
        Some(line) => log::start_above(line.clone()),
        None => log::start(args.log),
    }
    let consumer = Consumer::open(&own_data, Clock::default());
    let consumer = consumer.map_err(OperationError::from)?;
    let plan = Plan {
        queue: args.queue,
        ordered: args.ordered,
        jobs: args.jobs.get(),
        max_attempts: args.max_attempts.get(),
        lease: args.lease,
        drain: args.drain,
        progress,
    };
    let data = config.data_dir.canonicalize().during("look at", &config.data_dir)?;
    let command = CommandPlan { command: args.command, data, timeout: args.timeout };
    work::run(consumer, plan, command)?;
    Ok(ExitCode::SUCCESS)
}
