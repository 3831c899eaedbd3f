//! The tarball, for systems without a package.

use super::Tree;
use crate::run::{self, Outcome, command};
use std::path::{Path, PathBuf};

/// Packs the tree into a folder, and returns the path of the tarball. Its name has the lowest version of glibc that
/// the program needs.
///
/// # Errors
/// tar is not there or fails.
pub fn build(tree: &Tree, into: &Path) -> Outcome<PathBuf> {
    let (major, minor) = tree.libraries.glibc;
    let name = format!("listgate-{}-{}-glibc{major}.{minor}", tree.version, std::env::consts::ARCH);
    let package = into.join(format!("{name}.tar.gz"));
    let mut tar = command("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.arg(format!("--mtime=@{}", tree.time)).arg(format!("--transform=s,^\\.,{name},"));
    let level = if tree.is_fast { 1 } else { 9 };
    tar.arg(format!("--use-compress-program=gzip -{level}n"))
        .arg("--file")
        .arg(&package)
        .arg("--directory")
        .arg(&tree.folder);
    run::succeed(tar.arg("."))?;
    Ok(package)
}
