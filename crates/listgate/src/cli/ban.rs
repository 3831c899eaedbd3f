//! `listgate ban`

use super::error::CliError;
use super::output::{printable, rfc3339};
use super::site::{Site, try_wait};
use crate::model::BanPattern;
use crate::operations::{self, BanScope};
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Keep addresses from joining a list; members that are there stay
    Add(Patterns),
    /// Remove bans, all or none
    #[command(alias = "delete")]
    Remove(Patterns),
    /// List the bans of a list or of the site
    Ls {
        /// The list's address, or `site` for the bans that hold in every list
        #[arg(value_name = "LIST|site")]
        scope: BanScope,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Patterns {
    /// The list's address, or `site` for every list
    #[arg(value_name = "LIST|site")]
    scope: BanScope,
    /// An address, a domain such as @example.org, or a regular expression such as '^spam.*@', which is compared with
    /// addresses in lower case
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<BanPattern>,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let bans = |scope: &BanScope| try_wait(operations::bans(site.config()?, scope));
    match action {
        Action::Add(Patterns { scope, patterns }) => {
            let new = try_wait(bans(&scope)?.add(&patterns))?;
            for (pattern, is_new) in patterns.iter().zip(new) {
                writeln!(out, "{pattern} is banned{}", if is_new { "" } else { " already" })?;
            }
        }
        Action::Remove(Patterns { scope, patterns }) => {
            try_wait(bans(&scope)?.remove(&patterns))?;
            for pattern in patterns {
                writeln!(out, "{pattern} is no longer banned")?;
            }
        }
        Action::Ls { scope, json } => {
            for ban in try_wait(bans(&scope)?.all())? {
                if json {
                    let at = rfc3339(ban.banned_at);
                    writeln!(out, "{}", json!({ "pattern": ban.pattern.as_str(), "banned_at": at }))?;
                } else {
                    writeln!(out, "{}", printable(ban.pattern.as_str()))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
