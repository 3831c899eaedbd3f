//! The options that every subcommand has, and how they lead to the backend.

use super::error::CliError;
use crate::backends::mailman;
use crate::backends::sqlite::{self, DataDir};
use crate::backends::{Answer, Console, ListAdmin};
use crate::config::{BackendKind, Config, ConfigError, Lines};
use crate::doctor::denied;
use crate::net::ListenAddress;
use std::cell::OnceCell;
use std::path::PathBuf;

/// What to use instead for the lists and domains of a Mailman site.
const MAILMANS_COMMANDS: &str = "use its commands, such as `mailman create`";

/// The options that every subcommand has.
#[derive(clap::Args)]
pub(super) struct Site {
    /// Where lists and queues live [default: ./var]
    #[arg(long, value_name = "DIR", env = "LISTGATE_DATA_DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// A configuration file (TOML); none is needed
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// The mailman.cfg of a GNU Mailman 3 site: its lists and queues are used
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) mailman: Option<PathBuf>,
    #[arg(skip)]
    loaded: OnceCell<Loaded>,
}

/// The configuration, and the lines of the file that say it.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) lines: Lines,
}

impl Site {
    /// The configuration of the options and the file. The files are read once.
    pub(super) fn config(&self) -> Result<&Config, ConfigError> {
        Ok(&self.loaded()?.config)
    }

    pub(super) fn loaded(&self) -> Result<&Loaded, ConfigError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.load()?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// The same, read from the files as they are now.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        let mut config = self.config_without_file()?;
        let lines = self.config.as_ref().map(|file| config.load(file)).transpose()?.unwrap_or_default();
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(Loaded { config, lines })
    }

    /// The configuration of the options alone.
    pub(super) fn config_without_file(&self) -> Result<Config, ConfigError> {
        let mut config = self.data_dir.as_ref().map_or_else(Config::default, Config::new);
        if let Some(cfg) = &self.mailman {
            config.follow_mailman(Some(cfg))?;
        }
        Ok(config)
    }

    /// The backend, for commands beside the gate.
    pub(super) fn console(&self) -> Result<Box<dyn Console>, CliError> {
        let config = self.config()?;
        match &config.backend {
            BackendKind::Sqlite => Ok(Box::new(sqlite::Console::open(&DataDir::new(&config.data_dir))?)),
            BackendKind::Mailman(site) => Ok(Box::new(mailman::Console::open(site)?)),
        }
    }

    /// The lists and domains, for commands that change them; what is missing is created if the command `creates`.
    pub(super) fn list_admin(&self, what: &str, creates: bool) -> Result<Box<dyn ListAdmin>, CliError> {
        let data = self.own_data(what, MAILMANS_COMMANDS)?;
        let open = if creates { sqlite::Console::open_or_create } else { sqlite::Console::open };
        Ok(Box::new(open(&data)?))
    }

    /// The data directory, for commands about what a Mailman site keeps itself.
    pub(super) fn own_data(&self, what: &str, instead: &str) -> Result<DataDir, CliError> {
        let config = self.config()?;
        match &config.backend {
            BackendKind::Sqlite => Ok(DataDir::new(&config.data_dir)),
            BackendKind::Mailman(_) => {
                Err(CliError::Other(format!("{what} of a Mailman site are Mailman's own: {instead}")))
            }
        }
    }

    /// The server that mail is sent to: the gate of the configuration, unless another is named.
    pub(super) fn server(&self, named: Option<ListenAddress>) -> Result<ListenAddress, CliError> {
        match named {
            Some(server) => Ok(server),
            // No configuration is without one.
            None => Ok(self.config()?.listen[0].clone()),
        }
    }

    /// What of the data this user may not use, where that may be why it could not be opened.
    pub(super) fn denied(&self, why: &CliError) -> Option<PathBuf> {
        let opening = matches!(
            why,
            CliError::Data(_) | CliError::Gate(_) | CliError::Consumer(_) | CliError::Backup(_)
        );
        match self.config() {
            Ok(config) if opening && matches!(config.backend, BackendKind::Sqlite) => {
                denied(&DataDir::new(&config.data_dir))
            }
            _ => None,
        }
    }
}

/// Waits for the answer of a backend.
pub(super) fn wait<T, E>(answer: Answer<'_, T, E>) -> Result<T, CliError>
where
    CliError: From<E>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(answer)?)
}
