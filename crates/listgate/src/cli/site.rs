//! The options common to all subcommands, and the configuration that they select.

use super::error::CliError;
use super::output::fitted;
use crate::backends::sqlite::DataDir;
use crate::config::{BackendKind, Config, ConfigError, Lines};
use crate::doctor::denied;
use crate::net::ListenAddress;
use crate::operations::{NewDirectory, OperationError};
use std::cell::OnceCell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// The options that every subcommand has.
#[derive(clap::Args)]
pub(super) struct Site {
    /// The directory of lists and queues [default: storage.data_dir, or ./var]
    #[arg(long, value_name = "DIR", env = "LISTGATE_DATA_DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// The configuration file, in TOML; optional
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Use the lists and queues of the GNU Mailman 3 site with this mailman.cfg
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) mailman: Option<PathBuf>,
    #[arg(skip)]
    loaded: OnceCell<Loaded>,
}

/// The configuration, and the line of the file that sets each key.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) lines: Lines,
}

impl Site {
    /// Returns the configuration from the options and the file. The files are read only once.
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

    /// Reads the configuration from the files as they are now.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        let mut config = self.config_without_file()?;
        let lines = self.config.as_ref().map(|file| config.load(file)).transpose()?.unwrap_or_default();
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(Loaded { config, lines })
    }

    /// Returns the configuration from the options alone.
    pub(super) fn config_without_file(&self) -> Result<Config, ConfigError> {
        let mut config = self.data_dir.as_ref().map_or_else(Config::default, Config::new);
        if let Some(cfg) = &self.mailman {
            config.follow_mailman(Some(cfg))?;
        }
        Ok(config)
    }

    /// Returns the server to send mail to: `named`, or else the gate of the configuration.
    pub(super) fn server(&self, named: Option<ListenAddress>) -> Result<ListenAddress, CliError> {
        match named {
            Some(server) => Ok(server),
            // Every configuration has at least one address.
            None => Ok(self.config()?.listen[0].clone()),
        }
    }

    /// Returns the part of the data that this user may not access, if that may be why it could not be opened.
    pub(super) fn denied(&self, why: &CliError) -> Option<PathBuf> {
        let opening = matches!(
            why,
            CliError::Operation(OperationError::Data(_))
                | CliError::Gate(_)
                | CliError::Consumer(_)
                | CliError::Backup(_)
        );
        match self.config() {
            Ok(config) if opening && matches!(config.backend, BackendKind::Sqlite) => {
                denied(&DataDir::new(&config.data_dir))
            }
            _ => None,
        }
    }
}

/// Prints a note if the data directory is new, since another one may have been intended.
pub(super) fn note_new_directory(
    out: &mut (impl Write + IsTerminal),
    created: Option<&NewDirectory>,
) -> io::Result<()> {
    let Some(NewDirectory { path }) = created else { return Ok(()) };
    let note = format!("note: the data directory {} is new, and no gate runs on it", path.display());
    writeln!(out, "{}", fitted(&note, out))
}

/// Waits for an operation to finish.
pub(super) fn wait<T>(operation: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CliError::system("start the runtime"))?;
    Ok(runtime.block_on(operation))
}

/// Waits for a fallible operation to finish.
pub(super) fn try_wait<T, E>(operation: impl Future<Output = Result<T, E>>) -> Result<T, CliError>
where
    CliError: From<E>,
{
    Ok(wait(operation)??)
}
