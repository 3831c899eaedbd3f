//! `listgate explain`

use super::error::CliError;
use super::output::{age, flowed, printable, rfc3339};
use super::site::{Site, try_wait};
use crate::model::{DecisionRecord, Entry, HeldPost, PostRecord};
use crate::operations::{self, Known};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The Message-ID, in brackets or not
    #[arg(value_name = "MESSAGE-ID")]
    message_id: String,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(site: &Site, args: &Args) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let mut written = Ok(());
    let mut write = |known: Known| {
        written = if args.json { writeln!(out, "{}", as_json(&known)) } else { print(&mut out, &known) };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    try_wait(operations::explain(site.config()?, &args.message_id, &mut write))?;
    written?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, known: &Known) -> io::Result<()> {
    match known {
        Known::Decision(decision) => {
            let DecisionRecord { list_id, mail_from, outcome, reasons, decided_at, .. } = decision;
            let (at, age, outcome) = (rfc3339(*decided_at), age(*decided_at), outcome.as_str());
            writeln!(out, "{at} ({age} ago)  {list_id}: {outcome}")?;
            detail(out, &format!("from {mail_from}"))?;
            reasons.iter().try_for_each(|reason| detail(out, reason))
        }
        Known::Held(HeldPost { id, list_id, .. }) => {
            detail(out, &format!("It is the held post {id} of {list_id}, see `listgate held show {id}`."))
        }
        Known::Post(PostRecord { id, list_id, kind, .. }) => detail(
            out,
            &format!("It is the post {id} of {list_id} ({}), see `listgate post show {id}`.", kind.as_str()),
        ),
        Known::Entry(entry) => {
            let Entry { id, queue, list_id, state, mail_from, received_at, .. } = &**entry;
            let (at, age) = (rfc3339(*received_at), age(*received_at));
            writeln!(out, "{at} ({age} ago)  {list_id}: {}", state.name())?;
            detail(out, &format!("from {}", mail_from.as_deref().unwrap_or_default()))?;
            let what = format!(
                "It is the entry {id} in the queue `{queue}` and is not decided, see `listgate queue show {id}`."
            );
            std::iter::once(what.as_str()).chain(state.reason()).try_for_each(|text| detail(out, text))
        }
    }
}

fn detail(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "    {}", flowed(&printable(text), 4, 4, 80))
}

/// Returns what is known as JSON. The recipient of an entry is not part of it, because it may contain a token.
fn as_json(known: &Known) -> Value {
    match known {
        Known::Decision(decision) => json!({
            "type": "decision",
            "list_id": decision.list_id,
            "message_id": decision.message_id,
            "mail_from": decision.mail_from,
            "outcome": decision.outcome.as_str(),
            "reasons": decision.reasons,
            "decided_at": rfc3339(decision.decided_at),
        }),
        Known::Post(post) => json!({
            "type": "post",
            "id": post.id.0,
            "list_id": post.list_id,
            "kind": post.kind.as_str(),
            "message_id": post.message_id,
            "state": post.state.as_str(),
            "accepted_at": rfc3339(post.accepted_at),
        }),
        Known::Held(held) => json!({
            "type": "held_post",
            "id": held.id.0,
            "list_id": held.list_id,
            "message_id": held.message_id,
            "held_at": rfc3339(held.held_at),
        }),
        Known::Entry(entry) => json!({
            "type": "entry",
            "id": entry.id.to_string(),
            "queue": entry.queue.as_str(),
            "list_id": entry.list_id,
            "message_id": entry.message_id,
            "mail_from": entry.mail_from,
            "state": entry.state.name().as_str(),
            "reason": entry.state.reason(),
            "received_at": rfc3339(entry.received_at),
        }),
    }
}
