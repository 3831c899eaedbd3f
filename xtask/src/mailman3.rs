//! Debian's GNU Mailman, unpacked below the target folder, because installing its package would start it.

use crate::run::{self, Outcome, command};
use crate::system;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The variable that tells the tests where the package is unpacked. Without it they look in the same folder, as for
/// [`mailman::VARIABLE`](crate::mailman::VARIABLE).
pub const VARIABLE: &str = "LISTGATE_MAILMAN3";

const PACKAGE: &str = "mailman3";

/// The version of Debian 12.
const VERSION: &str = "3.3.8";

/// The Python of Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// Returns the folder of the unpacked packages, whether or not it exists.
pub fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("peers/mailman3"))
}

/// Returns the program, if it is unpacked.
pub(crate) fn program() -> Option<PathBuf> {
    folder()
        .ok()
        .map(|folder| folder.join("usr/lib/mailman3/bin/mailman"))
        .filter(|program| program.is_file())
}

/// Returns whether everything is unpacked in the right version, with what it imports.
pub(crate) fn is_whole() -> bool {
    let Ok(folder) = folder() else { return false };
    let script = "import aiosmtpd, mailman.core.initialize; print(mailman.version.VERSION)";
    let mut python = command(PYTHON);
    python.args(["-c", script]).env("PYTHONPATH", folder.join("usr/lib/python3/dist-packages"));
    run::output(&mut python).is_ok_and(|said| said.trim() == VERSION)
}

/// Unpacks Mailman unless it is unpacked. If that fails, the tests that need it are skipped.
pub(crate) fn install() {
    if !system::can_install() || (program().is_some() && is_whole()) {
        return;
    }
    system::unpack(PACKAGE, unpack);
}

fn unpack() -> Outcome {
    let folder = folder()?;
    let archives = folder.join("archives");
    fs::create_dir_all(&archives).map_err(|why| format!("cannot create {}: {why}", archives.display()))?;
    system::apt_get(&["update"])?;
    let mut download = command("apt-get");
    // The archives are root's, so apt-get warns that it cannot download as its own user.
    download.args(["-qq", "-o", "APT::Sandbox::User=root", "download"]).args(packages()?);
    run::succeed(download.current_dir(&archives))?;
    let files =
        fs::read_dir(&archives).map_err(|why| format!("cannot read {}: {why}", archives.display()))?;
    files.flatten().try_for_each(|file| extract(&file.path(), &folder))?;
    fs::remove_dir_all(&archives).map_err(|why| format!("cannot remove {}: {why}", archives.display()))
}

/// Returns the package, and those that it imports and that are not installed. Others serve its installation, such
/// as the ones for databases and for cron.
fn packages() -> Outcome<BTreeSet<String>> {
    let arguments = ["-qq", "--simulate", "--no-install-recommends", "install", PACKAGE];
    let plan = run::output(command("apt-get").args(arguments))?;
    let planned = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next());
    let imported = planned.filter(|name| name.starts_with("python3-")).map(str::to_owned);
    Ok(imported.chain([PACKAGE.to_owned()]).collect())
}

fn extract(archive: &Path, folder: &Path) -> Outcome {
    run::succeed(command("dpkg-deb").arg("--extract").arg(archive).arg(folder))
}
