//! Chooses the backend, which stores lists and queues.

use super::error::ValueError;
use super::kind::{self, Written};
use crate::backends::mailman::cfg::{CfgError, Site};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The backend that stores lists and queues.
#[derive(Clone, Debug)]
pub enum BackendKind {
    /// SQLite, in the data directory.
    Sqlite,
    /// A GNU Mailman 3 site, as its mailman.cfg was when it was read.
    Mailman(Arc<Site>),
}

impl BackendKind {
    /// Returns what to do if Mailman's own LMTP runner has an address that the setting `key` chose.
    pub(crate) fn fix_for_mailmans_runner(&self, key: &str) -> String {
        match self {
            Self::Sqlite => format!("choose another {key}"),
            Self::Mailman(site) => site.switch_off(),
        }
    }
}

/// The backend that a file chooses.
pub(super) enum Choice {
    Sqlite,
    Mailman(Box<FoundSite>),
    /// The backend that was chosen already, for example by `--mailman`.
    Kept,
}

/// A Mailman site, and where it expects mail.
pub(super) struct FoundSite {
    pub(super) site: Site,
    pub(super) addresses: Vec<SocketAddr>,
}

impl FoundSite {
    /// Reads the mailman.cfg at `cfg`, or the one that Mailman would find.
    pub(super) fn read(cfg: Option<&Path>) -> Result<Self, CfgError> {
        let site = Site::read(cfg)?;
        let addresses = site.lmtp_addresses()?;
        Ok(Self { site, addresses })
    }
}

impl BackendKind {
    /// Returns the backend that `storage.backend` chooses.
    pub(super) fn by_name(&self, written: &Written<'_>) -> Result<Choice, ValueError> {
        match (written.value.as_str(), self) {
            (Some("sqlite"), _) => Ok(Choice::Sqlite),
            (Some("mailman"), Self::Mailman(_)) => Ok(Choice::Kept),
            (Some("mailman"), Self::Sqlite) => chosen(None),
            _ => Err(written.expected("\"sqlite\" or \"mailman\"")),
        }
    }

    /// Returns the backend that `mailman.config` chooses.
    pub(super) fn by_cfg(&self, written: &Written<'_>) -> Result<Choice, ValueError> {
        let cfg = written.read(&kind::PATH)?;
        match self {
            Self::Mailman(_) => Ok(Choice::Kept),
            Self::Sqlite => chosen(Some(&cfg)),
        }
    }

    /// Returns the value of `storage.backend`.
    pub(super) fn name(&self) -> Value {
        match self {
            Self::Sqlite => "sqlite".into(),
            Self::Mailman(_) => "mailman".into(),
        }
    }

    /// Returns the value of `mailman.config`.
    pub(super) fn cfg(&self) -> Value {
        match self {
            Self::Sqlite => Value::Null,
            Self::Mailman(site) => json!(site.cfg),
        }
    }
}

fn chosen(cfg: Option<&Path>) -> Result<Choice, ValueError> {
    let site = FoundSite::read(cfg).map_err(|why| ValueError::Mailman(why.into()))?;
    Ok(Choice::Mailman(Box::new(site)))
}
