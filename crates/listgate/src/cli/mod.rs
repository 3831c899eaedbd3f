//! The command line: one file for each subcommand.

mod backup;
mod bench;
mod check;
mod config;
mod doctor;
mod domain;
mod list;
mod log;
mod mta;
mod output;
mod queue;
mod send;
mod serve;
mod work;

use crate::backends::mailman::{self, SiteError};
use crate::backends::sqlite::backup::BackupError;
use crate::backends::sqlite::{self, DataDir, HomeError};
use crate::backends::{Answer, Client, ListAdmin};
use crate::bench::BenchError;
use crate::config::{Config, ConfigError, HomeKind, ListenAddress};
use crate::doctor::{AS_THE_GATE, denied};
use crate::model::ChangeError;
use crate::model::{EntryError, StoreError};
use crate::serve::GateError;
use crate::work::{SUBCOMMAND, WorkError, reap};
use clap::{Parser, Subcommand};
use output::fitted;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// The gate between a mail server and mailing lists.
///
/// A mail server hands it mail by LMTP; Listgate decides for each recipient whether it is a live
/// address of a list, and stores the message durably in the queue of whoever handles it.
#[derive(Parser)]
#[command(name = "listgate", version, max_term_width = 80)]
struct Cli {
    #[command(flatten)]
    site: Site,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand is told.
#[derive(clap::Args)]
struct Site {
    /// Where lists and queues live
    #[arg(long, value_name = "DIR", env = "LISTGATE_DATA_DIR", default_value = "./var", global = true)]
    data_dir: PathBuf,
    /// A configuration file (TOML); none is needed
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The mailman.cfg of a GNU Mailman 3 site: its lists and queues are used
    #[arg(long, value_name = "FILE", global = true)]
    mailman: Option<PathBuf>,
}

impl Site {
    fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.config_without_file()?;
        if let Some(file) = &self.config {
            config.apply(file)?;
        }
        Ok(config)
    }

    fn config_without_file(&self) -> Result<Config, ConfigError> {
        let mut config = Config::new(&self.data_dir);
        if let Some(cfg) = &self.mailman {
            config.follow_mailman(Some(cfg))?;
        }
        Ok(config)
    }

    /// The backend, for commands beside the gate.
    fn client(&self) -> Result<Box<dyn Client>, CliError> {
        match self.config()?.home {
            HomeKind::Sqlite => Ok(Box::new(sqlite::Client::open(&self.data())?)),
            HomeKind::Mailman { config } => Ok(Box::new(mailman::Client::open(config.as_deref())?)),
        }
    }

    /// The lists and domains, for commands that change them; what is missing is created if the command `creates`.
    fn list_admin(&self, what: &str, creates: bool) -> Result<Box<dyn ListAdmin>, CliError> {
        let data = self.own_data(what, MAILMANS_COMMANDS)?;
        let open = if creates { sqlite::Client::open_or_create } else { sqlite::Client::open };
        Ok(Box::new(open(&data)?))
    }

    /// The data directory, for commands about what a Mailman site keeps itself.
    fn own_data(&self, what: &str, instead: &str) -> Result<DataDir, CliError> {
        match self.config()?.home {
            HomeKind::Sqlite => Ok(self.data()),
            HomeKind::Mailman { .. } => {
                Err(CliError::Other(format!("{what} of a Mailman site are Mailman's own: {instead}")))
            }
        }
    }

    /// The server that mail is sent to: the gate of the configuration, unless another is named.
    fn server(&self, named: Option<ListenAddress>) -> Result<ListenAddress, CliError> {
        match named {
            Some(server) => Ok(server),
            // No configuration is without one.
            None => Ok(self.config()?.listen.swap_remove(0)),
        }
    }

    fn data(&self) -> DataDir {
        DataDir::new(&self.data_dir)
    }

    /// What of the data this user may not use, where that may be why it could not be opened.
    fn denied(&self, why: &CliError) -> Option<PathBuf> {
        let opening = matches!(
            why,
            CliError::Home(_) | CliError::Gate(_) | CliError::Consumer(_) | CliError::Backup(_)
        );
        let is_ours = matches!(self.config(), Ok(Config { home: HomeKind::Sqlite, .. }));
        (opening && is_ours).then(|| denied(&self.data())).flatten()
    }
}

#[derive(Subcommand)]
enum Command {
    /// Take mail by LMTP, until stopped by Ctrl-C or SIGTERM
    Serve(serve::Args),
    /// Create, remove, rename and show mailing lists
    #[command(subcommand)]
    List(list::Action),
    /// Add, remove and show domains and alias domains
    #[command(subcommand)]
    Domain(domain::Action),
    /// Say what RCPT would answer to addresses, and why
    Check(check::Args),
    /// Look into the queues, and hold, release, retry and remove their entries
    #[command(subcommand)]
    Queue(queue::Action),
    Work(work::Args),
    /// Ends the commands of `listgate work` when it is killed
    #[command(name = SUBCOMMAND, hide = true)]
    Reaper,
    /// Send a message to an LMTP server
    Send(send::Args),
    /// Print the mail server's side of these settings, ready to paste
    #[command(subcommand)]
    Mta(mta::Action),
    /// Examine the site: what is well, what is not, and the mend
    Doctor(doctor::Args),
    /// Copy the data directory while the gate runs, bodies included
    Backup(backup::Args),
    /// Load an LMTP server on this machine, and measure it
    Bench(bench::Args),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Action),
}

/// What to use instead for the lists and domains of a Mailman site.
const MAILMANS_COMMANDS: &str = "use its commands, such as `mailman create`";

/// Waits for the answer of a backend.
fn wait<T, E>(answer: Answer<'_, T, E>) -> Result<T, CliError>
where
    CliError: From<E>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(answer)?)
}

/// Why a command failed. Each text says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Mailman(#[from] SiteError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Consumer(#[from] crate::queue::Error),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Other(String),
}

/// Help, or what was wrong with the arguments, which clap does not wrap.
fn misused(why: &clap::Error) -> ExitCode {
    let said = why.to_string();
    let fits = fitted(&said, &io::stderr());
    if fits == said || !why.use_stderr() {
        why.exit();
    }
    eprint!("{fits}");
    ExitCode::from(2)
}

/// Runs the command line and returns the process's exit code: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let Cli { site, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => return misused(&why),
    };
    let done = match command {
        Command::Serve(args) => serve::run(&site, args),
        Command::List(action) => list::run(&site, action),
        Command::Domain(action) => domain::run(&site, action),
        Command::Check(args) => check::run(&site, args),
        Command::Queue(action) => queue::run(&site, action),
        Command::Work(args) => work::run(&site, args),
        Command::Reaper => reap().map(|()| ExitCode::SUCCESS).map_err(CliError::from),
        Command::Send(args) => send::run(&site, args),
        Command::Mta(action) => mta::run(&site, action),
        Command::Doctor(args) => doctor::run(&site, args),
        Command::Backup(args) => backup::run(&site, &args),
        Command::Bench(args) => bench::run(&site, args),
        Command::Config(action) => config::run(&site, action),
    };
    match done {
        Ok(code) => code,
        // Whoever reads us has read enough.
        Err(CliError::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(why) => {
            let why = match site.denied(&why) {
                Some(path) => format!("{}: permission denied: {AS_THE_GATE} ({why})", path.display()),
                None => why.to_string(),
            };
            eprintln!("{}", fitted(&format!("listgate: {why}"), &io::stderr()));
            ExitCode::FAILURE
        }
    }
}
