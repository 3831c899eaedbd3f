//! Debian's Exim, unpacked below the target folder, because installing its package would remove Postfix.

use crate::run::{self, Outcome, command};
use crate::system;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

const PACKAGE: &str = "exim4-daemon-light";

/// The variable that tells the tests which Exim to use. Without it they look for the system's, then for the
/// unpacked one.
pub const VARIABLE: &str = "LISTGATE_EXIM";

/// The user that Debian's Exim was built to run as.
const USER: &str = "Debian-exim";

fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/exim"))
}

/// Returns the system's Exim, or else the unpacked one.
pub(crate) fn program() -> Option<PathBuf> {
    system::program("exim4").or_else(unpacked)
}

fn unpacked() -> Option<PathBuf> {
    folder().ok().map(|folder| folder.join("usr/sbin/exim4")).filter(|program| program.is_file())
}

/// Returns whether the user that Exim runs as exists. Without it, Exim does not even print its version.
pub(crate) fn has_user() -> bool {
    let mut id = command("id");
    run::succeed(id.args(["-u", USER]).stdout(Stdio::null()).stderr(Stdio::null())).is_ok()
}

/// Unpacks Exim unless it is available. If that fails, the tests that need it are skipped.
pub(crate) fn install() {
    let is_here = program().is_some() && has_user();
    if is_here || !system::can_install() {
        return;
    }
    system::unpack(PACKAGE, unpack);
}

fn unpack() -> Outcome {
    let folder = folder()?;
    fs::create_dir_all(&folder).map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
    run::succeed(command("apt-get").args(["-qq", "update"]))?;
    run::succeed(command("apt-get").args(["-qq", "download", PACKAGE]).current_dir(&folder))?;
    let files = fs::read_dir(&folder).map_err(|why| format!("cannot read {}: {why}", folder.display()))?;
    let package =
        files.flatten().map(|file| file.path()).find(|path| path.extension() == Some("deb".as_ref()));
    let package = package.ok_or("apt-get has downloaded nothing")?;
    let depends = run::output(command("dpkg-deb").arg("--field").arg(&package).arg("Depends"))?;
    for dependency in depends.split(',').filter_map(|dependency| dependency.split_whitespace().next()) {
        // Only the libraries are needed. The other dependencies serve a machine's mail server.
        if dependency.starts_with("lib") {
            system::install_package(dependency)?;
        }
    }
    if !has_user() {
        run::succeed(command("useradd").args(["--system", "--no-create-home", USER]))?;
    }
    run::succeed(command("dpkg-deb").arg("--extract").arg(&package).arg(&folder))?;
    fs::remove_file(&package).map_err(|why| format!("cannot remove {}: {why}", package.display()))
}
