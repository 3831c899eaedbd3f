//! docs/tutorial.md, and the README's first message, as the steps that their readers follow.

use crate::support::blocks;
use std::fs;
use std::path::Path;

/// The commands that readers run first; they are not a step.
const BUILD: [&str; 2] = ["cargo build --release", "PATH=\"$PWD/target/release:$PATH\""];

/// The command that readers then run in each terminal.
pub(crate) const BEGIN: &str = "mkdir -p tutorial && cd tutorial";

pub(crate) enum Step {
    /// Save a file.
    Save { name: String, text: String },
    /// Run a command that prints what is shown.
    Run { command: String, shown: String },
    /// Wait until the program that was started last prints this.
    Later(String),
}

impl Step {
    /// Returns the command to run, if there is one.
    pub(crate) fn command(&self) -> Option<&str> {
        match self {
            Self::Run { command, .. } => Some(command),
            Self::Save { .. } | Self::Later(_) => None,
        }
    }
}

pub(crate) fn page() -> String {
    read("docs/tutorial.md")
}

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap()
}

/// Reads the steps of the README's first message. It has one terminal, so `$` precedes each command.
pub(crate) fn readme() -> Vec<Step> {
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## A first message").expect("the section of the first message");
    let (section, _) = section.split_once("\n## ").expect("another section after it");
    let mut steps: Vec<Step> = blocks(section).iter().flat_map(|(_, block)| session(block)).collect();
    let first = steps.remove(0);
    assert!(matches!(first, Step::Run { command, shown } if command == BUILD[1] && shown.is_empty()));
    assert!(steps.len() > 5, "the section was read");
    steps
}

/// Reads the steps from the page's indented blocks. A block that begins with `#!` is the file that the text
/// before it names; `1$` precedes a command of the first terminal, and `$` one of the build.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut build = Vec::new();
    for (before, block) in blocks(page) {
        if block.starts_with("#!") {
            let name = before.rsplit('`').nth(1).expect("a file's name before the file");
            steps.push(Step::Save { name: name.to_owned(), text: block });
        } else if block.starts_with("$ ") {
            build.extend(block.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line).to_owned()));
        } else if block.contains("$ ") {
            steps.extend(session(&block));
        } else {
            steps.push(Step::Later(block));
        }
    }
    assert_eq!(build, [BUILD[0], BUILD[1], BEGIN], "what is done first");
    assert!(steps.iter().filter(|step| matches!(step, Step::Run { .. })).count() > 10, "the page was read");
    steps
}

/// Returns the command with which the README starts a server, with the program that was built in place of `cargo run`.
pub(crate) fn serve() -> String {
    let readme = read("README.md");
    let options = readme.lines().find_map(|line| line.strip_prefix("    cargo run --release -- "));
    format!("listgate {}", options.expect("the command that runs it"))
}

/// Returns the commands of a block, each with what is shown below it.
pub(crate) fn session(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        let prompt = line.split_once("$ ").filter(|(number, _)| number.chars().all(|c| c.is_ascii_digit()));
        match (prompt, steps.last_mut()) {
            (Some((_, command)), _) => {
                steps.push(Step::Run { command: command.to_owned(), shown: String::new() });
            }
            (None, Some(Step::Run { command, shown })) => {
                let text = if command.ends_with(['|', '\\']) { command } else { shown };
                text.push('\n');
                text.push_str(line);
            }
            (None, _) => panic!("no command before {line:?}"),
        }
    }
    steps
}
