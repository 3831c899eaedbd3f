//! Checks which modules may name which others, in every crate: the modules have an order, and a lower one
//! does not know of a higher one.
//!
//! The rules and their scope are described in `structure/mod.rs`. Add each new module to its crate's table.
//! To fix a violation, move what both sides need to an earlier module.

#[path = "structure/mod.rs"]
mod structure;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `listgate-lmtp`, from bottom to top.
const LMTP: &[&str] = &[
    "limits",
    "line",
    "data",
    "foreign",
    "mailbox",
    "reply",
    "command",
    "per_recipient",
    "client",
    "session",
    "rules",
];

/// The modules of `listgate-engine`, from bottom to top.
const ENGINE: &[&str] = &[
    "limits",
    "token",
    "splice",
    "text",
    "address",
    "view",
    "automatic",
    "comparable",
    "ban",
    "posting",
    "encode",
    "write",
    "placeholders",
    "distribution",
    "notice",
    "bounce",
    "command",
    "author",
    "rules",
];

/// The modules of `listgate`, from bottom to top.
const LISTGATE: &[&str] = &[
    "limits",
    "error_chain",
    "file_error",
    "file_id",
    "guard",
    "log_lines",
    "texts",
    "net",
    "systemd",
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
    "work",
    "engine",
    "outgoing",
    "serve",
    "bench",
    "doctor",
    "operations",
    "cli",
];

/// The modules of `listgate-manual`, from bottom to top.
const MANUAL: &[&str] = &["file", "page", "keys", "commands", "completions"];

/// The modules of `listgate-test-support`, from bottom to top.
const TEST_SUPPORT: &[&str] = &[
    "installed",
    "patience",
    "service_manager",
    "outbox",
    "program",
    "smtp_server",
    "calls",
    "disk",
    "mount",
    "page",
    "clock",
    "addresses",
    "tls",
    "http",
    "socketmap",
    "peer",
    "server",
    "site",
    "trace",
];

/// The modules of the library of `xtask`, from bottom to top.
const XTASK_LIBRARY: &[&str] =
    &["run", "sources", "system", "exim", "mailman", "dkimpy", "mailman3", "debian", "peers", "packages"];

/// The modules of the program `xtask`, from bottom to top.
const XTASK: &[&str] = &["tally", "steps", "bench", "test", "package", "deep"];

/// The modules of `listgate-compare`, from bottom to top.
const COMPARE: &[&str] = &[
    "median",
    "processor",
    "server",
    "load",
    "fill",
    "instructions",
    "beside",
    "hostile",
    "consumers",
    "bench",
    "outgoing",
];

#[test]
fn lmtp_keeps_its_order() {
    keeps("crates/lmtp/src/lib.rs", LMTP);
}

#[test]
fn engine_keeps_its_order() {
    keeps("crates/engine/src/lib.rs", ENGINE);
}

#[test]
fn listgate_keeps_its_order() {
    keeps("crates/listgate/src/lib.rs", LISTGATE);
}

#[test]
fn manual_keeps_its_order() {
    keeps("crates/manual/src/lib.rs", MANUAL);
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

/// Returns the top folder. It is taken from cargo at run time, because two working copies may share a target folder.
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
