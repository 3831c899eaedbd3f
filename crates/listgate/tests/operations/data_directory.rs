//! Commands name the data directory that they use by its absolute path.

use crate::support::{OWNER, Site, program};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Returns a command that runs in a directory, without the variable that names the data directory.
fn within(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).env_remove("LISTGATE_DATA_DIR").current_dir(dir).stdin(Stdio::null());
    command
}

/// Returns the line of the banner that names the data directory.
fn banner(mut serve: Command) -> String {
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("data in"));
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap()
}

#[test]
fn the_banner_has_the_absolute_path_and_says_whether_it_is_new() {
    let site = Site::new();
    let serve = || banner(within(site.data(), &["serve", "--listen", "127.0.0.1:0"]));
    let path = site.data().join("var");
    assert_eq!(serve(), format!("  data in       {} (new)", path.display()));
    assert_eq!(serve(), format!("  data in       {}", path.display()));
}

#[test]
fn a_directory_in_the_file_is_relative_to_the_file() {
    let site = Site::new();
    let (etc, elsewhere) = (site.data().join("etc"), site.data().join("elsewhere"));
    for dir in [&etc, &elsewhere] {
        fs::create_dir(dir).unwrap();
    }
    let file = etc.join("listgate.toml");
    fs::write(&file, "[storage]\ndata_dir = \"lists\"\n").unwrap();
    let file = file.to_str().unwrap();
    let create = ["--config", file, "list", "create", "mylist@example.com", "--owner", OWNER];
    let Output { status, stdout, .. } = within(&elsewhere, &create).output().unwrap();
    let (stdout, path) = (String::from_utf8(stdout).unwrap(), etc.join("lists"));
    let note = format!("note: the data directory {} is new, and no gate runs on it\n", path.display());
    assert!(status.success() && stdout.ends_with(&note), "{stdout}");
    let serve = within(&elsewhere, &["--config", file, "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(banner(serve), format!("  data in       {}", path.display()));
}

#[test]
fn where_nothing_is_the_error_has_the_absolute_path_and_nothing_is_created() {
    let site = Site::new();
    for args in [&["list", "ls"][..], &["work", "in", "--", "true"], &["backup", "copy"], &["queue", "ls"]] {
        let Output { status, stderr, .. } = within(site.data(), args).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        let why = format!("no data found in {}: name another --data-dir", site.data().join("var").display());
        assert!(status.code() == Some(1) && stderr.contains(&why), "{stderr}");
    }
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 0);
}
