//! Completions of the command line for shells, as scripts.

use crate::file::File;
use clap::Command;
use clap_complete::{Shell, generate};
use listgate::cli;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The shells, and the name under which each looks for the completions of `listgate`.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "bash/listgate"), (Shell::Zsh, "zsh/_listgate"), (Shell::Fish, "fish/listgate.fish")];

/// The definitions, kept until the program ends, because a copy of a command needs a name that lives as long.
static DEFINITIONS: LazyLock<Command> = LazyLock::new(cli::definitions);

/// Returns a script for each shell.
pub(crate) fn scripts() -> impl Iterator<Item = File> {
    SHELLS.into_iter().map(|(shell, path)| {
        let mut script = Vec::new();
        generate(shell, &mut without_hidden(&DEFINITIONS), "listgate", &mut script);
        File { path: PathBuf::from(path), text: String::from_utf8(script).expect("a script is UTF-8") }
    })
}

/// Returns a copy without hidden commands and options, which `clap_complete` would offer.
fn without_hidden(command: &'static Command) -> Command {
    let mut copy = Command::new(command.get_name());
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        copy = copy.version(version);
    }
    let options = command.get_arguments().filter(|option| !option.is_hide_set());
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    copy.visible_aliases(command.get_visible_aliases())
        .args(options.cloned())
        .subcommands(below.map(without_hidden))
}
