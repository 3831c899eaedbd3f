//! What the system provides: where its programs are, and how to install Debian packages.

use crate::run::{self, Outcome, command};
use std::path::{Path, PathBuf};

/// Returns the path of a program. Also searches the sbin folders, even if the user's PATH leaves them out,
/// and the folders in which Debian keeps PostgreSQL, which are in no PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let postgresql = versions.map(|version| version.path().join("bin"));
    let mut folders = std::env::split_paths(&path).chain(sbin).chain(postgresql);
    folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

/// Returns the path of a program, or a sentence that says what to install.
pub fn require(name: &str, package: &str) -> Outcome<PathBuf> {
    program(name).ok_or_else(|| format!("{name} is not here: install {package} and try again"))
}

/// Installs a Debian package, if possible.
pub fn install_package(package: &str) -> Outcome {
    if !can_install() {
        return Err(format!("{package} is not here: install it and try again"));
    }
    // A test run must not change installed packages or remove another mail server.
    apt_get(&["install", "--yes", "--no-install-recommends", "--no-upgrade", "--no-remove", package])
}

/// Returns whether packages can be installed, which needs root and apt-get.
pub fn can_install() -> bool {
    is_root() && program("apt-get").is_some()
}

/// Runs apt-get without any questions.
pub fn apt_get(arguments: &[&str]) -> Outcome {
    run::succeed(command("apt-get").arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Returns whether we run as root.
pub fn is_root() -> bool {
    run::output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Unpacks a package with `unpack`, and prints that it does. If that fails, the tests that need it are skipped.
pub(crate) fn unpack(package: &str, unpack: impl FnOnce() -> Outcome) {
    println!("::: unpack {package}");
    if !run::report(unpack()) {
        println!("could not unpack {package}: the tests that need it are skipped");
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_searched_for_in_the_path() {
        assert!(program("sh").is_some());
        assert!(program("no-such-program").is_none());
    }
}
