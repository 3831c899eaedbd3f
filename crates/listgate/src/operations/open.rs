//! Opens a site's backend for an operation.

use super::error::OperationError;
use crate::backends::mailman;
use crate::backends::sqlite::{self, DataDir};
use crate::backends::{Console, ListAdmin};
use crate::config::{BackendKind, Config};
use std::path::{self, PathBuf};

/// What to use instead for the lists and domains of a Mailman site.
const MAILMANS_COMMANDS: &str = "use its commands, such as `mailman create`";

/// The backend, beside a gate or without one.
///
/// # Errors
/// There is none yet, or it cannot be opened.
pub(crate) fn console(config: &Config) -> Result<Box<dyn Console>, OperationError> {
    match &config.backend {
        BackendKind::Sqlite => Ok(Box::new(sqlite::Console::open(&DataDir::new(&config.data_dir))?)),
        BackendKind::Mailman(site) => Ok(Box::new(mailman::Console::open(site)?)),
    }
}

/// The data directory, for operations on what a Mailman site keeps itself: `what`, and how it is done `instead` there.
///
/// # Errors
/// It is a Mailman site.
pub(crate) fn own_data(
    config: &Config,
    what: &'static str,
    instead: &'static str,
) -> Result<DataDir, OperationError> {
    match &config.backend {
        BackendKind::Sqlite => Ok(DataDir::new(&config.data_dir)),
        BackendKind::Mailman(_) => Err(OperationError::OfMailman { what, instead }),
    }
}

/// Lists and domains, to be changed.
pub(crate) struct Lists {
    pub(crate) admin: Box<dyn ListAdmin>,
    /// The data directory, if it was created for this.
    pub(crate) created: Option<NewDirectory>,
}

/// A data directory that was not there before. No gate runs on it.
pub(crate) struct NewDirectory {
    /// Absolute.
    pub(crate) path: PathBuf,
}

/// Lists and domains, for operations on `what`. With `creates`, a data directory that is not there is created.
///
/// # Errors
/// It is a Mailman site, there is none yet, or it cannot be opened.
pub(crate) fn lists(config: &Config, what: &'static str, creates: bool) -> Result<Lists, OperationError> {
    let data = own_data(config, what, MAILMANS_COMMANDS)?;
    // Where that cannot be looked at, opening it says why.
    let is_new = creates && matches!(data.database().try_exists(), Ok(false));
    let open = if creates { sqlite::Console::open_or_create } else { sqlite::Console::open };
    let admin = Box::new(open(&data)?);
    let created = is_new.then(|| NewDirectory {
        path: path::absolute(data.path()).unwrap_or_else(|_| data.path().to_owned()),
    });
    Ok(Lists { admin, created })
}
