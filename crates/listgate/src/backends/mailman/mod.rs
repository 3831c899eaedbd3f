//! A GNU Mailman 3 site: its lists in Mailman's database, its queues in Mailman's directories.

pub(crate) mod beside;
pub(crate) mod cfg;
pub(crate) mod database;
pub(crate) mod entry;
mod home;
mod lists;
mod msgdata;
pub(crate) mod pck;
mod pickle;
mod publish;
mod read_pickle;
mod site_error;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use home::{Home, holder};
pub(crate) use msgdata::{mail_from, msgdata};
pub(crate) use site_error::SiteError;
