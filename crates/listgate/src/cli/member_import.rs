//! `listgate member import`

use super::error::CliError;
use super::output::{fitted, printable};
use super::site::{Site, wait};
use crate::error_chain::Chain;
use crate::file_error::{During, FileError};
use crate::limits;
use crate::model::{ListAddress, MemberRole};
use crate::operations::{self, Import, Imported, Remark};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The list's address, such as mylist@example.com
    list: ListAddress,
    /// CSV with a header such as `address,name`, or one address a line; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// member, owner, moderator or nonmember
    #[arg(long, value_name = "ROLE", default_value_t = MemberRole::Member)]
    role: MemberRole,
    /// Report what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Some lines of the file, or why it could not be read on.
type Lines = Result<Vec<Vec<u8>>, FileError>;

/// Why an import ended before the end of the file.
enum Early {
    Interrupted,
    Failed(CliError),
}

pub(super) fn run(site: &Site, args: &Args) -> Result<ExitCode, CliError> {
    let config = site.config()?;
    let (file, octets) = open(&args.file)?;
    let bar = bar(octets);
    let (import, early) = wait(async {
        let roster = operations::roster(config, &args.list).await?;
        let mut import = Import::new(roster, args.role, args.dry_run);
        let early = import_all(&mut import, read_beside(file, &args.file), &bar).await;
        Ok::<_, CliError>((import, early))
    })??;
    bar.finish_and_clear();
    let done = import.done();
    writeln!(io::stdout().lock(), "{}", summary(&import, args))?;
    match early {
        Ok(()) if done.refused == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        Err(early) => {
            let lines = done.lines;
            let note = "what was imported stays. Run it again for the rest";
            eprintln!("{}", fitted(&format!("listgate: stopped after line {lines}; {note}"), &io::stderr()));
            match early {
                Early::Interrupted => Ok(ExitCode::FAILURE),
                Early::Failed(why) => Err(why),
            }
        }
    }
}

/// Imports all lines, and prints the remarks about them.
async fn import_all(
    import: &mut Import,
    mut lines: mpsc::Receiver<Lines>,
    bar: &ProgressBar,
) -> Result<(), Early> {
    let failed = |why: CliError| Early::Failed(why);
    let mut interrupts =
        signal(SignalKind::interrupt()).map_err(|why| failed(CliError::system("wait for signals")(why)))?;
    loop {
        let some = tokio::select! {
            biased;
            _ = interrupts.recv() => return Err(Early::Interrupted),
            some = lines.recv() => some,
        };
        let Some(some) = some else { return Ok(()) };
        let some = some.map_err(|why| failed(why.into()))?;
        let remarks = import.lines(&some).await.map_err(|why| failed(why.into()))?;
        bar.inc(some.iter().map(|line| line.len() as u64).sum());
        bar.set_message(format!("{} added", import.done().added));
        bar.suspend(|| print(&remarks, import)).map_err(|why| failed(why.into()))?;
        // Otherwise a signal would only be noticed at the end, if lines are always there.
        tokio::task::yield_now().await;
    }
}

fn print(remarks: &[(u64, Remark)], import: &Import) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (number, remark) in remarks {
        match remark {
            // Refused lines can be sorted out by their stream.
            Remark::Refused { text, why } => {
                let text: String = printable(text).chars().take(limits::SHOWN_LINE).collect();
                let line = format!("line {number}: refused: {text}: {}", Chain(why));
                eprintln!("{}", fitted(&line, &io::stderr()));
            }
            Remark::Already(address) => {
                let (address, role) = (printable(&address.to_string()), import.role().with_article());
                writeln!(out, "line {number}: {address} is {role} already")?;
            }
            Remark::Twice { address, first } => {
                writeln!(out, "line {number}: {} is in line {first}", printable(&address.to_string()))?;
            }
            Remark::Ignored(columns) => {
                let columns = printable(&columns.join(", "));
                writeln!(out, "line {number}: not used: {columns}")?;
            }
        }
    }
    Ok(())
}

fn summary(import: &Import, args: &Args) -> String {
    let Imported { added, already, twice, refused, .. } = import.done();
    let list = import.roster().list();
    let (added_word, end) = match args.dry_run {
        true => ("would be added", " (--dry-run: nothing was changed)"),
        false => ("added", ""),
    };
    let mut parts = vec![format!("{added} {added_word}")];
    for (count, what) in [(already, "there already"), (twice, "in the file twice"), (refused, "refused")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    format!("{list}: {}{end}", parts.join(", "))
}

type Input = Box<dyn Read + Send>;

/// Opens the file, and returns its size in octets if it has one.
fn open(path: &Path) -> Result<(Input, Option<u64>), FileError> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path).during("open", path)?;
    let metadata = file.metadata().during("look at", path)?;
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}

/// Reads the file on a thread of its own, so that Ctrl-C is noticed while standard input waits for more.
fn read_beside(file: Input, path: &Path) -> mpsc::Receiver<Lines> {
    let (sender, lines) = mpsc::channel(2);
    let path = path.to_owned();
    let mut file = BufReader::with_capacity(limits::READ_AT_ONCE, file);
    // The process does not wait for this thread.
    thread::spawn(move || {
        loop {
            let some = read_some(&mut file).during("read", &path);
            let (is_end, is_error) = (some.as_ref().is_ok_and(Vec::is_empty), some.is_err());
            if is_end || sender.blocking_send(some).is_err() || is_error {
                return;
            }
        }
    });
    lines
}

/// Reads the lines of one commit. A line that is too long is cut after its first octet too many.
fn read_some(file: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    while lines.len() < limits::MEMBERS_AT_ONCE {
        let mut line = Vec::new();
        let most = limits::MEMBER_LINE as u64 + 1;
        if file.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == most && !line.ends_with(b"\n") {
            file.skip_until(b'\n')?;
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Returns a progress bar on standard error, hidden if that is not a terminal.
fn bar(octets: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (template, bar) = match octets {
        Some(octets) => ("{bar:40} {percent:>3} %  {msg}  {elapsed}", ProgressBar::new(octets)),
        None => ("{spinner} {msg}  {elapsed}", ProgressBar::new_spinner()),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
