//! Listgate with other people's programs. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounce_returns;
mod curl;
mod distribution;
mod dkim;
mod exim;
mod exim_pasted;
mod exim_utf8;
mod existing_sites;
mod log_on_a_terminal;
mod membership;
mod mta;
mod page;
mod picture;
mod postfix;
mod postfix_load;
mod postfix_pasted;
mod postfix_restart;
mod postfix_utf8;
mod postmap;
mod postmaster;
mod progress;
mod python_parser;
mod reader;
mod readme;
mod send_test;
mod smtp_client;
mod smtplib;
mod starttls;
mod swaks;
mod terminal;
mod tutorial;
mod utf8;
mod way_out_dead_addresses;
mod way_out_denied;
mod way_out_exim;
mod way_out_postfix;
mod way_out_recipient_limit;
mod width;

use listgate_test_support as support;
