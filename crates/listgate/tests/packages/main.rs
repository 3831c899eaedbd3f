//! The packages that `cargo xtask package` makes, of the program under test. One scenario per file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod debian_root;
mod installed;
mod made;

use listgate_test_support as support;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::packages::{Parts, Tree};

/// Stages the tree of a version in the test's own folder.
fn stage(test: &str, version: &str) -> Tree {
    let folder = scratch(test).join(version);
    let manual = folder.join("manual");
    listgate_manual::write(&manual).unwrap();
    // Any time will do, but it must be the same in all packages that are compared.
    let parts = Parts {
        program: support::program(),
        manual,
        version: version.to_owned(),
        time: 1_700_000_000,
        is_fast: true,
    };
    Tree::stage(&parts, &folder.join("tree")).unwrap()
}

/// Returns the test's own folder.
fn scratch(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(test)
}

/// Returns what a command prints to both of its outputs, and asserts that it succeeds.
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{said}");
    said
}
