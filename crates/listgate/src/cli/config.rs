//! `listgate config`: what the configuration comes to, printed as a configuration file.

use super::error::CliError;
use super::site::Site;
use crate::config::{BackendKind, Config, ConfigError};
use listgate_lmtp::BareNewline;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Say every value, and where it came from; a file with a mistake fails
    Check {
        /// One JSON object per key
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let Action::Check { json } = action;
    let config = site.config()?;
    let file = site.config.as_deref();
    let lines = file.map(lines).transpose()?.unwrap_or_default();
    let mut out = io::stdout().lock();
    if !json {
        let name = file.map_or_else(|| "no file".into(), |file| file.to_string_lossy());
        writeln!(out, "# {name}; data in {}", site.data_dir.display())?;
    }
    for (key, value) in KEYS {
        let (value, line) = (value(&config), lines.get(*key));
        if json {
            let file = line.and(file).map(Path::to_string_lossy);
            writeln!(out, "{}", json!({ "key": key, "value": value, "file": file, "line": line }))?;
        } else {
            let from =
                line.map_or_else(|| origin(key, site, &config).to_owned(), |line| format!("line {line}"));
            // JSON writes text, numbers and lists of them as TOML does.
            let setting = if value.is_null() { format!("# {key} unset") } else { format!("{key} = {value}") };
            writeln!(out, "{setting:<60}  # {from}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a value is from that the file does not say.
fn origin(key: &str, site: &Site, config: &Config) -> &'static str {
    match (key, &config.backend) {
        ("site.owner" | "server.listen" | "addresses.verp_delimiter", BackendKind::Mailman { .. }) => {
            "mailman.cfg"
        }
        ("lists.source" | "queue.backend" | "mailman.config", _) if site.mailman.is_some() => "--mailman",
        _ => "default",
    }
}

/// A key, and its value as a file would say it.
type Key = (&'static str, fn(&Config) -> Value);

/// Every key. A test compares them with those that a file may have.
const KEYS: &[Key] = &[
    ("site.owner", |config| json!(config.owner)),
    ("site.postmaster", |config| json!(config.postmaster)),
    ("server.listen", |config| config.listen.iter().map(ToString::to_string).collect()),
    ("server.hostname", |config| json!(config.hostname)),
    ("server.max_connections", |config| json!(config.max_connections)),
    ("server.max_connections_per_peer", |config| json!(config.max_connections_per_peer)),
    ("server.max_in_flight", |config| size(config.max_in_flight)),
    ("server.allow", |config| json!(config.allow.words())),
    ("server.allow_uids", |config| json!(config.allow_uids)),
    ("server.socket_mode", |config| format!("{:04o}", config.socket_mode).into()),
    ("server.shutdown_grace", |config| time(config.shutdown_grace)),
    ("lmtp.refuse_at", |config| json!(config.refuse_at)),
    ("lmtp.max_message_size", |config| size(config.max_message_size)),
    ("lmtp.max_recipients", |config| json!(config.max_recipients)),
    ("lmtp.command_timeout", |config| time(config.command_timeout)),
    ("lmtp.data_timeout", |config| time(config.data_timeout)),
    ("lmtp.transaction_timeout", |config| time(config.transaction_timeout)),
    ("lmtp.bare_newline", |config| match config.bare_newline {
        BareNewline::Keep => "keep".into(),
        BareNewline::Reject => "reject".into(),
    }),
    ("lmtp.add_received", |config| json!(config.add_received)),
    ("addresses.verp_delimiter", |config| json!(config.verp_delimiter)),
    ("storage.min_free", |config| size(config.min_free)),
    ("lists.source", |config| backend(&config.backend)),
    ("mailman.config", |config| match &config.backend {
        BackendKind::Mailman { config } => json!(config),
        BackendKind::Sqlite => Value::Null,
    }),
    ("queue.backend", |config| backend(&config.backend)),
    ("queue.redelivery", |config| json!(config.redelivery)),
    ("queue.max_entries", |config| json!(config.max_entries)),
    ("queue.max_size", |config| config.max_octets.map_or(Value::Null, size)),
    ("admin.listen", |config| json!(config.admin)),
    ("socketmap.listen", |config| config.socketmap.iter().map(ToString::to_string).collect()),
    ("log.mask_addresses", |config| json!(config.mask_addresses)),
];

fn backend(backend: &BackendKind) -> Value {
    match backend {
        BackendKind::Sqlite => "sqlite".into(),
        BackendKind::Mailman { .. } => "mailman".into(),
    }
}

fn time(time: Duration) -> Value {
    humantime::format_duration(time).to_string().into()
}

/// In the largest unit that divides it, so that nothing is rounded.
fn size(octets: u64) -> Value {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| octets > 0 && octets.is_multiple_of(1 << bits));
    let (bits, unit) = unit.unwrap_or((0, "B"));
    format!("{}{unit}", octets >> bits).into()
}

/// The line of each key in a file that was read without a mistake.
fn lines(path: &Path) -> Result<HashMap<String, usize>, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let root = DeTable::parse(&text)
        .map_err(|why| ConfigError::Toml { path: path.to_owned(), why: why.to_string() })?;
    let mut lines = HashMap::new();
    for (table, keys) in root.get_ref() {
        let DeValue::Table(keys) = keys.get_ref() else { continue };
        for key in keys.keys() {
            let line = text[..key.span().start].matches('\n').count() + 1;
            lines.insert(format!("{}.{}", table.get_ref(), key.get_ref()), line);
        }
    }
    Ok(lines)
}
