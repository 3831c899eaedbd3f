//! The plan of a worker, and how soon it is to end.

use super::progress::ProgressLine;
use crate::model::Name;
use std::time::Duration;

/// A plan for a worker: which queue to work, and how.
pub(crate) struct Plan {
    pub(crate) queue: Name,
    /// Whether to process one entry of a list at a time, in the order of arrival.
    pub(crate) ordered: bool,
    /// How many entries are processed at a time.
    pub(crate) jobs: usize,
    /// The number of attempts after which an entry is shunted.
    pub(crate) max_attempts: u32,
    /// How long a lease lasts, from when it is taken or extended.
    pub(crate) lease: Duration,
    /// Whether to end when no entry is left to lease.
    pub(crate) drain: bool,
    /// The line on standard error that shows the progress; `None`: it is not shown.
    pub(crate) progress: Option<ProgressLine>,
}

/// How soon a worker is to end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Stop {
    /// Not at all.
    #[default]
    Never,
    /// Once the entries that are being processed have ended.
    Finish,
    /// As soon as the entries that are being processed can be stopped.
    AtOnce,
}
