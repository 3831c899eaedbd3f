//! Lists, domains and addresses as an operator meets them. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod commands;
mod live;
mod newer_schema;
mod older_schema;
mod queues;
mod states;
