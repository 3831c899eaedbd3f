//! `listgate key`

use super::error::{CliError, NotRotated};
use super::output::{age, fitted, rfc3339};
use super::site::{Site, try_wait};
use crate::model::SiteKey;
use crate::operations::{self, PlannedRotation};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List the keys whose tokens are valid, and say which of them signs; the secrets are not shown
    Ls {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Make a new key, which signs from now on; the three before it stay valid
    Rotate {
        /// End all older keys too, so that no token in mail sent before is valid
        #[arg(long)]
        end_all: bool,
        /// Do not ask, even if a key ends
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    let keys = operations::keys(site.config()?)?;
    match action {
        Action::Ls { json } => {
            for key in try_wait(keys.all())? {
                match json {
                    true => writeln!(out, "{}", as_json(&key))?,
                    false => line(&mut out, &key)?,
                }
            }
        }
        Action::Rotate { end_all, yes } => {
            let planned = try_wait(keys.plan(end_all))?;
            if !planned.ends.is_empty() && !yes && !confirms(&planned)? {
                return Err(NotRotated::NotConfirmed.into());
            }
            rotated(&mut out, &try_wait(keys.rotate(&planned))?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(out: &mut impl Write, key: &SiteKey) -> io::Result<()> {
    let SiteKey { number, made_at, replaced_at } = key;
    let (number, from) = (number.to_string(), rfc3339(*made_at));
    match replaced_at {
        None => writeln!(out, "{number:<5} signs since {from} ({} ago)", age(*made_at)),
        Some(until) => writeln!(out, "{number:<5} valid; it signed from {from} to {}", rfc3339(*until)),
    }
}

fn as_json(key: &SiteKey) -> Value {
    json!({
        "number": key.number.0,
        "signs": key.replaced_at.is_none(),
        "made_at": rfc3339(key.made_at),
        "replaced_at": key.replaced_at.map(rfc3339),
    })
}

/// Says what a rotation ends, and asks whether to go on.
fn confirms(planned: &PlannedRotation) -> Result<bool, CliError> {
    let mut asks = io::stderr();
    writeln!(asks, "{}", fitted(&warning(planned), &asks))?;
    write!(asks, "Change the key? (yes/no) ")?;
    asks.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(NotRotated::Input)?;
    if !answer.ends_with('\n') {
        // Nobody has ended the line.
        writeln!(asks)?;
    }
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Returns what a rotation ends, in sentences.
fn warning(planned: &PlannedRotation) -> String {
    let from = |key: &SiteKey| rfc3339(key.made_at);
    let until = |key: &SiteKey| key.replaced_at.map_or_else(|| "now".to_owned(), rfc3339);
    let ended = planned.ends.iter().map(|key| {
        format!(
            "After this, key {} is not valid; it signed from {} to {}.  ",
            key.number,
            from(key),
            until(key)
        )
    });
    let leave = match planned.memberships {
        0 => "No member has a leave address of that time.".to_owned(),
        1 => format!("1 member may have a leave address of that time{PLAIN_LEAVE}"),
        many => format!("Up to {many} members have leave addresses of that time{PLAIN_LEAVE}"),
    };
    let recent = match planned.is_recent {
        true => {
            " Mail of the last days is affected too: a reply that confirms is answered with \"please ask again\", and a \
             bounce counts for no member."
        }
        false => "",
    };
    format!("{}{leave} {HELD}{recent}", ended.collect::<String>())
}

const PLAIN_LEAVE: &str = "; mail to one counts as mail to -leave, which asks the member to confirm.";

const HELD: &str = "Links of that time in notices about held posts do nothing any more.";

fn rotated(out: &mut impl Write, keys: &[SiteKey]) -> io::Result<()> {
    let mut numbers = keys.iter().map(|key| key.number.to_string());
    let signs = numbers.next().unwrap_or_default();
    let others: Vec<String> = numbers.collect();
    match others.is_empty() {
        true => writeln!(out, "key {signs} signs from now on, and no other key is valid"),
        false => writeln!(out, "key {signs} signs from now on; still valid: {}", others.join(", ")),
    }
}
