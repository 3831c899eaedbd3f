//! The oldest Rust that the project supports: what `Cargo.toml` says, the dependencies need and the pages name.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs;
use xtask::run::{cargo, output, root};

/// The `rust-version` of the workspace.
const MINIMUM: &str = env!("CARGO_PKG_RUST_VERSION");

#[test]
fn no_package_needs_a_newer_rust_than_the_workspace() {
    // For this platform only: cargo downloads no more packages than it needs to build the workspace.
    let cargo_version = output(&mut cargo(&["-vV"])).unwrap();
    let host = cargo_version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform", host];
    let metadata: Value = serde_json::from_str(&output(&mut cargo(&arguments)).unwrap()).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "the packages were read");
    let mut newer = Vec::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let needs = text("rust_version");
        if !needs.is_empty() && numbers(needs) > numbers(MINIMUM) {
            newer.push(format!("{} {} needs Rust {needs}", text("name"), text("version")));
        }
    }
    assert!(newer.is_empty(), "the workspace has rust-version {MINIMUM}, but {}", newer.join(", "));
}

#[test]
fn the_pages_name_the_minimum() {
    for page in ["README.md", "CONTRIBUTING.md", "docs/tutorial.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("Rust ({MINIMUM} or newer)")), "{page} names no Rust, or another one");
    }
}

/// Returns the three numbers of a version; the last one may be left out.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(version.split('.')) {
        *number = part.parse().unwrap();
    }
    numbers
}
