//! The command line: one file for each subcommand.

mod backup;
mod ban;
mod bench;
mod check;
mod config;
mod doctor;
mod domain;
mod error;
mod explain;
mod held;
mod key;
mod list;
mod list_settings;
mod log;
mod member;
mod member_import;
mod mta;
mod one_by_one;
mod output;
mod pages;
mod post;
mod queue;
mod request;
mod send;
mod serve;
mod site;
mod work;

use crate::doctor::AS_THE_GATE;
use crate::error_chain::Chain;
use crate::work::{REAPER, reap};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use error::CliError;
use output::fitted;
use site::Site;
use std::error::Error;
use std::io;
use std::process::ExitCode;

/// A mailing-list server beside a mail server.
///
/// The mail server delivers by LMTP. For each recipient, Listgate checks that it is an address of a
/// list, and stores the message durably. Posts then go to the members through the mail server.
/// People join and leave lists by mail.
#[derive(Parser)]
#[command(name = "listgate", version, max_term_width = 80)]
struct Cli {
    #[command(flatten)]
    site: Site,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take mail by LMTP, send posts to members, and answer commands, until Ctrl-C or SIGTERM
    Serve(serve::Args),
    /// Create, remove, rename and show mailing lists
    #[command(subcommand)]
    List(list::Action),
    /// Add, remove, show and change the members of lists
    #[command(subcommand)]
    Member(member::Action),
    /// Keep addresses from joining lists
    #[command(subcommand)]
    Ban(ban::Action),
    /// Add, remove and show domains and alias domains
    #[command(subcommand)]
    Domain(domain::Action),
    /// Show what RCPT would answer to addresses, and why
    Check(check::Args),
    /// Show posts that wait for a moderator, and accept, reject or discard them
    #[command(subcommand)]
    Held(held::Action),
    /// Show requests to join or leave that wait, and accept, reject and remove them
    #[command(subcommand)]
    Request(request::Action),
    /// Show what became of posts: who got them, and what the mail server replied
    #[command(subcommand)]
    Post(post::Action),
    /// Show what became of the mail with a Message-ID, and why
    Explain(explain::Args),
    /// Show the keys that sign addresses such as mylist-leave+TOKEN@, and change the key that signs
    #[command(subcommand)]
    Key(key::Action),
    /// Show the queues, and hold, release, retry and remove their entries
    #[command(subcommand)]
    Queue(queue::Action),
    Work(work::Args),
    /// Send a message to an LMTP server
    Send(send::Args),
    /// Print the mail server's part of the configuration, ready to paste
    #[command(subcommand)]
    Mta(mta::Action),
    /// Examine the site, and say how to fix what is wrong
    Doctor(doctor::Args),
    /// Copy the data directory, with all mail, while the gate runs
    Backup(backup::Args),
    /// Measure how fast an LMTP server on this machine accepts mail
    Bench(bench::Args),
    /// Check the configuration, or print every key
    #[command(subcommand)]
    Config(config::Action),
}

/// Returns a hint for an option that other programs have.
fn hint(why: &clap::Error) -> Option<&'static str> {
    match why.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) if matches!(arg.as_str(), "-v" | "--verbose") => Some(
            "\n  tip: -V prints the version; the log has every detail, and `--log json` prints it as JSON\n",
        ),
        _ => None,
    }
}

/// Prints the help, or the error in the arguments. clap does not wrap it, and omits the causes of a value's error.
fn misused(why: &clap::Error) -> ExitCode {
    let text = why.to_string();
    let whole = match why.source() {
        Some(error) => text.replacen(&format!("': {error}"), &format!("': {}", Chain(error)), 1),
        None => text.clone(),
    };
    let (fits, hint) = (fitted(&whole, &io::stderr()), hint(why));
    if !why.use_stderr() || (fits == text && hint.is_none()) {
        why.exit();
    }
    eprint!("{fits}{}", hint.unwrap_or_default());
    ExitCode::from(2)
}

/// Returns the definitions of the commands, from which manual pages and completions are made.
pub fn definitions() -> clap::Command {
    Cli::command()
}

/// Runs the command line and returns the process's exit code: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    // clap does not know this argument: it would suggest even a hidden command for a misspelt one.
    if std::env::args_os().nth(1).is_some_and(|first| first == REAPER) {
        return ExitCode::from(u8::from(reap().is_err()));
    }
    let Cli { site, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => return misused(&why),
    };
    let done = match command {
        Command::Serve(args) => serve::run(&site, args),
        Command::List(action) => list::run(&site, action),
        Command::Member(action) => member::run(&site, action),
        Command::Ban(action) => ban::run(&site, action),
        Command::Domain(action) => domain::run(&site, action),
        Command::Check(args) => check::run(&site, args),
        Command::Held(action) => held::run(&site, action),
        Command::Request(action) => request::run(&site, action),
        Command::Post(action) => post::run(&site, action),
        Command::Explain(args) => explain::run(&site, &args),
        Command::Key(action) => key::run(&site, action),
        Command::Queue(action) => queue::run(&site, action),
        Command::Work(args) => work::run(&site, args),
        Command::Send(args) => send::run(&site, args),
        Command::Mta(action) => mta::run(&site, action),
        Command::Doctor(args) => doctor::run(&site, args),
        Command::Backup(args) => backup::run(&site, &args),
        Command::Bench(args) => bench::run(&site, args),
        Command::Config(action) => config::run(&site, action),
    };
    match done {
        Ok(code) => code,
        // The reader of the output has closed it, so it has read enough.
        Err(CliError::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(why) => {
            let why = match site.denied(&why) {
                Some(path) => {
                    format!("{}: permission denied: {AS_THE_GATE} ({})", path.display(), Chain(&why))
                }
                None => Chain(&why).to_string(),
            };
            eprintln!("{}", fitted(&format!("listgate: {why}"), &io::stderr()));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn the_page_of_operations_has_every_command() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
        let page = fs::read_to_string(page).unwrap();
        let documented: Vec<&str> = page.lines().filter(|line| line.starts_with("| `listgate ")).collect();
        let rows = rows("listgate", &Cli::command());
        assert!(documented == rows, "the rows should be\n{}", rows.join("\n"));
    }

    #[test]
    fn only_commands_for_people_are_suggested() {
        let tip = Cli::try_parse_from(["listgate", "wrok"]).err().unwrap().to_string();
        assert!(tip.contains("'work'") && !tip.contains("reaper"), "{tip}");
        assert!(Cli::command().get_subcommands().all(|command| !command.is_hide_set()));
    }

    /// Returns a row of the table for each command without subcommands, below a command of this name.
    fn rows(name: &str, command: &clap::Command) -> Vec<String> {
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let below = shown.map(|command| (format!("{name} {}", command.get_name()), command));
        let rows = below.flat_map(|(name, command)| match command.has_subcommands() {
            true => rows(&name, command),
            false => vec![format!("| `{name}` | {} |", command.get_about().unwrap())],
        });
        rows.collect()
    }
}
