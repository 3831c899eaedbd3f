//! Examines a site, and reports for each check the verdict, what was found, and the fix. It works with or without a
//! running gate, and changes nothing unless asked to.

mod disk;
mod finding;
mod mailman;
mod send_test;
mod site;
mod store;

use crate::backends::sqlite::DataDir;
pub(crate) use finding::{AS_THE_GATE, Extent, Finding, Verdict, denied};
pub(crate) use send_test::send_test;

use crate::config::{BackendKind, Config, ConfigError};
use std::path::Path;

/// Examines a site and passes each finding to `report` as soon as it is known. If `readable` is an error, `config`
/// lacks the settings of the file.
pub(crate) fn examine<E>(
    file: Option<&Path>,
    config: &Config,
    readable: Result<(), ConfigError>,
    extent: Extent,
    mut report: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let site_is_known = !matches!(&readable, Err(why) if why.is_of_mailman());
    report(site::configuration(file, readable))?;
    if !site_is_known {
        return Ok(());
    }
    site::settings(config).into_iter().try_for_each(&mut report)?;
    match &config.backend {
        BackendKind::Sqlite => own(config, &DataDir::new(&config.data_dir), extent, &mut report),
        BackendKind::Mailman(site) => mailman::examine(site, config, &mut report),
    }
}

/// Examines a site whose lists and queues are Listgate's own.
fn own<E>(
    config: &Config,
    data: &DataDir,
    extent: Extent,
    mut report: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let running = site::listening(config, data.path(), data.holder(), &mut report)?;
    if !data.path().is_dir() {
        return report(Finding::wrong(
            "data directory",
            format!("{} does not exist, or is not a directory", data.path().display()),
            "use another --data-dir, or start with `listgate serve` or `listgate list create`",
        ));
    }
    disk::directory(data).into_iter().try_for_each(&mut report)?;
    report(disk::space(disk::with_free_pages(data), config.min_free))?;
    report(store::clock())?;
    // A database that this user may not look at may exist.
    if matches!(data.database().try_exists(), Ok(false)) {
        return report(Finding::note(
            "database",
            format!("there is none in {}", data.path().display()),
            "start with `listgate serve` or `listgate list create`, or use another --data-dir",
        ));
    }
    // This check writes a file, so it runs only where there is a site.
    report(disk::syncs(data))?;
    match store::Store::open(data, config, running, extent) {
        Ok(mut store) => store.examine(report),
        Err(finding) => report(finding),
    }
}
