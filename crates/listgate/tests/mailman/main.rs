//! Listgate in front of a real GNU Mailman. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod away;
mod bounces;
mod full;
mod kill;
mod machine;
mod operator;
mod order;
mod own_runner;
mod page;
mod postgres;
mod promises;
mod replaced;
mod runners;
mod side_by_side;
mod site;
mod utf8;

use listgate_test_support as support;
