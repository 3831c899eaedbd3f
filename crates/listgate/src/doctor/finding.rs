//! Findings, and how they are shown.

use crate::backends::sqlite::DataDir;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The verdict of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Worth knowing, but possibly intended.
    Note,
    /// Mail is lost, refused or deferred, or soon will be; or a check could not be made.
    Wrong,
}

/// The result of a check.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    #[serde(rename = "mend")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    pub(super) fn note(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn wrong(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, found: found.into(), fix: Some(fix.into()) }
    }
}

/// The extent of an examination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Whether checks of the database may take as long as they need.
    pub(crate) thorough: bool,
    /// Whether to fix what can be fixed without losing anything.
    pub(crate) repair: bool,
}

/// How long the oldest entry of a queue may wait before the queue counts as unread.
pub(super) const UNREAD: Duration = Duration::from_secs(3600);

/// The number of names that a list of names shows.
pub(super) const NAMED: usize = 5;

/// The advice if permission is denied.
pub(crate) const AS_THE_GATE: &str = "run this as the user that the gate runs as, or as root";

/// Returns a part of the data that this user may not read and write. SQLite does not give this reason for a file
/// that it cannot open.
pub(crate) fn denied(data: &DataDir) -> Option<PathBuf> {
    let used = [data.path().to_owned(), data.database(), data.log(), data.spool()];
    used.into_iter().find(|path| access(path, Access::READ_OK | Access::WRITE_OK) == Err(Errno::ACCESS))
}

/// Formats how long the oldest entry has waited, in whole minutes.
pub(super) fn age(oldest: Duration) -> impl fmt::Display {
    humantime::format_duration(Duration::from_secs(oldest.as_secs() / 60 * 60))
}

/// Formats the first few names, and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    let first = names[..names.len().min(NAMED)].join(" ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
