//! Code shared by the project's tools: `cargo xtask` itself and the benchmarks against other servers.
//!
//! [`run`] runs commands, [`system`] finds programs and installs packages. [`peers`] knows the third-party
//! programs that some tests and all benchmarks need: [`mailman`] installs the one from PyPI, [`exim`] unpacks the
//! one that Debian does not allow beside Postfix, and [`mailman3`] the one that would start when it is installed.
#![allow(clippy::print_stdout, reason = "what is installed is announced on stdout")]

pub mod exim;
pub mod mailman;
pub mod mailman3;
pub mod peers;
pub mod run;
pub mod system;
