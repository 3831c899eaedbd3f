//! dkimpy, which signs and verifies mail (RFC 6376), in a virtual environment below the target folder.

use crate::mailman;
use crate::run::{self, Outcome, command};
use std::path::PathBuf;

/// The variable that tells the tests where the virtual environment is. Without it they look in the same folder, as for
/// [`mailman::VARIABLE`].
pub const VARIABLE: &str = "LISTGATE_DKIMPY";

/// dkimpy, and the package it needs for Ed25519.
const REQUIREMENTS: [&str; 2] = ["dkimpy==1.1.8", "pynacl"];

/// Returns the folder of the virtual environment, whether or not it exists.
pub fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/dkimpy"))
}

/// Returns the environment's Python, if it is there.
pub(crate) fn program() -> Option<PathBuf> {
    folder().ok().map(|folder| folder.join("bin/python")).filter(|program| program.is_file())
}

/// Returns whether everything is installed.
pub(crate) fn is_whole() -> bool {
    program()
        .is_some_and(|python| run::output(command(python).args(["-c", "import dkim, nacl.signing"])).is_ok())
}

/// Installs dkimpy unless it is installed. If that fails, the tests that need it are skipped.
pub(crate) fn install() {
    if is_whole() {
        return;
    }
    println!("::: install {}", REQUIREMENTS.join(", "));
    let installed = folder().and_then(|folder| mailman::make_environment(&folder, &REQUIREMENTS));
    if !run::report(installed) {
        println!("could not install dkimpy: what needs it is skipped");
    }
    println!();
}
