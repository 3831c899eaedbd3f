//! What a worker is to do, and until when.

use super::progress::ProgressLine;
use crate::model::Name;
use std::time::Duration;

/// What is to be worked, and how.
pub(crate) struct Plan {
    pub(crate) queue: Name,
    /// One entry of a list at a time, in the order of arrival.
    pub(crate) ordered: bool,
    /// How many entries are processed at a time.
    pub(crate) jobs: usize,
    /// The attempts after which an entry is shunted.
    pub(crate) max_attempts: u32,
    /// For how long an entry is leased at a time.
    pub(crate) lease: Duration,
    /// End when nothing is left that could be leased.
    pub(crate) drain: bool,
    /// The line of standard error that shows how far it is; `None`: it is not shown.
    pub(crate) progress: Option<ProgressLine>,
}

/// How soon a worker is to end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) enum Stop {
    /// Not at all.
    #[default]
    Never,
    /// Once what is being processed has ended.
    Finish,
    /// As soon as what is being processed can be ended.
    AtOnce,
}
