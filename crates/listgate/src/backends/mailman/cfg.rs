//! mailman.cfg, read as GNU Mailman 3.3.10 reads it: what Mailman passes by is passed by, and what
//! would make it fail is an error that names file, section and key.

mod database;
mod expand;
mod paths;
mod settings;
mod syntax;

use super::database::Database;
use crate::model::Name;
use expand::absolute;
use paths::{ONLY_MAILMAN_KNOWS, Paths};
use settings::Settings;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::{env, io};

/// What a gate in front of Mailman has to know of its site.
#[derive(Debug)]
pub(crate) struct Site {
    /// The file that was read; `None` when there is none, and Mailman has only its defaults.
    pub(crate) cfg: Option<PathBuf>,
    pub(crate) database: Database,
    /// The directories of the queues, in the order of [`Name::ALL`].
    pub(crate) queues: [PathBuf; 3],
    /// Where Mailman's runners put what they could not handle, and what they could not even read; `None`
    /// when only Mailman's program knows.
    pub(crate) shunt: Option<PathBuf>,
    pub(crate) bad: Option<PathBuf>,
    pub(crate) var_dir: PathBuf,
    /// Where Mailman writes Postfix's transport map; `None` when only Mailman's program knows.
    pub(crate) transport_map: Option<PathBuf>,
    /// Where Mailman's own LMTP runner would listen, and where Mailman tells Postfix that it does.
    pub(crate) lmtp: (String, u16),
    pub(crate) verp_delimiter: char,
    pub(crate) site_owner: String,
    /// Whether Mailman's own LMTP runner is switched on.
    pub(crate) lmtp_runner: bool,
}

/// Why a site's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CfgError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}, line {line}: {why}; Mailman does not start with such a line", path.display())]
    Syntax { path: PathBuf, line: usize, why: &'static str },
    #[error("{}: {why}", path.display())]
    Value { path: PathBuf, why: String },
    #[error("the path {} is not in UTF-8: move the site or the working directory", path.display())]
    NotText { path: PathBuf },
}

/// What besides the file decides what Mailman reads in it.
struct Surroundings {
    cwd: String,
    home: Option<OsString>,
    /// `MAILMAN_CONFIG_FILE`
    config_file: Option<OsString>,
    /// `MAILMAN_VAR_DIR`
    var_dir: Option<String>,
}

impl Site {
    /// Where LMTP is expected, as a socket address.
    ///
    /// # Errors
    /// The host has no address.
    pub(crate) fn lmtp_address(&self) -> Result<SocketAddr, String> {
        let (host, port) = &self.lmtp;
        let found = (host.as_str(), *port).to_socket_addrs().map(|mut all| all.next());
        found.ok().flatten().ok_or_else(|| format!("[mta] lmtp_host: {host} has no address"))
    }

    /// Where the gate keeps its lock and what is still arriving.
    pub(crate) fn own_dir(&self) -> PathBuf {
        self.var_dir.join("listgate")
    }

    /// How Mailman's own LMTP runner is switched off.
    pub(crate) fn switch_off(&self) -> String {
        let cfg = self.cfg.as_deref().unwrap_or(Path::new("mailman.cfg"));
        format!("write the lines `[runner.lmtp]` and `start: no` into {}, and restart Mailman", cfg.display())
    }

    /// Reads the file at `cfg`, or the one that Mailman would find.
    ///
    /// # Errors
    /// Mailman would not start with it either, or its database is one that is not supported.
    pub(crate) fn read(cfg: Option<&Path>) -> Result<Self, CfgError> {
        let cwd = env::current_dir().map_err(|source| CfgError::Read { path: PathBuf::from("."), source })?;
        let var_dir = env::var_os("MAILMAN_VAR_DIR").map(|dir| text(Path::new(&dir))).transpose()?;
        Self::read_in(
            &Surroundings {
                cwd: text(&cwd)?,
                home: env::var_os("HOME"),
                config_file: env::var_os("MAILMAN_CONFIG_FILE"),
                var_dir,
            },
            cfg,
        )
    }

    fn read_in(around: &Surroundings, cfg: Option<&Path>) -> Result<Self, CfgError> {
        let settings = Settings::read(around.find(cfg)?)?;
        let paths = Paths::new(&settings, around)?;
        let var_dir = paths.dir(&settings, "var_dir")?;
        let queue = |name: &str| queue(&settings, &paths, name, var_dir);
        let [input, command, bounces] = Name::ALL.map(|name| queue(name.as_str()));
        Ok(Self {
            database: database::read(&settings, &paths, var_dir)?,
            queues: [input?, command?, bounces?],
            shunt: queue("shunt").ok(),
            bad: queue("bad").ok(),
            var_dir: var_dir.into(),
            transport_map: paths
                .dir(&settings, "data_dir")
                .ok()
                .map(|dir| Path::new(dir).join("postfix_lmtp")),
            lmtp: (settings.get("mta", "lmtp_host").to_owned(), port(&settings)?),
            verp_delimiter: verp_delimiter(&settings)?,
            site_owner: settings.get("mailman", "site_owner").to_owned(),
            lmtp_runner: lmtp_runner(&settings)?,
            cfg: settings.cfg,
        })
    }
}

impl Surroundings {
    /// The site's file. Mailman follows the links of a file that it is given, not of one that it finds.
    fn find(&self, given: Option<&Path>) -> Result<Option<PathBuf>, CfgError> {
        let told = self.config_file.as_deref().filter(|file| !file.is_empty()).map(Path::new);
        if let Some(path) = given.or(told) {
            let real = Path::new(&self.cwd).join(path).canonicalize();
            return real.map(Some).map_err(|source| CfgError::Read { path: path.to_owned(), source });
        }
        let home = self.home.as_ref().map(|home| Path::new(home).join(".mailman.cfg"));
        // Mailman goes on to ../etc beside its own program, which we do not know.
        let places = [Some("mailman.cfg".into()), Some("var/etc/mailman.cfg".into()), home]
            .into_iter()
            .flatten()
            .chain(["/etc/mailman.cfg".into(), "/etc/mailman3/mailman.cfg".into()]);
        let found = places.map(|place| Path::new(&self.cwd).join(place)).find(|path| path.exists());
        found.map(|path| Ok(absolute(&self.cwd, &text(&path)?).into())).transpose()
    }
}

/// The directory of a queue. `mailman start` changes to `run_dir` before it starts the runners.
fn queue(settings: &Settings, paths: &Paths, name: &str, run_dir: &str) -> Result<PathBuf, CfgError> {
    let section = format!("runner.{name}");
    let wrong = |why| settings.wrong(&section, "path", why);
    let template = settings.get(&section, "path");
    if template.is_empty() {
        return Err(wrong("Mailman has no such queue then; remove the line or write $QUEUE_DIR/$name"));
    }
    let path = paths.expand(template, "name", name).ok_or_else(|| wrong(ONLY_MAILMAN_KNOWS))?;
    Ok(absolute(run_dir, &path).into())
}

fn port(settings: &Settings) -> Result<u16, CfgError> {
    let port = settings.get("mta", "lmtp_port").parse();
    port.map_err(|_| settings.wrong("mta", "lmtp_port", "is no port; write a number such as 8024"))
}

fn verp_delimiter(settings: &Settings) -> Result<char, CfgError> {
    let mut characters = settings.get("mta", "verp_delimiter").chars();
    match (characters.next(), characters.next()) {
        (Some(delimiter), None) => Ok(delimiter),
        _ => Err(settings.wrong("mta", "verp_delimiter", "write one character such as +")),
    }
}

fn lmtp_runner(settings: &Settings) -> Result<bool, CfgError> {
    match settings.get("runner.lmtp", "start").to_lowercase().as_str() {
        "true" | "yes" | "1" | "on" | "enabled" | "enable" => Ok(true),
        "false" | "no" | "0" | "off" | "disabled" | "disable" => Ok(false),
        _ => Err(settings.wrong("runner.lmtp", "start", "write yes or no")),
    }
}

fn text(path: &Path) -> Result<String, CfgError> {
    path.to_str().map(str::to_owned).ok_or_else(|| CfgError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
