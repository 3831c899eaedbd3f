//! A clean Debian root below the target folder, in which a package is installed by a test.

use crate::run::{self, Outcome, command};
use crate::system;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// The variable that tells the tests where the root is. Without it they look in the same folder, as for
/// [`mailman::VARIABLE`](crate::mailman::VARIABLE).
pub const VARIABLE: &str = "LISTGATE_DEBIAN";

/// A file that is there when the root is whole.
const WHOLE: &str = "listgate-test-root";

/// Returns the folder of the root, whether or not it exists.
pub fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/debian"))
}

/// Returns the shell of the root, if the root is whole.
pub(crate) fn program() -> Option<PathBuf> {
    let folder = folder().ok()?;
    folder.join(WHOLE).is_file().then(|| folder.join("bin/sh"))
}

/// Makes the root unless it is there: the smallest system of this machine's release. If that fails, the tests that need
/// it are skipped.
pub(crate) fn install() {
    if program().is_some() || !system::can_install() {
        return;
    }
    system::unpack("a Debian root", make);
}

fn make() -> Outcome {
    if system::program("debootstrap").is_none() {
        system::install_package("debootstrap")?;
    }
    let folder = folder()?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|why| format!("cannot remove {}: {why}", folder.display()))?;
    }
    let (mirror, release) = source()?;
    let mut debootstrap = command(system::require("debootstrap", "debootstrap")?);
    // The package depends on adduser, which newer releases do not have in their smallest system.
    debootstrap.args(["--variant=minbase", "--include=adduser", &release]).arg(&folder).arg(&mirror);
    run::succeed(debootstrap.stdout(Stdio::null()))?;
    // A test copies the root, and needs no archives for that.
    run::succeed(command("chroot").arg(&folder).args(["apt-get", "clean"]))?;
    fs::write(folder.join(WHOLE), "").map_err(|why| format!("cannot finish {}: {why}", folder.display()))
}

/// Returns where this machine gets Debian from, and which release of it.
fn source() -> Outcome<(String, String)> {
    let system = fs::read_to_string("/etc/os-release").map_err(|why| format!("/etc/os-release: {why}"))?;
    let release = system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.ok_or("/etc/os-release names no release")?;
    let mut targets = command("apt-get");
    targets.args(["indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)", "Created-By: Packages"]);
    let targets = run::output(&mut targets)?;
    let prefix = format!("{release} main ");
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&prefix));
    let mirror = mirror.ok_or_else(|| format!("apt has no source of {release}"))?;
    Ok((mirror.to_owned(), release.to_owned()))
}
