//! Works a queue: leases entries, has each processed, and settles them by what was decided.
//!
//! `worker.rs` has all of it but the processing: parallelism, turns and order, the renewal of leases, retries,
//! the end. What processes an entry is a [`Processor`](processor::Processor). The one of `listgate work` is in
//! `command/`: it runs a command.

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

pub(crate) use command::reaper::{SUBCOMMAND, run as reap};
pub(crate) use command::{CommandPlan, run};
pub(crate) use error::WorkError;
pub(crate) use plan::Plan;
pub(crate) use progress::ProgressLine;
