//! `listgate doctor`

use super::error::CliError;
use super::output::wrapped;
use super::site::{Site, wait};
use crate::doctor::{Extent, Finding, Verdict, examine, send_test};
use crate::net::ListenAddress;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The --listen option that `serve` was started with; may be repeated
    #[arg(long, value_name = "ADDR")]
    listen: Vec<ListenAddress>,
    /// Examine the whole database, however long that takes
    #[arg(long)]
    thorough: bool,
    /// Correct the recorded sizes of the queues
    #[arg(long)]
    repair: bool,
    /// Also send a test message through the mail server, and see whether it comes back unchanged and signed
    #[arg(long, value_name = "DOMAIN")]
    send_test: Option<String>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let (mut config, readable) = match site.config() {
        Ok(config) => (config.clone(), Ok(())),
        Err(why) => {
            let rest = site.config_without_file();
            (rest.unwrap_or_default(), Err(why))
        }
    };
    if !args.listen.is_empty() {
        config.listen = args.listen;
    }
    let extent = Extent { thorough: args.thorough, repair: args.repair };
    let mut out = io::stdout().lock();
    let mut verdicts = Vec::new();
    let mut report = |finding: Finding| {
        verdicts.push(finding.verdict);
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&finding)?)
        } else {
            print(&mut out, &finding)
        }
    };
    examine(site.config.as_deref(), &config, readable, extent, &mut report)?;
    if let Some(domain) = &args.send_test {
        wait(send_test(&config, domain, &mut report))??;
    }
    let count = |wanted| verdicts.iter().filter(|&&verdict| verdict == wanted).count();
    let wrong = count(Verdict::Wrong);
    if !args.json {
        writeln!(out, "\n{} ok, {} to note, {wrong} wrong", count(Verdict::Ok), count(Verdict::Note))?;
    }
    Ok(if wrong > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let Finding { check, verdict, found, fix } = finding;
    let verdict = match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Wrong => "WRONG",
    };
    writeln!(out, "{verdict:<6}{check:<16}{}", wrapped(found, 22))?;
    if let Some(fix) = fix {
        writeln!(out, "{:>22}{}", "fix: ", wrapped(fix, 22))?;
    }
    // A check may take a while, so each finding is shown at once.
    out.flush()
}
