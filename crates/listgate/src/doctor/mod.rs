//! Looks at a site, and says of each thing whether it is well, what was found, and the mend. It works
//! beside a running gate and without one, and changes nothing unless it is told to.

mod disk;
mod site;
mod store;

use crate::config::{Config, ConfigError};
use crate::homes::sqlite::DataDir;
use serde::Serialize;
use std::path::Path;

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

/// Examines a site and tells each finding as it comes. Without a configuration that can be read, the
/// rest is examined with the defaults.
pub(crate) fn examine<E>(
    file: Option<&Path>,
    config: Result<Config, ConfigError>,
    data: &DataDir,
    extent: Extent,
    mut tell: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let (config, readable) = match config {
        Ok(config) => (config, Ok(())),
        Err(why) => (Config::new(data.path()), Err(why)),
    };
    site::configuration(file, readable).into_iter().try_for_each(&mut tell)?;
    site::settings(&config).into_iter().try_for_each(&mut tell)?;
    let holder = data.holder();
    let running = matches!(&holder, Ok(Some(_)));
    tell(site::gate(data, holder))?;
    config.listen.iter().map(|address| site::address(address, running)).try_for_each(&mut tell)?;
    config.admin.map(|address| site::admin(address, running)).into_iter().try_for_each(&mut tell)?;
    if !data.path().is_dir() {
        return tell(Finding::wrong(
            "data directory",
            format!("there is no directory {}", data.path().display()),
            "name another --data-dir, or begin with `listgate serve` or `listgate list create`",
        ));
    }
    disk::directory(data).into_iter().try_for_each(&mut tell)?;
    tell(disk::space(data, config.min_free))?;
    tell(store::clock())?;
    if !data.database().exists() {
        return tell(Finding::note(
            "database",
            format!("there is none in {}", data.path().display()),
            "begin with `listgate serve` or `listgate list create`, or name another --data-dir",
        ));
    }
    // Nothing is written, not even for a moment, where no site is.
    tell(disk::syncs(data))?;
    match store::Store::open(data, &config, running, extent) {
        Ok(mut store) => store.examine(tell),
        Err(finding) => tell(finding),
    }
}
