//! The embedded backend: lists and queues in one SQLite file, large bodies in a directory beside it.

mod backend;
pub(crate) mod backup;
mod client;
mod connection;
mod data_dir;
mod errors;
pub(crate) mod health;
pub(crate) mod leases;
pub(crate) mod lists;
mod msgdata;
mod puts;
mod queues;
mod seen;
mod store;
mod writer;

pub(crate) use backend::Sqlite;
pub(crate) use client::Client;
pub(crate) use data_dir::{DataDir, HomeError};
pub(crate) use store::Choices;
