//! The pages about commands: `listgate(1)`, and one for each of its commands, such as `listgate-list(1)`. Commands below
//! these, such as `listgate list create`, are parts of its page.

use crate::file::File;
use crate::page::{Chapter, Page};
use clap::Command;
use listgate::cli;

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Done."),
    (
        "1",
        "The command failed, and standard error says why; or it did not find what was asked for; or a check found a mistake.",
    ),
    ("2", "The command line is wrong, and nothing was done."),
];

const FILES: [(&str, &str); 3] = [
    (
        "/etc/listgate/listgate.toml",
        "The configuration file of the packages. It is read if `--config` names it, as their service does.",
    ),
    ("/var/lib/listgate", "The data directory of the packages."),
    ("./var", "The data directory if neither an option nor the configuration names one."),
];

/// Returns the pages, of `listgate` itself first.
pub(crate) fn pages() -> Vec<File> {
    let mut root = cli::definitions();
    // This gives each command its full name, and the options of all commands.
    root.build();
    let commands: Vec<&Command> = shown(&root).collect();
    let mut pages = vec![overview(&root, &commands)];
    pages.extend(commands.iter().map(|command| page(command, &root)));
    pages
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// Returns the page of `listgate` itself.
fn overview(root: &Command, commands: &[&Command]) -> File {
    let mut page = Page::new(root.get_name(), Chapter::Commands, &about(root));
    synopsis(&mut page, &[root]);
    page.section("DESCRIPTION").paragraphs(&description(root));
    page.section("COMMANDS");
    for command in commands {
        page.term(&format!("{}(1)", page_name(command)), &about(command));
    }
    page.section("OPTIONS").paragraphs("Every command has these options, before or after its name.");
    page.options(root);
    page.section("ENVIRONMENT");
    for option in root.get_arguments() {
        if let (Some(variable), Some(long)) = (option.get_env(), option.get_long()) {
            page.term(&variable.to_string_lossy(), &format!("The value of `--{long}`, unless it is given."));
        }
    }
    page.section("FILES");
    for (file, text) in FILES {
        page.term(file, text);
    }
    exit_status(&mut page);
    page.section("SEE ALSO").paragraphs("`listgate.toml`(5)");
    page.finish()
}

/// Returns the page of a command, with those below it.
fn page(command: &Command, root: &Command) -> File {
    let mut page = Page::new(&page_name(command), Chapter::Commands, &about(command));
    let below: Vec<&Command> = shown(command).collect();
    match &*below {
        [] => {
            synopsis(&mut page, &[command]);
            let description = description(command);
            if !description.is_empty() {
                page.section("DESCRIPTION").paragraphs(&description);
            }
            page.section("OPTIONS");
            details(&mut page, command);
        }
        below => {
            synopsis(&mut page, below);
            page.section("COMMANDS");
            for command in below {
                let about = format!("{}.", about(command));
                page.subsection(full_name(command)).paragraphs(&about).paragraphs(&description(command));
                details(&mut page, command);
            }
        }
    }
    page.section("COMMON OPTIONS").paragraphs(&common_options(root));
    exit_status(&mut page);
    page.section("SEE ALSO").paragraphs("`listgate`(1), `listgate.toml`(5)");
    page.finish()
}

/// Adds a command's own options, and what its help ends with.
fn details(page: &mut Page, command: &Command) {
    page.options(&with_own_options(command));
    if let Some(text) = command.get_after_long_help().or(command.get_after_help()) {
        page.after_help(&text.to_string());
    }
}

/// Returns a command that shows only its own options, not those of all commands.
fn with_own_options(command: &Command) -> Command {
    command.clone().mut_args(|option| {
        let is_common = option.is_global_set() || option.get_id() == "help";
        if is_common { option.hide(true) } else { option }
    })
}

/// Adds how commands are written, each on its own line.
fn synopsis(page: &mut Page, commands: &[&Command]) {
    let usages = commands.iter().map(|command| {
        let usage = with_own_options(command).render_usage().to_string();
        let name = full_name(command);
        let arguments = usage.split_once(name).map(|(_, arguments)| arguments.to_owned());
        (name, arguments.expect("the usage begins with the name"))
    });
    page.section("SYNOPSIS").usages(usages);
}

fn common_options(root: &Command) -> String {
    let names = root.get_arguments().filter(|option| option.is_global_set());
    let names: Vec<String> =
        names.filter_map(|option| option.get_long()).map(|long| format!("`--{long}`")).collect();
    format!("Every command also has {} and `--help`: see `listgate`(1).", names.join(", "))
}

fn exit_status(page: &mut Page) {
    page.section("EXIT STATUS");
    for (code, text) in EXIT_STATUS {
        page.term(code, text);
    }
}

fn page_name(command: &Command) -> String {
    full_name(command).replace(' ', "-")
}

/// Returns the name with those of the commands above.
fn full_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

/// Returns the first line of a command's help.
fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    about.trim_end_matches('.').to_owned()
}

/// Returns what a command's help has after its first line.
fn description(command: &Command) -> String {
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    long.split_once("\n\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}
