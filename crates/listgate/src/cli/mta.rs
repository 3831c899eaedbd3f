//! `listgate mta`: prints the mail server's side of the configuration, ready to paste.

mod exim;
mod gate;
mod postconf;
mod postfix;
mod way_out;

use super::error::{CliError, MtaError};
use super::site::{Site, try_wait};
use crate::backends::Console;
use crate::file_error::During;
use crate::net::ListenAddress;
use crate::operations::{self, Postmaster};
use gate::Gate;
use postconf::{Existing, NotASetting, Settings};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// The addresses that every domain should have (RFC 2142). Unless Listgate takes them, the mail server keeps them.
const KEPT: [&str; 2] = ["postmaster", "abuse"];

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Commands that add Listgate to the settings of Postfix
    ///
    /// The existing settings, read from `postconf -n`, keep their values. The domains of the lists are written into
    /// main.cf, so that only their mail waits while the gate is down. Set MAIL_CONFIG if Postfix's directory is not
    /// the usual one.
    Postfix(PostfixArgs),
    /// A domain list, an ACL entry, routers and a transport for Exim 4
    Exim(Args),
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// The --listen option that `serve` was started with; may be repeated
    #[arg(long, value_name = "ADDR")]
    listen: Vec<ListenAddress>,
}

#[derive(clap::Args)]
pub(super) struct PostfixArgs {
    #[command(flatten)]
    common: Args,
    /// Read the output of `postconf -n` from a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "fresh")]
    from: Option<PathBuf>,
    /// Print the commands for a new Postfix, without reading the settings of this machine
    #[arg(long)]
    fresh: bool,
    /// Let Postfix ask the gate for its domains, too: all mail of the machine waits while the gate is down
    #[arg(long)]
    ask_domains: bool,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut config = site.config()?.clone();
    let (Action::Postfix(PostfixArgs { common, .. }) | Action::Exim(common)) = &action;
    if !common.listen.is_empty() {
        config.listen.clone_from(&common.listen);
    }
    for (key, addresses) in [("server.listen", &config.listen), ("socketmap.listen", &config.socketmap)] {
        let any_port = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp(at) if at.port() == 0);
        if let Some(address) = addresses.iter().find(any_port) {
            return Err(MtaError::AnyPort { key, address: address.clone() }.into());
        }
    }
    let console: Arc<dyn Console> = operations::console(&config)?.into();
    let postmaster = try_wait(operations::postmaster(&config, &console))?;
    let domains = try_wait(operations::mail_domains(&*console))?;
    let kept: &[&str] = if matches!(postmaster, Postmaster::Nobody) { &KEPT } else { &[] };
    let kept = try_wait(operations::without_list(&*console, kept, &domains))?;
    let sends = operations::engine_runs(&config);
    let gate = Gate {
        config: &config,
        domains: &domains,
        kept: &kept,
        postmaster: &postmaster,
        asked: false,
        sends,
    };
    let text = match &action {
        Action::Postfix(args) => {
            postfix::commands(&Gate { asked: args.ask_domains, ..gate }, &existing(args)?)?
        }
        Action::Exim(_) => exim::configuration(&gate)?,
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the settings that the commands are for.
fn existing(args: &PostfixArgs) -> Result<Existing, CliError> {
    if args.fresh {
        return Ok(Existing::Read(Settings::fresh()));
    }
    let Some(from) = &args.from else { return Ok(running()) };
    let text = if from == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(MtaError::Input)?;
        text
    } else {
        fs::read_to_string(from).during("read", from)?
    };
    match Settings::parse(&text) {
        Ok(settings) => Ok(Existing::Read(settings)),
        Err(NotASetting(line)) => {
            Err(MtaError::NotASetting { from: from.display().to_string(), line }.into())
        }
    }
}

/// Asks the Postfix of this machine for its settings.
fn running() -> Existing {
    // `postconf -n` leaves out the names of the machine if they have their defaults.
    let asked = postconf(&["-n"]).and_then(|set| Ok(postconf(&["myhostname", "mydomain"])? + &set));
    match asked.map(|text| Settings::parse(&text)) {
        Ok(Ok(settings)) => Existing::Read(settings),
        Ok(Err(NotASetting(line))) => {
            Existing::Unknown(format!("line {line} of what `postconf` prints is not a setting"))
        }
        Err(why) => Existing::Unknown(why),
    }
}

/// Returns what `postconf ARGS` prints, or the reason why it prints nothing.
fn postconf(args: &[&str]) -> Result<String, String> {
    // The PATH of a user who is not root often lacks it.
    let tried = Command::new("postconf").args(args).output();
    let output = match tried {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            Command::new("/usr/sbin/postconf").args(args).output()
        }
        tried => tried,
    };
    let output = output.map_err(|why| format!("postconf: {why}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("postconf failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
