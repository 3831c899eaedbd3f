//! `listgate domain`

use super::error::CliError;
use super::site::{Site, note_new_directory, try_wait};
use crate::model::ascii_domain;
use crate::operations::{self, Lists};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Add a domain, or make one an alias of another
    Add {
        /// The domain, such as example.com
        #[arg(value_parser = domain_name)]
        domain: String,
        /// Make DOMAIN an alias: its mail goes to the lists of MAIN
        #[arg(long, value_name = "MAIN", value_parser = domain_name)]
        alias_of: Option<String>,
    },
    /// Remove a domain that has no lists and no aliases
    #[command(alias = "delete")]
    Remove {
        /// The domain, such as example.com
        #[arg(value_parser = domain_name)]
        domain: String,
    },
    /// List the domains
    Ls {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

fn domain_name(text: &str) -> Result<String, &'static str> {
    if !listgate_lmtp::is_domain_name(text) {
        return Err("write a domain name such as example.com");
    }
    ascii_domain(text).ok_or("the name is not valid in IDNA (RFC 5891)")
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    let creates = matches!(action, Action::Add { .. });
    let Lists { admin, created } = operations::lists(site.config()?, "the domains", creates)?;
    match action {
        Action::Add { domain, alias_of } => {
            let is_new = try_wait(admin.add_domain(&domain, alias_of.as_deref()))?;
            match (alias_of, is_new) {
                (Some(main), true) => writeln!(out, "{domain} is an alias of {main}")?,
                (Some(main), false) => writeln!(out, "{domain} is an alias of {main} already")?,
                (None, true) => writeln!(out, "added {domain}")?,
                (None, false) => writeln!(out, "{domain} exists already")?,
            }
            note_new_directory(&mut out, created.as_ref())?;
        }
        Action::Remove { domain } => {
            try_wait(admin.remove_domain(&domain))?;
            writeln!(out, "removed {domain}")?;
        }
        Action::Ls { json } => {
            for domain in try_wait(admin.list_domains())? {
                if json {
                    writeln!(out, "{}", serde_json::to_string(&domain).map_err(io::Error::from)?)?;
                } else {
                    let what = match (domain.alias_of, domain.lists) {
                        (Some(main), _) => format!("alias of {main}"),
                        (None, 1) => "1 list".to_owned(),
                        (None, lists) => format!("{lists} lists"),
                    };
                    writeln!(out, "{:<40} {what}", domain.name)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
