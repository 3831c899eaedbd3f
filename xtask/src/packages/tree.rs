//! The tree that all packages are made from, with the files where the system expects them.

use super::Libraries;
use super::files::{cannot, make_empty, write};
use crate::run::{self, Outcome, command, root};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What packages are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The program `listgate`.
    pub program: PathBuf,
    /// The folder that `listgate-manual` has filled.
    pub manual: PathBuf,
    /// The version of the packages.
    pub version: String,
    /// The time that all files have, in seconds since 1970.
    pub time: u64,
    /// Whether to pack quickly instead of tightly, as tests do.
    pub is_fast: bool,
}

/// A staged tree.
#[derive(Debug)]
pub struct Tree {
    /// The folder of the tree.
    pub folder: PathBuf,
    /// The version of the packages.
    pub version: String,
    /// The libraries of the program.
    pub libraries: Libraries,
    pub(super) time: u64,
    pub(super) is_fast: bool,
}

/// Where the folders of the manual go, and whether their files are compressed.
const MANUAL: [(&str, &str, bool); 5] = [
    ("man1", "usr/share/man/man1", true),
    ("man5", "usr/share/man/man5", true),
    ("bash", "usr/share/bash-completion/completions", false),
    ("zsh", "usr/share/zsh/vendor-completions", false),
    ("fish", "usr/share/fish/vendor_completions.d", false),
];

/// Where the folders of the project go.
const FOLDERS: [(&str, &str); 5] = [
    ("packaging/systemd", "usr/lib/systemd/system"),
    ("packaging/systemd/sysusers.d", "usr/lib/sysusers.d"),
    ("packaging/systemd/tmpfiles.d", "usr/lib/tmpfiles.d"),
    ("docs", "usr/share/doc/listgate/docs"),
    ("docs/design", "usr/share/doc/listgate/docs/design"),
];

/// The files at the top of the project that are documentation.
const PAGES: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// The data directory by default, and in a package, as the configuration file writes them.
const DATA_DIR: (&str, &str) = (r#"data_dir = "./var"            "#, r#"data_dir = "/var/lib/listgate""#);

const HEAD: &str = "\
# The configuration of Listgate. Every key is here with its default, except
# data_dir; listgate.toml(5) explains them.
# After a change: listgate --config /etc/listgate/listgate.toml config check
#                 systemctl reload listgate
";

impl Tree {
    /// Puts all files in their places below a folder, which is emptied first.
    ///
    /// # Errors
    /// A part is missing, a tool fails, or the disk is full.
    pub fn stage(parts: &Parts, folder: &Path) -> Outcome<Self> {
        make_empty(folder)?;
        let program = folder.join("usr/bin/listgate");
        place(&parts.program, &program, 0o755)?;
        let libraries = Libraries::of(&program)?;
        run::succeed(command("strip").arg(&program))?;
        for (from, to, is_compressed) in MANUAL {
            let to = folder.join(to);
            place_all(&parts.manual.join(from), &to)?;
            if is_compressed {
                // Without a name and a time in the files.
                run::succeed(command("gzip").args(["-9n", "--recursive"]).arg(&to))?;
            }
        }
        for (from, to) in FOLDERS {
            place_all(&root().join(from), &folder.join(to))?;
        }
        for page in PAGES {
            place(&root().join(page), &folder.join("usr/share/doc/listgate").join(page), 0o644)?;
        }
        let file = folder.join("etc/listgate/listgate.toml");
        make_parent(&file)?;
        write(&file, &configuration(&parts.program)?)?;
        run::succeed(command("chmod").args(["--recursive", "u=rwX,go=rX"]).arg(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            version: parts.version.clone(),
            libraries,
            time: parts.time,
            is_fast: parts.is_fast,
        })
    }
}

/// Returns the configuration file: all keys with their defaults, but with the data directory of a package.
fn configuration(program: &Path) -> Outcome<String> {
    let defaults = run::output(command(program).args(["config", "defaults"]))?;
    let (default, packaged) = DATA_DIR;
    match defaults.matches(default).count() {
        1 => Ok(format!("{HEAD}\n{}", defaults.replace(default, packaged))),
        count => Err(format!("`listgate config defaults` prints `{}` {count} times", default.trim())),
    }
}

/// Copies the files of a folder, without those of folders in it.
fn place_all(from: &Path, to: &Path) -> Outcome {
    let entries = fs::read_dir(from).map_err(|why| cannot("read", from, &why))?;
    for entry in entries {
        let file = entry.map_err(|why| cannot("read", from, &why))?.path();
        if !file.is_file() {
            continue;
        }
        let name = file.file_name().expect("a file has a name");
        place(&file, &to.join(name), 0o644)?;
    }
    Ok(())
}

fn place(from: &Path, to: &Path, mode: u32) -> Outcome {
    make_parent(to)?;
    fs::copy(from, to).map_err(|why| cannot("copy", from, &why))?;
    fs::set_permissions(to, PermissionsExt::from_mode(mode)).map_err(|why| cannot("change", to, &why))
}

fn make_parent(path: &Path) -> Outcome {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).map_err(|why| cannot("create", folder, &why))
}
