//! Looks at a site, and says of each thing whether it is well, what was found, and the mend. It works
//! beside a running gate and without one, and changes nothing unless it is told to.

mod disk;
mod mailman;
mod site;
mod store;

use crate::backends::Holder;
use crate::backends::sqlite::DataDir;
use crate::config::{Config, ConfigError, HomeKind};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use serde::Serialize;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a thing is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Worth knowing; perhaps it is meant so.
    Note,
    /// Mail is lost, refused or put off, or soon will be; or something cannot be looked at.
    Wrong,
}

/// What was found of one thing.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    pub(crate) mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    fn note(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, found: found.into(), mend: Some(mend.into()) }
    }

    fn wrong(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, found: found.into(), mend: Some(mend.into()) }
    }
}

/// How far an examination goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Looks at the database may take as long as they need.
    pub(crate) thorough: bool,
    /// What can be mended without losing anything is mended.
    pub(crate) repair: bool,
}

/// Mail that nobody has looked at for so long is looked at by nobody.
const UNREAD: Duration = Duration::from_secs(3600);

/// Names that are told of many.
const TOLD: usize = 5;

/// The mend where something may not be read or written.
pub(crate) const AS_THE_GATE: &str = "run this as the user that the gate runs as, or as root";

/// What of the data this user may not read and write. SQLite does not say so of a file that it cannot open.
pub(crate) fn denied(data: &DataDir) -> Option<PathBuf> {
    let used = [data.path().to_owned(), data.database(), data.log(), data.spool()];
    used.into_iter().find(|path| access(path, Access::READ_OK | Access::WRITE_OK) == Err(Errno::ACCESS))
}

/// Examines a site and tells each finding as it comes. `readable` says why `config` is without the file.
pub(crate) fn examine<E>(
    file: Option<&Path>,
    config: &Config,
    readable: Result<(), ConfigError>,
    data: &DataDir,
    extent: Extent,
    mut tell: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let site_is_known = !matches!(readable, Err(ConfigError::Mailman(_)));
    tell(site::configuration(file, readable))?;
    if !site_is_known {
        return Ok(());
    }
    site::settings(config).into_iter().try_for_each(&mut tell)?;
    match &config.home {
        HomeKind::Sqlite => own(config, data, extent, &mut tell),
        HomeKind::Mailman { config: cfg } => mailman::examine(cfg.as_deref(), config, &mut tell),
    }
}

/// A site whose lists and queues are Listgate's own.
fn own<E>(
    config: &Config,
    data: &DataDir,
    extent: Extent,
    mut tell: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let running = listening(config, data.path(), data.holder(), &mut tell)?;
    if !data.path().is_dir() {
        return tell(Finding::wrong(
            "data directory",
            format!("there is no directory {}", data.path().display()),
            "name another --data-dir, or begin with `listgate serve` or `listgate list create`",
        ));
    }
    disk::directory(data).into_iter().try_for_each(&mut tell)?;
    tell(disk::space(disk::with_free_pages(data), config.min_free))?;
    tell(store::clock())?;
    // One that may not be looked at may be there.
    if matches!(data.database().try_exists(), Ok(false)) {
        return tell(Finding::note(
            "database",
            format!("there is none in {}", data.path().display()),
            "begin with `listgate serve` or `listgate list create`, or name another --data-dir",
        ));
    }
    // Nothing is written, not even for a moment, where no site is.
    tell(disk::syncs(data))?;
    match store::Store::open(data, config, running, extent) {
        Ok(mut store) => store.examine(tell),
        Err(finding) => tell(finding),
    }
}

/// The gate that holds the lock in `dir`, and where it listens. Whether it is running.
fn listening<E>(
    config: &Config,
    dir: &Path,
    holder: io::Result<Holder>,
    mut tell: impl FnMut(Finding) -> Result<(), E>,
) -> Result<bool, E> {
    let running = matches!(&holder, Ok(Holder::Serving(_)));
    // One whose directory was replaced ends: nobody answers where it listens, and nobody else may listen there yet.
    let is_ending = matches!(&holder, Ok(Holder::Replaced(_)));
    tell(site::gate(dir, holder))?;
    if is_ending {
        return Ok(false);
    }
    config.listen.iter().map(|address| site::address(address, running)).try_for_each(&mut tell)?;
    config.socketmap.iter().map(|address| site::socketmap(address, running)).try_for_each(&mut tell)?;
    config.admin.map(|address| site::admin(address, running)).into_iter().try_for_each(&mut tell)?;
    Ok(running)
}

/// How long the oldest waits, in whole minutes.
fn age(oldest: Duration) -> impl fmt::Display {
    humantime::format_duration(Duration::from_secs(oldest.as_secs() / 60 * 60))
}

/// The first of many names, and how many more there are.
fn some(names: &[String]) -> String {
    let told = names[..names.len().min(TOLD)].join(" ");
    match names.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}
