//! Inspecting, backing up and restoring a site. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod bad_files;
mod bench;
mod causes;
mod config_check;
mod data_directory;
mod denied;
mod doctor;
mod documentation;
mod engine;
mod explain;
mod file_times;
mod log_lines;
mod mta;
mod outgoing;
mod postmaster;
mod private;
mod send;
mod systemd;
mod taken;
mod units;

use listgate_test_support as support;
