//! Reads mailman.cfg as GNU Mailman 3.3.10 does: what Mailman ignores is ignored, and what would make it fail is an
//! error that names file, section and key.

mod database;
mod error;
mod expand;
mod paths;
mod settings;
mod surroundings;
mod syntax;

pub(crate) use error::CfgError;

use super::database::Database;
use crate::model::Name;
use expand::absolute;
use paths::{ONLY_MAILMAN_KNOWS, Paths};
use settings::Settings;
use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use surroundings::Surroundings;

/// The facts that a gate in front of Mailman needs to know about its site.
#[derive(Debug)]
pub struct Site {
    /// The file that was read; `None` if there is none, so that Mailman uses only its defaults.
    pub(crate) cfg: Option<PathBuf>,
    pub(crate) database: Database,
    /// The directories of the queues, in the order of [`Name::ALL`].
    pub(crate) queues: [PathBuf; 3],
    /// The directory for files that Mailman's runners could not handle; `bad` is for those that they could not even
    /// read. `None` if only Mailman's program knows it.
    pub(crate) shunt: Option<PathBuf>,
    pub(crate) bad: Option<PathBuf>,
    pub(crate) var_dir: PathBuf,
    /// The path of Postfix's transport map, which Mailman writes; `None` if only Mailman's program knows it.
    pub(crate) transport_map: Option<PathBuf>,
    /// The host and port on which Mailman's own LMTP runner would listen, and which Mailman gives Postfix.
    pub(crate) lmtp: (String, u16),
    pub(crate) verp_delimiter: char,
    pub(crate) site_owner: String,
    /// Whether Mailman's own LMTP runner is enabled.
    pub(crate) lmtp_runner: bool,
}

impl Site {
    /// Returns where LMTP is expected: at all addresses of the host, because Mailman's runner listens on all of
    /// them. An address that this machine does not have is left out if there is another one: `localhost` may be
    /// `::1` on a machine where IPv6 is disabled.
    ///
    /// # Errors
    /// The host has no address.
    pub(crate) fn lmtp_addresses(&self) -> Result<Vec<SocketAddr>, CfgError> {
        let (host, port) = &self.lmtp;
        let mut found: Vec<SocketAddr> =
            (host.as_str(), *port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        let mut seen = HashSet::new();
        found.retain(|address| seen.insert(*address));
        if found.is_empty() {
            return Err(CfgError::NoAddress { host: host.clone() });
        }
        let ours: Vec<SocketAddr> = found.iter().copied().filter(is_of_this_machine).collect();
        Ok(if ours.is_empty() { found } else { ours })
    }

    /// Returns the directory for the gate's lock and for bodies that are still arriving.
    pub(crate) fn own_dir(&self) -> PathBuf {
        self.var_dir.join("listgate")
    }

    /// Returns instructions for ending Mailman's own LMTP runner. `mailman restart` would start it again, whatever
    /// mailman.cfg says now: only a new master process reads which runners to start.
    pub(crate) fn switch_off(&self) -> String {
        const STOP: &str = "stop Mailman and start it again (`mailman restart` keeps the runner)";
        if !self.lmtp_runner {
            return STOP.to_owned();
        }
        let cfg = self.cfg.as_deref().unwrap_or(Path::new("mailman.cfg"));
        format!("write the lines `[runner.lmtp]` and `start: no` into {}, then {STOP}", cfg.display())
    }

    /// Reads the file at `cfg`, or the one that Mailman would find.
    ///
    /// # Errors
    /// Mailman would not start with this file either, or it uses a database that Listgate does not support.
    pub(crate) fn read(cfg: Option<&Path>) -> Result<Self, CfgError> {
        Self::read_in(&Surroundings::now()?, cfg)
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

/// Returns whether this machine has the address. It binds a free port, because the real one may be in use.
fn is_of_this_machine(address: &SocketAddr) -> bool {
    let bound = TcpListener::bind((address.ip(), 0));
    !bound
        .is_err_and(|why| matches!(why.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported))
}

/// Returns the directory of a queue. A relative path starts at `run_dir`, because `mailman start` changes to it
/// before it starts the runners.
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
    port.map_err(|_| settings.wrong("mta", "lmtp_port", "is not a port; write a number such as 8024"))
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

#[cfg(test)]
mod tests;
