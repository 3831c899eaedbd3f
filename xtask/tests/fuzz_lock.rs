//! Checks `fuzz/Cargo.lock`. The fuzz targets are not in the workspace, so cargo checks it only when it builds them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use toml::{Table, Value};
use xtask::run::root;

/// The command that updates the file.
const FIX: &str = "run: cargo metadata --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null";

/// Reads a TOML file.
fn read(path: &str) -> Table {
    fs::read_to_string(root().join(path)).unwrap().parse().unwrap()
}

/// Returns each package of a lock file.
fn packages(lock: &Table) -> &[Value] {
    lock["package"].as_array().unwrap()
}

#[test]
fn it_has_the_dependencies_of_each_crate() {
    let lock = read("fuzz/Cargo.lock");
    for (name, krate) in [("listgate", "listgate"), ("listgate-engine", "engine"), ("listgate-lmtp", "lmtp")]
    {
        let package = packages(&lock).iter().find(|package| package["name"].as_str() == Some(name)).unwrap();
        let locked = package["dependencies"].as_array().unwrap().iter();
        // If there are several versions of a package, the version follows the name.
        let locked: BTreeSet<_> =
            locked.map(|line| line.as_str().unwrap().split(' ').next().unwrap()).collect();
        let manifest = read(&format!("crates/{krate}/Cargo.toml"));
        let needed: BTreeSet<_> =
            manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).collect();
        assert_eq!(locked, needed, "{name}: {FIX}");
    }
}

#[test]
fn it_has_the_versions_of_the_workspace() {
    let (workspace, fuzz) = (read("Cargo.lock"), read("fuzz/Cargo.lock"));
    for package in packages(&fuzz) {
        let (name, version) = (&package["name"], package["version"].as_str().unwrap());
        let same_name = packages(&workspace).iter().filter(|other| other["name"] == *name);
        let versions: Vec<_> = same_name.map(|other| other["version"].as_str().unwrap()).collect();
        let is_the_same = versions.is_empty() || versions.contains(&version);
        assert!(is_the_same, "fuzz/Cargo.lock has {name} {version}, and Cargo.lock has {versions:?}");
    }
}
