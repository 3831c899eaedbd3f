//! The embedded backend: lists and queues in one SQLite file, large bodies in a directory beside it.

pub(crate) mod backup;
mod connection;
mod data_dir;
pub(crate) mod errors;
pub(crate) mod health;
mod home;
pub(crate) mod leases;
pub(crate) mod lists;
pub(crate) mod msgdata;
mod puts;
pub(crate) mod queues;
mod seen;
mod store;
mod writer;

pub(crate) use data_dir::{DataDir, HomeError};
pub(crate) use home::Home;
pub(crate) use store::Choices;
