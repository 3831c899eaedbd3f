//! Every command, option and key has a manual entry, and every command and option has completions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use clap::Command;
use listgate::{cli, key_entries};
use listgate_manual::{File, files};
use std::path::Path;
use std::sync::LazyLock;

static FILES: LazyLock<Vec<File>> = LazyLock::new(files);

fn text(path: &str) -> String {
    let file = FILES.iter().find(|file| file.path == Path::new(path));
    file.unwrap_or_else(|| panic!("{path} is missing")).text.replace("\\-", "-")
}

/// Returns the commands below a command that are not hidden, with all below them.
fn all(command: &Command) -> Vec<&Command> {
    let shown =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    shown.flat_map(|command| [vec![command], all(command)].concat()).collect()
}

/// Returns what a page says about a command: all of it, or the part below the command's own title.
fn part_about(command: &Command) -> String {
    let words: Vec<&str> = command.get_bin_name().unwrap().split(' ').collect();
    let page = text(&format!("man1/{}-{}.1", words[0], words[1]));
    if words.len() == 2 {
        return page;
    }
    let title = format!(".SS \"{}\"\n", words.join(" "));
    let (_, part) = page.split_once(&title).unwrap_or_else(|| panic!("no part {title}"));
    part.split("\n.S").next().unwrap().to_owned()
}

#[test]
fn every_command_and_option_has_its_entry() {
    let mut root = cli::definitions();
    root.build();
    let commands = all(&root);
    assert!(commands.len() > 50, "{}", commands.len());
    let overview = text("man1/listgate.1");
    for command in commands {
        let part = part_about(command);
        let name = command.get_bin_name().unwrap();
        let about = command.get_about().unwrap().to_string();
        // Roff has its own way to write the other characters.
        let plain = about.split(['`', '\'']).next().unwrap();
        assert!(part.contains(plain), "{name}: {plain} is missing in\n{part}");
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            let (wanted, page) = match option.get_long() {
                Some("help") => continue,
                Some(long) if option.is_global_set() => (format!("\\fB--{long}\\fR"), &overview),
                Some(long) => (format!("\\fB--{long}\\fR"), &part),
                None => (format!("\\fI{}\\fR", option.get_value_names().unwrap().join(" ")), &part),
            };
            assert!(page.contains(&wanted), "{name}: {wanted} is missing in\n{page}");
        }
    }
}

#[test]
fn what_is_hidden_is_nowhere() {
    for File { path, text } in &*FILES {
        for hidden in ["reaper", "--port", "\\-\\-port", "-l port"] {
            assert!(!text.contains(hidden), "{}: {hidden}", path.display());
        }
    }
}

#[test]
fn every_key_has_its_entry() {
    let page = text("man5/listgate.toml.5");
    let keys = key_entries();
    assert!(keys.len() > 40, "{}", keys.len());
    for key in keys {
        let (_, table) = page.split_once(&format!(".SS [{}]\n", key.table)).unwrap();
        let table = table.split("\n.S").next().unwrap();
        let entry = format!(".TP\n\\fB{}\\fR\n", key.setting);
        let (_, entry) = table.split_once(&entry).unwrap_or_else(|| panic!("{entry} is missing"));
        let entry = entry.split("\n.TP").next().unwrap();
        assert!(entry.contains(&format!("Write {}.", key.kind)), "{entry}");
        assert!(!entry.contains("None"), "{entry}");
    }
}

#[test]
fn the_completions_have_every_command_and_option() {
    let mut root = cli::definitions();
    root.build();
    let scripts = ["bash/listgate", "zsh/_listgate", "fish/listgate.fish"].map(text);
    for command in all(&root) {
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        let name = command.get_bin_name().expect("a command that is built has its name");
        let case = name.replace('-', "__").replace(' ', "__subcmd__");
        let [bash, zsh, fish] = &scripts;
        assert!(bash.contains(&format!("cmd=\"{case}\"")), "{name}");
        for long in options.filter_map(|option| option.get_long()) {
            let in_all = bash.contains(&format!("--{long}")) && zsh.contains(&format!("--{long}"));
            assert!(in_all && fish.contains(&format!("-l {long} ")), "{name}: {long}");
        }
    }
}
