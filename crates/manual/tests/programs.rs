//! The programs that read the pages and the completions: man, groff and the shells.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use listgate_manual::write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes everything into a folder of the test's own.
fn written(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    write(&folder).unwrap();
    folder
}

/// Runs a command, and returns what it printed. It must succeed, and print no errors.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let folders = ["man1", "man5"].map(|chapter| folder.join(chapter).read_dir().unwrap());
    let pages: Vec<PathBuf> = folders.into_iter().flatten().map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

#[test]
#[ignore = "needs man"]
fn man_shows_each_page_in_80_columns_without_a_warning() {
    for page in pages(&written("man")) {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-P", "cat", "-l"]).arg(&page);
        let shown = output(man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8"));
        let too_long = shown.lines().find(|line| line.chars().count() > 80);
        assert_eq!(too_long, None, "{}", page.display());
        assert!(shown.contains("SEE ALSO"), "{shown}");
    }
}

#[test]
#[ignore = "needs groff"]
fn groff_has_no_warnings() {
    for page in pages(&written("groff")) {
        let printed = output(Command::new("groff").args(["-ww", "-z", "-man", "-Tutf8"]).arg(&page));
        assert_eq!(printed, "", "{}", page.display());
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[test]
#[ignore = "needs bash"]
fn bash_completes_commands_and_options() {
    let completions = written("bash").join("bash/listgate");
    let complete = |words: &[&str]| {
        output(
            Command::new("bash").arg(script("complete.bash")).arg(&completions).arg("listgate").args(words),
        )
    };
    assert_eq!(complete(&["list", "c"]), "create\nclose\n");
    assert_eq!(complete(&["serve", "--lo"]), "--log\n");
    assert_eq!(complete(&["serve", "--log", ""]), "text\njson\n");
}

#[test]
#[ignore = "needs zsh"]
fn zsh_completes_commands() {
    let folder = written("zsh").join("zsh");
    let mut zsh = Command::new("zsh");
    zsh.arg("-f").arg(script("complete.zsh")).arg(&folder).args(["listgate list c", "create  -- "]);
    let shown = output(&mut zsh);
    assert!(shown.contains("create  -- Create lists, all or none"), "{shown}");
    assert!(shown.contains("close   -- Refuse mail with 550"), "{shown}");
}

#[test]
#[ignore = "needs fish"]
fn fish_completes_commands_and_options() {
    let completions = written("fish").join("fish/listgate.fish");
    let complete = |line: &str| {
        let command = format!("source {}; complete -C '{line}'", completions.display());
        output(Command::new("fish").args(["--no-config", "-c", &command]))
    };
    let commands = complete("listgate list c");
    assert!(commands.starts_with("close\t") && commands.contains("\ncreate\tCreate lists"), "{commands}");
    assert!(complete("listgate serve --lo").starts_with("--log\tThe format"));
}
