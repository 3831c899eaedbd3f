//! Opens a site's backend for an operation.

use super::error::OperationError;
use crate::backends::mailman;
use crate::backends::sqlite::{self, DataDir};
use crate::backends::{Console, ListAdmin, Posts};
use crate::config::{BackendKind, Config};
use crate::engine::QUEUES;
use crate::model::{ChangeError, List, ListAddress, Name, Names};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The commands to use instead for the lists and domains of a Mailman site.
const MAILMANS_COMMANDS: &str = "use its commands, such as `mailman create`";

/// Opens the backend, whether or not a gate is running.
///
/// # Errors
/// The backend does not exist yet, or cannot be opened.
pub(crate) fn console(config: &Config) -> Result<Box<dyn Console>, OperationError> {
    match &config.backend {
        BackendKind::Sqlite => Ok(Box::new(sqlite::Console::open(&DataDir::new(&config.data_dir))?)),
        BackendKind::Mailman(site) => Ok(Box::new(mailman::Console::open(site)?)),
    }
}

/// Returns the list that answers to an address.
///
/// # Errors
/// The list does not exist, or the backend cannot be asked.
pub(super) async fn list_at(
    console: &dyn Console,
    address: &ListAddress,
) -> Result<Arc<List>, OperationError> {
    let ListAddress { local, domain } = address.clone();
    let names = Names { whole: local, base: None, domain };
    let list = console.find(&names, Instant::now()).await?;
    list.ok_or_else(|| ChangeError::NoList(address.clone()).into())
}

/// Returns the data directory, for operations that a Mailman site does itself: on `what`, and how to do it
/// `instead`.
///
/// # Errors
/// The backend is a Mailman site.
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

/// Checks whether commands may work a queue.
///
/// # Errors
/// The engine works it.
pub(crate) fn may_work(config: &Config, queue: Name) -> Result<(), OperationError> {
    if QUEUES.contains(&queue) && engine_runs(config) {
        return Err(OperationError::EngineWorks(queue));
    }
    Ok(())
}

/// Returns whether `listgate serve` runs the engine. If the data directory cannot be opened, it is false, and opening it
/// reports the reason.
pub(crate) fn engine_runs(config: &Config) -> bool {
    config.engine_runs().unwrap_or_else(|| {
        let console = sqlite::Console::open(&DataDir::new(&config.data_dir));
        console.is_ok_and(|console| pollster::block_on(console.runs_by_default()).unwrap_or(false))
    })
}

/// Access to lists and domains, to change them.
pub(crate) struct Lists {
    pub(crate) admin: Box<dyn ListAdmin>,
    /// The data directory, if it was created for this.
    pub(crate) created: Option<NewDirectory>,
}

/// A data directory that did not exist before. No gate runs on it.
pub(crate) struct NewDirectory {
    /// The absolute path.
    pub(crate) path: PathBuf,
}

/// Opens the lists and domains, for operations on `what`. With `creates`, creates the data directory if it does
/// not exist.
///
/// # Errors
/// The backend is a Mailman site, or the data directory does not exist or cannot be opened.
pub(crate) fn lists(config: &Config, what: &'static str, creates: bool) -> Result<Lists, OperationError> {
    let data = own_data(config, what, MAILMANS_COMMANDS)?;
    let is_new = creates && data.is_new();
    let open = if creates { sqlite::Console::open_or_create } else { sqlite::Console::open };
    let admin = Box::new(open(&data)?);
    let created = is_new.then(|| NewDirectory { path: data.absolute() });
    Ok(Lists { admin, created })
}
