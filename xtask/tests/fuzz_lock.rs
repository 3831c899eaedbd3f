//! Checks `fuzz/Cargo.lock`. The fuzz targets are not in the workspace, so cargo checks it only when it builds them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use xtask::run::root;

/// How to update it.
const FIX: &str = "run: cargo metadata --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null";

/// A package in a lock file.
struct Package {
    name: String,
    version: String,
    dependencies: BTreeSet<String>,
}

/// Reads a lock file.
fn packages(path: &str) -> Vec<Package> {
    let lock = fs::read_to_string(root().join(path)).unwrap();
    let packages = lock.split("[[package]]").skip(1).map(|package| {
        let value = |key: &str| {
            let found = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            found.unwrap().trim_end_matches('"').to_owned()
        };
        // A version follows the name if there are several.
        let name_in = |line: &str| line.trim_matches([' ', '"', ',']).split(' ').next().map(str::to_owned);
        let dependencies = package.lines().filter(|line| line.starts_with(" \"")).filter_map(name_in);
        Package { name: value("name"), version: value("version"), dependencies: dependencies.collect() }
    });
    packages.collect()
}

/// Returns the names under `[dependencies]` in the manifest of a crate.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("crates").join(krate).join("Cargo.toml")).unwrap();
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let entries = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty());
    entries.map(|line| line.split(['.', ' ', '=']).next().unwrap().to_owned()).collect()
}

#[test]
fn it_has_the_dependencies_of_each_crate() {
    let packages = packages("fuzz/Cargo.lock");
    for (name, krate) in [("listgate", "listgate"), ("listgate-engine", "engine"), ("listgate-lmtp", "lmtp")]
    {
        let locked = packages.iter().find(|package| package.name == name).unwrap();
        assert!(!locked.dependencies.is_empty(), "{name}: the dependencies are read");
        assert_eq!(locked.dependencies, dependencies(krate), "{name}: {FIX}");
    }
}

#[test]
fn it_has_the_versions_of_the_workspace() {
    let workspace = packages("Cargo.lock");
    let versions = |name: &str| -> BTreeSet<&str> {
        workspace.iter().filter(|package| package.name == name).map(|package| &*package.version).collect()
    };
    for Package { name, version, .. } in packages("fuzz/Cargo.lock") {
        let built = versions(&name);
        assert!(built.is_empty() || built.contains(&*version), "{name} {version} is fuzzed, {built:?} built");
    }
}
