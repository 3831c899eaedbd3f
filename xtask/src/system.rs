//! What the system has: where its programs are, and how Debian's packages are installed.

use crate::run::{self, Outcome, command};
use std::path::{Path, PathBuf};

/// Where a program is. The sbin folders are looked into even if the user's PATH leaves them out, and
/// those where Debian keeps PostgreSQL, which no PATH has.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let postgresql = versions.map(|version| version.path().join("bin"));
    let mut folders = std::env::split_paths(&path).chain(sbin).chain(postgresql);
    folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

/// Where a program is, or a sentence that says what to install.
pub fn require(name: &str, package: &str) -> Outcome<PathBuf> {
    program(name).ok_or_else(|| format!("{name} is not here: install {package} and try again"))
}

/// Installs a package of Debian's, where that is possible.
pub fn install_package(package: &str) -> Outcome {
    if !can_install() {
        return Err(format!("{package} is not here: install it and try again"));
    }
    // A test run changes nothing that is there, and pushes no other mail server off the machine.
    apt_get(&["install", "--yes", "--no-install-recommends", "--no-upgrade", "--no-remove", package])
}

/// Whether packages can be installed: by root, where there is apt-get.
pub fn can_install() -> bool {
    is_root() && program("apt-get").is_some()
}

/// Runs apt-get, which asks nothing.
pub fn apt_get(arguments: &[&str]) -> Outcome {
    run::succeed(command("apt-get").arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether root runs us.
pub fn is_root() -> bool {
    run::output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_in_the_path() {
        assert!(program("sh").is_some());
        assert!(program("no-such-program").is_none());
    }
}
