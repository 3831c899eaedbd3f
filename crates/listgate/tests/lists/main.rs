//! Lists, domains and addresses from an operator's point of view. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
mod aliases;
mod bans;
mod commands;
mod held;
mod hostile;
mod keys;
mod live;
mod long_names;
mod member_import;
mod members;
mod newer_schema;
mod older_schema;
mod pages;
mod queues;
mod requests;
mod settings;
mod states;
mod unchanged;

use listgate_test_support as support;
