//! The command that runs for each entry.

pub(super) mod handler;
pub(super) mod reaper;
