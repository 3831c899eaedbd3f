//! Works a queue: leases entries, has each one processed, and settles it by the decision.
//!
//! `worker.rs` does everything except the processing: parallelism, turns and order, extending leases, retries,
//! and ending. A [`Processor`] processes the entries; the one of `listgate work` is in
//! `command/` and runs a command.

mod body;
mod command;
mod error;
mod on_a_thread;
mod plan;
mod processor;
mod progress;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use body::Body;
pub(crate) use command::reaper::{REAPER, run as reap};
pub(crate) use command::{CommandPlan, run};
pub(crate) use error::WorkError;
pub(crate) use plan::{Plan, Stop};
pub(crate) use processor::{Outcome, Processor, Report};
pub(crate) use progress::ProgressLine;
pub(crate) use worker::Worker;
