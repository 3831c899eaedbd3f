//! `listgate check`: what RCPT would answer.

use super::error::CliError;
use super::output::msgdata;
use super::send::without_brackets;
use super::site::{Site, wait};
use crate::backends::Console;
use crate::model::Endpoint;
use crate::operations::{self, Checked};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Args {
    /// An address, such as mylist-join@example.com
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let config = site.config()?;
    let console: Arc<dyn Console> = operations::console(config)?.into();
    let mut out = io::stdout().lock();
    let mut refused = false;
    for address in &args.addresses {
        let answer = wait(operations::check(config, &console, without_brackets(address)))?;
        refused |= answer.endpoint.is_none();
        if args.json {
            writeln!(out, "{}", as_json(address, &answer))?;
        } else {
            print(&mut out, address, &answer)?;
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn as_json(address: &str, answer: &Checked) -> Value {
    let endpoint = answer.endpoint.as_ref();
    json!({
        "address": address,
        "reply": answer.reply,
        "why": answer.why,
        "role": endpoint.map(|endpoint| endpoint.role.name()),
        "list_id": endpoint.map(|endpoint| &endpoint.list.list_id),
        "detail": endpoint.and_then(|endpoint| endpoint.detail.as_ref()),
        "queue": endpoint.map(|endpoint| endpoint.role.queue().as_str()),
        "msgdata": endpoint.map(|_| &answer.msgdata),
    })
}

fn print(out: &mut impl Write, address: &str, answer: &Checked) -> io::Result<()> {
    writeln!(out, "{address}")?;
    writeln!(out, "  reply     {}", answer.reply)?;
    writeln!(out, "  why       {}", answer.why)?;
    let Some(Endpoint { list, role, detail }) = &answer.endpoint else { return Ok(()) };
    writeln!(out, "  endpoint  {} of {}", role.name(), list.list_id)?;
    if let Some(detail) = detail {
        writeln!(out, "  detail    {detail}")?;
    }
    writeln!(out, "  queue     {}", role.queue())?;
    for line in msgdata(&answer.msgdata).lines() {
        writeln!(out, "  msgdata   {line}")?;
    }
    Ok(())
}
