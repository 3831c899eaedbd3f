//! `listgate mta`: prints the mail server's side of the configuration, ready to paste.

mod exim;
mod postfix;

use super::error::{CliError, MtaError};
use super::site::{Site, try_wait};
use crate::net::ListenAddress;
use crate::operations;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Lines for Postfix's main.cf
    Postfix(Args),
    /// A domain list, an ACL entry, a router and a transport for Exim 4
    Exim(Args),
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// The --listen option that `serve` was started with; may be repeated
    #[arg(long, value_name = "ADDR")]
    listen: Vec<ListenAddress>,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut config = site.config()?.clone();
    let (Action::Postfix(Args { listen }) | Action::Exim(Args { listen })) = &action;
    if !listen.is_empty() {
        config.listen.clone_from(listen);
    }
    for (key, addresses) in [("server.listen", &config.listen), ("socketmap.listen", &config.socketmap)] {
        let any_port = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp(at) if at.port() == 0);
        if let Some(address) = addresses.iter().find(any_port) {
            return Err(MtaError::AnyPort { key, address: address.clone() }.into());
        }
    }
    let text = match action {
        Action::Postfix(_) => postfix::main_cf(&config, || domains(site))?,
        Action::Exim(_) => exim::configuration(&config, &domains(site)?)?,
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn domains(site: &Site) -> Result<Vec<String>, CliError> {
    let console = operations::console(site.config()?)?;
    try_wait(operations::mail_domains(&*console))
}
