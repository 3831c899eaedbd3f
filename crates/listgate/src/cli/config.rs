//! `listgate config`: prints the effective configuration, or the default one, in the format of a configuration
//! file.

use super::error::CliError;
use super::site::{Loaded, Site};
use crate::config::{BackendKind, keys, reference, setting};
use crate::outgoing::OutgoingSettings;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Show each value and where it comes from; fails if the file has a mistake
    Check {
        /// One JSON object per key
        #[arg(long)]
        json: bool,
    },
    /// Print every key with its default and a comment, as a file to start from
    Defaults,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    match action {
        Action::Check { json } => check(&mut out, site, json)?,
        Action::Defaults => out.write_all(reference().as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(out: &mut impl Write, site: &Site, json: bool) -> Result<(), CliError> {
    let Loaded { config, lines } = site.loaded()?;
    let file = site.config.as_deref();
    if !json {
        let name = file.map_or_else(|| "no file".into(), |file| file.to_string_lossy());
        writeln!(out, "# {name}; data in {}", config.data_dir.display())?;
    }
    for key in keys() {
        let (value, line) = ((key.show)(config), lines.get(key.name));
        if json {
            let file = line.and(file).map(Path::to_string_lossy);
            writeln!(out, "{}", json!({ "key": key.name, "value": value, "file": file, "line": line }))?;
        } else {
            let from = line.map_or_else(
                || origin(key.name, site, &config.backend).to_owned(),
                |line| format!("line {line}"),
            );
            writeln!(out, "{:<60}  # {from}", setting(key.name, &value))?;
        }
    }
    config.load_tls()?;
    OutgoingSettings::if_used(config)?;
    Ok(())
}

/// Returns where a value comes from if the file does not set it.
fn origin(key: &str, site: &Site, backend: &BackendKind) -> &'static str {
    match (key, backend) {
        ("site.owner" | "server.listen" | "addresses.verp_delimiter", BackendKind::Mailman(_)) => {
            "mailman.cfg"
        }
        ("storage.backend" | "mailman.config", _) if site.mailman.is_some() => "--mailman",
        ("storage.backend", BackendKind::Mailman(_)) => "mailman.config",
        ("storage.data_dir", _) if site.data_dir.is_some() => "--data-dir",
        _ => "default",
    }
}
