//! `cargo xtask package`: the program as a Debian package, an RPM package and a tarball, with the list of its parts.

use crate::steps::Steps;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::packages::{Parts, Tree, deb, parts_list, rpm, tarball};
use xtask::run::{self, Outcome, cargo, command};
use xtask::system;

/// What is packed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options<'w> {
    /// The version of the packages; by default the program's.
    pub(crate) version: &'w str,
    /// The profile that the program is built with.
    pub(crate) profile: &'w str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION"), profile: "dist" }
    }
}

/// Returns whether a text can be a version in all packages.
pub(crate) fn is_version(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '.';
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(is_allowed)
}

/// Makes all packages, and returns whether that succeeded. A package whose tool is missing is skipped and named.
pub(crate) fn run(options: &Options) -> bool {
    let mut steps = Steps::default();
    let mut tree = None;
    steps.step(
        &format!("build with the profile {}, and put the files in their places", options.profile),
        || {
            tree = Some(staged(options)?);
            Ok(())
        },
    );
    let (Some(tree), Ok(folder)) = (tree, folder()) else { return steps.finish() };
    let (major, minor) = tree.libraries.glibc;
    println!("the program needs glibc {major}.{minor} or newer\n");
    let packed = |package: Outcome<PathBuf>| package.map(|package| println!("{}", package.display()));
    steps.step("the tarball", || packed(tarball::build(&tree, &folder)));
    with(&mut steps, "the Debian package", "dpkg-deb", "dpkg", || packed(deb::build(&tree, &folder)));
    with(&mut steps, "the RPM package", "rpmbuild", "rpm", || packed(rpm::build(&tree, &folder)));
    steps.step("the list of the program's parts", || packed(parts_list::build(&tree, &folder)));
    steps.step("the checksums", || checksums(&folder));
    steps.finish()
}

/// Runs a step that needs a program.
fn with(steps: &mut Steps, name: &str, program: &str, package: &str, step: impl FnOnce() -> Outcome) {
    match system::program(program) {
        Some(_) => steps.step(name, step),
        None => println!("skipped: {name}: needs {program}, which is in Debian's package {package}\n"),
    }
}

/// Returns the folder of the packages.
fn folder() -> Outcome<PathBuf> {
    Ok(run::target()?.join("packages"))
}

/// Builds the program and its manual, and stages the tree in an empty folder of packages.
fn staged(Options { version, profile }: &Options) -> Outcome<Tree> {
    let folder = folder()?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|why| format!("cannot empty {}: {why}", folder.display()))?;
    }
    run::succeed(&mut cargo(&[
        "build",
        "--locked",
        "--profile",
        profile,
        "--package",
        "listgate",
        "--package",
        "listgate-manual",
    ]))?;
    // Cargo's profile `dev` has another name as a folder.
    let built = run::target()?.join(if *profile == "dev" { "debug" } else { profile });
    let manual = folder.join("manual");
    run::succeed(command(built.join("listgate-manual")).arg(&manual))?;
    let version = (*version).to_owned();
    let parts = Parts { program: built.join("listgate"), manual, version, time: time()?, is_fast: false };
    let tree = Tree::stage(&parts, &folder.join("tree"))?;
    fs::remove_dir_all(&parts.manual).map_err(|why| format!("cannot remove the manual: {why}"))?;
    Ok(tree)
}

/// Returns the time of the last commit, or the one that SOURCE_DATE_EPOCH sets.
fn time() -> Outcome<u64> {
    let time = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(time) => time,
        Err(_) => run::output(command("git").args(["log", "-1", "--format=%ct"]).current_dir(run::root()))
            .map_err(|why| format!("{why}: without a repository, set SOURCE_DATE_EPOCH"))?,
    };
    time.trim().parse().map_err(|why| format!("not a time in seconds: {time}: {why}"))
}

fn checksums(folder: &Path) -> Outcome {
    let cannot = |why| format!("cannot read {}: {why}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        names.push(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| [".deb", ".rpm", ".tar.gz", ".json"].iter().any(|end| name.ends_with(end)));
    names.sort();
    let sums = run::output(command("sha256sum").arg("--").args(&names).current_dir(folder))?;
    print!("{sums}");
    let path = folder.join("SHA256SUMS");
    fs::write(&path, sums).map_err(|why| format!("cannot write {}: {why}", path.display()))
}
