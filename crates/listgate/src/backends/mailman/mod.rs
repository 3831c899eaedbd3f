//! A GNU Mailman 3 site, with its lists in Mailman's database and its queues in Mailman's directories.

mod backend;
pub(crate) mod cfg;
mod console;
pub(crate) mod database;
pub(crate) mod entry;
mod lists;
mod msgdata;
mod own_runner;
pub(crate) mod pck;
mod pickle;
mod publish;
mod read_pickle;
mod site_error;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use backend::{Mailman, holder, spool};
pub(crate) use console::Console;
pub(crate) use own_runner::is_own_runner;
pub(crate) use site_error::SiteError;
