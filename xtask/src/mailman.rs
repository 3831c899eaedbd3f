//! GNU Mailman from PyPI, in a virtual environment below the target folder.

use crate::run::{self, Outcome, command};
use crate::system;
use std::path::{Path, PathBuf};

/// The variable that tells the tests where the virtual environment is. Without it they look in the same
/// folder, beside the one that holds their own program, so a plain `cargo test` finds it too.
pub const VARIABLE: &str = "LISTGATE_MAILMAN";

/// Mailman, and the package it needs for PostgreSQL.
const REQUIREMENTS: [&str; 2] = ["mailman==3.3.10", "psycopg2-binary"];

const VERSION: &str = "GNU Mailman 3.3.10 ";

/// Returns the folder of the virtual environment, whether or not it exists.
pub fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/mailman"))
}

/// Returns the program, if it is installed.
pub(crate) fn program() -> Option<PathBuf> {
    folder().ok().map(|folder| folder.join("bin/mailman")).filter(|program| program.is_file())
}

/// Returns whether everything is installed in the right version. The programs contain the path of their
/// Python, so they do not run after the target folder has been moved.
pub(crate) fn is_whole() -> bool {
    let Ok(bin) = folder().map(|folder| folder.join("bin")) else { return false };
    run::output(command(bin.join("mailman")).arg("--version"))
        .is_ok_and(|version| version.starts_with(VERSION))
        && run::output(command(bin.join("python")).args(["-c", "import psycopg2"])).is_ok()
}

/// Installs Mailman unless it is installed. If that fails, the tests that need it are skipped.
pub(crate) fn install() {
    if program().is_some() && is_whole() {
        return;
    }
    println!("::: install {}", REQUIREMENTS.join(", "));
    if !run::report(folder().and_then(|folder| make_environment(&folder, &REQUIREMENTS))) {
        println!("could not install Mailman: what needs it is skipped");
    }
    println!();
}

/// Makes a virtual environment in a folder, and installs packages from PyPI in it.
pub(crate) fn make_environment(folder: &Path, requirements: &[&str]) -> Outcome {
    let python = system::require("python3", "python3")?;
    // Debian has a separate package for creating virtual environments.
    if run::output(command(&python).args(["-c", "import ensurepip"])).is_err() {
        system::install_package("python3-venv")?;
    }
    run::succeed(command(&python).args(["-m", "venv", "--clear"]).arg(folder))?;
    run::succeed(command(folder.join("bin/pip")).args(["install", "--quiet"]).args(requirements))
}
