//! Code shared by the project's tools: `cargo xtask` itself and the benchmarks against other servers.
//!
//! [`run`] runs commands, [`system`] finds programs and installs packages. [`peers`] knows the third-party
//! programs that some tests and all benchmarks need: [`mailman`] installs the one from PyPI, and [`exim`] the
//! one that Debian does not allow beside Postfix.
#![allow(clippy::print_stdout, reason = "what is installed is announced on stdout")]

pub mod exim;
pub mod mailman;
pub mod peers;
pub mod run;
pub mod system;
