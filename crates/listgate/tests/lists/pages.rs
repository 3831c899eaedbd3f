//! The pages for list owners, as their readers follow them: every command, in its order, prints what the page shows.

use crate::support::blocks;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compares what a command prints with what the page shows, where `...` stands for the rest of a line or a path.
#[track_caller]
fn assert_shown(command: &str, printed: &str, shown: &[&str]) {
    let printed: Vec<&str> = printed.lines().collect();
    let agree = |(printed, shown): (&&str, &&str)| match shown.split_once("...") {
        Some((begin, end)) => printed.starts_with(begin) && printed.ends_with(end),
        None => printed == shown,
    };
    let same = printed.len() == shown.len() && printed.iter().zip(shown).all(agree);
    assert!(same, "{command}\nprinted {printed:#?}\nand the page shows {shown:#?}");
}

#[test]
fn the_page_of_lists_shows_what_its_commands_print() {
    follow("docs/lists.md");
}

#[test]
fn the_page_of_members_shows_what_its_commands_print() {
    follow("docs/members.md");
}

#[track_caller]
fn follow(page: &str) {
    let home = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_listgate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let mut run = 0;
    for (before, block) in blocks(&fs::read_to_string(page).unwrap()) {
        if !block.starts_with("$ ") {
            fs::write(home.path().join(before.rsplit('`').nth(1).unwrap()), &block).unwrap();
            continue;
        }
        for session in block.strip_prefix("$ ").unwrap().split("\n$ ") {
            let mut lines = session.lines();
            let command = lines.next().unwrap();
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec 2>&1; {command}")]).env("PATH", &path);
            let output = shell.env_remove("LISTGATE_DATA_DIR").current_dir(home.path()).output().unwrap();
            assert_shown(command, str::from_utf8(&output.stdout).unwrap(), &lines.collect::<Vec<_>>());
            run += 1;
        }
    }
    assert!(run > 10, "the page was read");
}
