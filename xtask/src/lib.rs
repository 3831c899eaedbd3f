//! What the project's tools share: `cargo xtask` itself and the benchmarks against other servers.
//!
//! [`run`] runs commands, [`system`] finds programs and installs packages. [`peers`] knows the programs of
//! other people that some tests and all benchmarks need: [`mailman`] installs the one that is on PyPI, and
//! [`exim`] the one that Debian would not have beside Postfix.
#![allow(clippy::print_stdout, reason = "what is installed is announced on stdout")]

pub mod exim;
pub mod mailman;
pub mod peers;
pub mod run;
pub mod system;
