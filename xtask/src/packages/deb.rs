//! The Debian package.

use super::Tree;
use super::files::{cannot, filled, make_empty, write};
use crate::run::{self, Outcome, command, root};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds the package into a folder, and returns its path. It adds to a copy of the tree what only Debian has.
///
/// # Errors
/// dpkg-deb is not there or fails, or a file cannot be written.
pub fn build(tree: &Tree, into: &Path) -> Outcome<PathBuf> {
    let staged = into.join("deb");
    make_empty(&staged)?;
    run::succeed(command("cp").arg("--archive").arg(tree.folder.join(".")).arg(&staged))?;
    let documentation = staged.join("usr/share/doc/listgate");
    let licence =
        fs::read_to_string(root().join("LICENSE-MIT")).map_err(|why| format!("LICENSE-MIT: {why}"))?;
    write(&documentation.join("copyright"), &filled("debian/copyright", &[("MIT", &indented(&licence))])?)?;
    let log = documentation.join("changelog.Debian");
    write(&log, &changelog(tree)?)?;
    run::succeed(command("gzip").arg("-9n").arg(&log))?;
    let control = staged.join("DEBIAN");
    make_empty(&control)?;
    for script in SCRIPTS {
        let path = control.join(script);
        write(&path, &filled(&format!("debian/{script}"), &[])?)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))
            .map_err(|why| cannot("change", &path, &why))?;
    }
    write(&control.join("conffiles"), "/etc/listgate/listgate.toml\n")?;
    let sums = "find usr -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null md5sum";
    write(&control.join("md5sums"), &run::output(command("sh").args(["-c", sums]).current_dir(&staged))?)?;
    let architecture = architecture()?;
    write(&control.join("control"), &fields(tree, &architecture)?)?;
    run::succeed(command("chmod").args(["--recursive", "u=rwX,go=rX"]).arg(&staged))?;
    let package = into.join(format!("listgate_{}-1_{architecture}.deb", tree.version));
    let mut build = command("dpkg-deb");
    build
        .args(["--root-owner-group", "-Zxz", if tree.is_fast { "-z0" } else { "-z9" }, "--build"])
        .arg(&staged)
        .arg(&package);
    run::succeed(build.env("SOURCE_DATE_EPOCH", tree.time.to_string()))?;
    fs::remove_dir_all(&staged).map_err(|why| cannot("remove", &staged, &why))?;
    Ok(package)
}

fn architecture() -> Outcome<String> {
    Ok(run::output(command("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

/// Returns the control file.
fn fields(tree: &Tree, architecture: &str) -> Outcome<String> {
    let size = run::output(command("du").args(["--summarize", "--apparent-size", "-k"]).arg(&tree.folder))?;
    let values = [
        ("VERSION", &*tree.version),
        ("ARCHITECTURE", architecture),
        ("MAINTAINER", env!("CARGO_PKG_AUTHORS")),
        ("HOMEPAGE", env!("CARGO_PKG_REPOSITORY")),
        ("SIZE", size.split_whitespace().next().unwrap_or("0")),
        ("LIBRARIES", &tree.libraries.of_debian()),
    ];
    filled("debian/control", &values)
}

/// Returns Debian's own log of changes, which only says that the version was packed.
fn changelog(tree: &Tree) -> Outcome<String> {
    let mut date = command("date");
    let date = run::output(
        date.args(["--utc", "--rfc-email", "--date", &format!("@{}", tree.time)]).env("LC_ALL", "C"),
    )?;
    Ok(format!(
        "listgate ({}-1) unstable; urgency=medium\n\n  * CHANGELOG.md says what is new.\n\n -- {}  {date}",
        tree.version,
        env!("CARGO_PKG_AUTHORS"),
    ))
}

/// Indents a text as the fields of a control file do.
fn indented(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| match line {
        "" => " .".to_owned(),
        line => format!(" {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_of_a_field_has_a_dot() {
        assert_eq!(indented("one\n\ntwo\n"), " one\n .\n two");
    }
}
