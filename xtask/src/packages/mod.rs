//! Packages: one staged tree, and what is made from it.
//!
//! [`Tree::stage`] puts the files where the system expects them, and [`deb`], [`rpm`] and [`tarball`] pack them. [`parts_list`] says what the program is made of. The
//! same commit, program and version give the same packages, because all times in them are those of the commit.

pub mod deb;
mod files;
mod libraries;
pub mod parts_list;
pub mod rpm;
pub mod tarball;
mod tree;

pub use libraries::Libraries;
pub use tree::{Parts, Tree};
