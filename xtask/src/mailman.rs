//! GNU Mailman from PyPI, in a virtual environment of the project's own below the target folder.

use crate::run::{self, Outcome, command};
use crate::system;
use std::path::PathBuf;

/// Tells the tests where the virtual environment is. Without it they look into the same folder, beside
/// the one that holds their own program, so that a plain `cargo test` finds it too.
pub const VARIABLE: &str = "LISTGATE_MAILMAN";

/// Mailman, and what it needs to use PostgreSQL.
const REQUIREMENTS: [&str; 2] = ["mailman==3.3.10", "psycopg2-binary"];

const VERSION: &str = "GNU Mailman 3.3.10 ";

/// The folder of the virtual environment, whether or not it is there.
pub fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/mailman"))
}

/// The program, if it is installed.
pub(crate) fn program() -> Option<PathBuf> {
    folder().ok().map(|folder| folder.join("bin/mailman")).filter(|program| program.is_file())
}

/// Whether all of it is there, in the right version. Its programs name their Python by its path, so they
/// are of no use when the target folder was moved.
pub(crate) fn is_whole() -> bool {
    let Ok(bin) = folder().map(|folder| folder.join("bin")) else { return false };
    run::output(command(bin.join("mailman")).arg("--version")).is_ok_and(|said| said.starts_with(VERSION))
        && run::output(command(bin.join("python")).args(["-c", "import psycopg2"])).is_ok()
}

/// Installs Mailman unless it is there. Without it, what needs it is skipped.
pub(crate) fn install() {
    if program().is_some() && is_whole() {
        return;
    }
    println!("::: install {}", REQUIREMENTS.join(", "));
    if !run::told(make()) {
        println!("could not install Mailman: what needs it is skipped");
    }
    println!();
}

fn make() -> Outcome {
    let folder = folder()?;
    let python = system::require("python3", "python3")?;
    // Debian has Python's means to make a virtual environment in a package of its own.
    if run::output(command(&python).args(["-c", "import ensurepip"])).is_err() {
        system::install_package("python3-venv")?;
    }
    run::succeed(command(&python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run::succeed(command(folder.join("bin/pip")).args(["install", "--quiet"]).args(REQUIREMENTS))
}
