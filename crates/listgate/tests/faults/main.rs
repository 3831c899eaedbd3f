//! Disks that fail, processes that die, peers that fall silent. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod distribution;
mod durability_order;
mod every_call;
mod every_start;
mod full;
mod index_full;
mod injected;
mod kill;
mod kill_joining;
mod kill_refused;
mod kill_sending;
mod ledger;
mod locked;
mod log_full;
mod long_log;
mod many_members;
mod memory;
mod one_fault;
mod power_loss;
mod reader_at_start;
mod refusals;
mod replaced;
mod sending_order;
mod silent_peers;
mod slow_disk;
mod small_disk;
mod socketmap;
mod store_and_sender;
mod tools;
mod trickle;

use listgate_test_support as support;
