//! What is in the packages.

use crate::{said, scratch, stage};
use std::collections::BTreeSet;
use std::fs;

use std::process::Command;
use xtask::packages::{Tree, deb, parts_list, rpm, tarball};

/// Returns the paths of the files in the tree.
fn files(tree: &Tree) -> BTreeSet<String> {
    let found = said(Command::new("find").args([".", "-type", "f"]).current_dir(&tree.folder));
    found.lines().map(|path| path.trim_start_matches('.').to_owned()).collect()
}

#[test]
#[ignore = "needs dpkg-deb, lintian"]
fn lintian_finds_no_errors_in_the_debian_package_which_is_the_same_each_time() {
    let tree = stage("lintian", "1.2.3");
    let package = deb::build(&tree, &scratch("lintian")).unwrap();
    said(Command::new("lintian").args(["--fail-on", "error", "--allow-root"]).arg(&package));
    let first = fs::read(&package).unwrap();
    let again = stage("lintian", "1.2.3");
    assert!(first == fs::read(deb::build(&again, &scratch("lintian")).unwrap()).unwrap());
}

#[test]
#[ignore = "needs rpmbuild"]
fn the_rpm_package_has_the_files_of_the_tree() {
    let tree = stage("rpm", "1.2.3");
    let package = rpm::build(&tree, &scratch("rpm")).unwrap();
    let query = |what: &str| said(Command::new("rpm").args(["--query", "--package", what]).arg(&package));
    let listed = query("--list");
    let moved = |path: &String| path.replace("vendor-completions", "site-functions");
    for path in files(&tree).iter().map(moved) {
        assert!(listed.lines().any(|line| line == path), "{path} is not in\n{listed}");
    }
    assert_eq!(query("--configfiles"), "/etc/listgate/listgate.toml\n");
    let (major, minor) = tree.libraries.glibc;
    let glibc = format!("libc.so.6(GLIBC_{major}.{minor})(64bit)");
    assert!(query("--requires").contains(&glibc), "{glibc}");
}

#[test]
fn the_tarball_has_the_tree_and_its_name_says_which_glibc_it_needs() {
    let tree = stage("tarball", "1.2.3");
    let package = tarball::build(&tree, &scratch("tarball")).unwrap();
    let name = package.file_name().unwrap().to_str().unwrap();
    let (major, minor) = tree.libraries.glibc;
    assert!(name.ends_with(&format!("-glibc{major}.{minor}.tar.gz")), "{name}");
    let listed = said(Command::new("tar").arg("--list").arg("--file").arg(&package));
    let top = name.trim_end_matches(".tar.gz");
    for path in files(&tree) {
        assert!(listed.lines().any(|line| line == format!("{top}{path}")), "{path} is not in\n{listed}");
    }
    let program = tree.folder.join("usr/bin/listgate");
    assert!(said(Command::new(&program).arg("--version")).starts_with("listgate "));
    let first = fs::read(&package).unwrap();
    assert!(first == fs::read(tarball::build(&tree, &scratch("tarball")).unwrap()).unwrap());
}

#[test]
fn a_packaged_configuration_has_the_data_directory_of_a_service() {
    let tree = stage("configuration", "1.2.3");
    let file = fs::read_to_string(tree.folder.join("etc/listgate/listgate.toml")).unwrap();
    assert!(file.contains("\ndata_dir = \"/var/lib/listgate\"      # "), "{file}");
    assert!(tree.folder.join("usr/share/man/man5/listgate.toml.5.gz").is_file());
}

#[test]
fn the_list_of_parts_has_what_is_compiled_into_the_program() {
    let tree = stage("parts", "1.2.3");
    let list = fs::read(parts_list::build(&tree, &scratch("parts")).unwrap()).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    let parts: BTreeSet<&str> =
        list["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert!(parts.is_superset(&["rusqlite", "listgate-lmtp", "tokio"].into()), "{parts:?}");
    // A test needs it, a derivation runs in the compiler, and a tool makes the manual pages.
    assert!(parts.is_disjoint(&["proptest", "serde_derive", "clap_mangen"].into()), "{parts:?}");
}
