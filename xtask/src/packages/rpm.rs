//! The RPM package, for Fedora and others.

use super::Tree;
use super::files::{cannot, filled, make_empty, write};
use crate::run::{self, Outcome, command};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the package into a folder, and returns its path.
///
/// # Errors
/// rpmbuild is not there or fails, or a file cannot be written.
pub fn build(tree: &Tree, into: &Path) -> Outcome<PathBuf> {
    let work = into.join("rpm");
    make_empty(&work)?;
    let folder = tree.folder.to_str().ok_or("the path of the tree is not UTF-8")?;
    let homepage = env!("CARGO_PKG_REPOSITORY");
    let values = [("VERSION", &*tree.version), ("TREE", folder), ("HOMEPAGE", homepage)];
    let spec = work.join("listgate.spec");
    write(&spec, &filled("rpm/listgate.spec", &values)?)?;
    let mut build = command("rpmbuild");
    build.args(["-bb", "--quiet", "--define"]).arg(format!("_topdir {}", work.display()));
    build.arg("--define").arg(format!("_rpmdir {}", work.display()));
    let compression = if tree.is_fast { "w0.xzdio" } else { "w9.xzdio" };
    build.arg("--define").arg(format!("_binary_payload {compression}"));
    build.arg(&spec).env("SOURCE_DATE_EPOCH", tree.time.to_string());
    run::succeed(&mut build)?;
    let architecture = std::env::consts::ARCH;
    let name = format!("listgate-{}-1.{architecture}.rpm", tree.version);
    let (built, package) = (work.join(architecture).join(&name), into.join(&name));
    fs::rename(&built, &package).map_err(|why| cannot("move", &built, &why))?;
    fs::remove_dir_all(&work).map_err(|why| cannot("remove", &work, &why))?;
    Ok(package)
}
