//! Which module may name which, in every crate: each has an order, and what is lower knows nothing of
//! what is higher.
//!
//! The rules, and what they see, are in `structure/mod.rs`. A new module gets a place in its crate's
//! table. To fix a violation, move what both sides need to an earlier module.

#[path = "structure/mod.rs"]
mod structure;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `listgate-lmtp`, from the bottom.
const LMTP: &[&str] =
    &["limits", "line", "data", "mailbox", "reply", "command", "per_recipient", "client", "session"];

/// The modules of `listgate`, from the bottom.
const LISTGATE: &[&str] = &[
    "limits",
    "error_chain",
    "file_error",
    "file_id",
    "net",
    "model",
    "message",
    "route",
    "metrics",
    "capacity",
    "backends",
    "queue",
    "config",
    "directory",
    "services",
    "intake",
    "lmtp_server",
    "socketmap",
    "admin",
    "serve",
    "work",
    "bench",
    "doctor",
    "operations",
    "cli",
];

/// The modules of `listgate-test-support`, from the bottom.
const TEST_SUPPORT: &[&str] = &[
    "patience",
    "program",
    "calls",
    "disk",
    "mount",
    "clock",
    "addresses",
    "http",
    "socketmap",
    "peer",
    "server",
    "site",
    "trace",
];

/// The modules of the library of `xtask`, from the bottom.
const XTASK_LIBRARY: &[&str] = &["run", "system", "exim", "mailman", "peers"];

/// The modules of the program `xtask`, from the bottom.
const XTASK: &[&str] = &["tally", "steps", "bench", "test", "deep"];

/// The modules of `listgate-compare`, from the bottom.
const COMPARE: &[&str] =
    &["median", "server", "load", "fill", "instructions", "beside", "hostile", "consumers", "bench"];

#[test]
fn lmtp_keeps_its_order() {
    keeps("crates/lmtp/src/lib.rs", LMTP);
}

#[test]
fn listgate_keeps_its_order() {
    keeps("crates/listgate/src/lib.rs", LISTGATE);
}

#[test]
fn test_support_keeps_its_order() {
    keeps("crates/test-support/src/lib.rs", TEST_SUPPORT);
}

#[test]
fn the_library_of_xtask_keeps_its_order() {
    keeps("xtask/src/lib.rs", XTASK_LIBRARY);
}

#[test]
fn xtask_keeps_its_order() {
    keeps("xtask/src/main.rs", XTASK);
}

#[test]
fn compare_keeps_its_order() {
    keeps("crates/compare/src/main.rs", COMPARE);
}

fn keeps(root: &str, order: &[&str]) {
    let top = top_folder();
    let folder = Path::new(root).parent().expect("a root file is in a folder");
    let mut sources = BTreeMap::new();
    read(&top, &top.join(folder), &mut sources);
    let violations = structure::check(&sources, root, order);
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}\n{} violations", lines.join("\n"), lines.len());
}

/// Cargo says where it is at each run: the target folder may be one that two working copies share.
fn top_folder() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask is below the top folder").to_owned()
}

fn read(top: &Path, folder: &Path, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources is read") {
        let path = entry.expect("a folder of sources is read").path();
        if path.is_dir() {
            read(top, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).expect("it is below the top folder").display().to_string();
            sources.insert(name, fs::read_to_string(&path).expect("a source is read"));
        }
    }
}
