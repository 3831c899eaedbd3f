//! LMTP from a mail server's point of view. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod configuration;
mod facts;
mod foreign;
mod founding_document;
mod lifecycle;
mod message;
mod redelivery;
mod send;

mod smtputf8;
mod smuggling;
mod socketmap;
mod starttls;

use listgate_test_support as support;
