//! Code shared by the project's tools: `cargo xtask` itself and the benchmarks against other servers.
//!
//! [`run`] runs commands, [`system`] finds programs and installs packages. [`peers`] knows the third-party
//! programs that some tests and all benchmarks need. [`mailman`] and [`dkimpy`] install those from PyPI.
//! [`exim`] and [`mailman3`] unpack Debian's packages: Exim cannot be installed where Postfix is, and Mailman would start at once.
//! [`packages`] makes the packages of Listgate, and [`debian`] a system in which one is installed. [`sources`] lists the
//! project's files, for tests that look at all of them.
#![allow(clippy::print_stdout, reason = "what is installed is announced on stdout")]

pub mod debian;
pub mod dkimpy;
pub mod exim;
pub mod mailman;
pub mod mailman3;
pub mod packages;
pub mod peers;
pub mod run;
pub mod sources;
pub mod system;
