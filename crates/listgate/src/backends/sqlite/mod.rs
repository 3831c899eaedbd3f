//! The embedded backend: lists and queues in one SQLite file, and large bodies in a directory beside it.

mod backend;
pub(crate) mod backup;
mod connection;
mod console;
mod consumer;
mod data_dir;
mod engine;
mod errors;
mod former_members;
pub(crate) mod health;
mod leasing;
mod list_aliases;
mod list_settings;
pub(crate) mod lists;
mod log_room;
mod members;
mod msgdata;
mod notices;
mod outbox;
mod post_admin;
mod posts;
mod queues;
mod reason;
mod redelivery_index;
mod requests;
mod steps;
mod store;
mod sweep;
mod work;
pub(crate) mod write_lock;
mod writer;

pub(crate) use backend::Sqlite;
pub(crate) use console::Console;
pub(crate) use consumer::Consumer;
pub(crate) use data_dir::{DataDir, DataError};
pub(crate) use store::Choices;
