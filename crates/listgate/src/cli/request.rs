//! `listgate request`

use super::error::CliError;
use super::one_by_one::each_one;
use super::output::{age, left, printable, rfc3339};
use super::pages::list;
use super::site::{Site, try_wait};
use crate::model::{DisplayName, ListAddress, Request, RequestId, RequestPhase};
use crate::operations::{self, OnRequest, Requests};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List requests to join or leave that wait for a confirmation or a moderator, oldest first
    Ls {
        /// Only those of this list, such as mylist@example.com
        list: Option<ListAddress>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a request: what it waits for, and which mails it has caused
    Show {
        /// The number of the request
        id: RequestId,
        /// Everything, as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let people join who wait for a moderator; they get a welcome
    Accept(Ids),
    /// Do not let people join who wait for a moderator; they get mail about it
    Reject(Ids),
    /// Remove requests of any kind; nobody gets mail about it
    Remove(Ids),
}

#[derive(clap::Args)]
pub(super) struct Ids {
    /// The number of the request
    #[arg(required = true, value_name = "ID")]
    ids: Vec<RequestId>,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let open = |list: Option<&ListAddress>| try_wait(operations::requests(site.config()?, list));
    match action {
        Action::Ls { list, json } => ls(&mut out, &open(list.as_ref())?, json)?,
        Action::Show { id, json } => {
            let request = try_wait(open(None)?.request(id))?;
            match json {
                true => writeln!(out, "{}", as_json(&request))?,
                false => show(&mut out, &request)?,
            }
        }
        Action::Accept(Ids { ids }) => {
            decide(&mut out, &open(None)?, &ids, (OnRequest::Accept, "accepted"))?;
        }
        Action::Reject(Ids { ids }) => {
            decide(&mut out, &open(None)?, &ids, (OnRequest::Reject, "rejected"))?;
        }
        Action::Remove(Ids { ids }) => {
            decide(&mut out, &open(None)?, &ids, (OnRequest::Remove, "removed"))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn decide(
    out: &mut impl Write,
    requests: &Requests,
    ids: &[RequestId],
    (how, done): (OnRequest, &str),
) -> Result<(), CliError> {
    let exists = |id| try_wait(requests.request(id)).map(drop);
    each_one(out, ids, exists, |id| try_wait(requests.decide(id, how)), done)
}

fn ls(out: &mut impl Write, requests: &Requests, json: bool) -> Result<(), CliError> {
    let page = |after| try_wait(requests.after(after));
    list(out, json, (RequestId(0), page, |request: &Request| request.id), line, as_json)
}

fn line(out: &mut impl Write, request: &Request) -> io::Result<()> {
    let Request { id, list_id, kind, address, asked_at, .. } = request;
    let (id, age, kind) = (id.to_string(), age(*asked_at), kind.as_str());
    let address = printable(&address.to_string());
    writeln!(out, "{id:<10} {age:>4}  {kind:<6} {address} -> {list_id}: waits for {}", awaited(request))
}

/// Returns what a request waits for.
fn awaited(request: &Request) -> &'static str {
    match request.phase {
        RequestPhase::Confirm => "a confirmation",
        RequestPhase::Moderate => "a moderator",
    }
}

fn show(out: &mut impl Write, request: &Request) -> io::Result<()> {
    let Request { list_id, kind, address, name, confirmed, asked_at, asked, forget_at, mailed, .. } = request;
    let asked = match asked {
        1 => format!("{} ({} ago)", rfc3339(*asked_at), age(*asked_at)),
        times => format!("{times} times, first {} ({} ago)", rfc3339(*asked_at), age(*asked_at)),
    };
    let ends = left(*forget_at).map_or_else(|| "now".to_owned(), |left| format!("in {left}"));
    let mails = format!("{} in the last hour, {} in the last day", mailed.hour, mailed.day);
    let sent = match mailed.handed_over_at {
        Some(at) => format!("{} ({} ago)", rfc3339(at), age(at)),
        None => "no mail has left yet".to_owned(),
    };
    for (title, value) in [
        ("list", list_id.as_str()),
        ("kind", kind.as_str()),
        ("address", &address.to_string()),
        ("name", name.as_ref().map_or("", DisplayName::as_str)),
        ("waits for", awaited(request)),
        ("confirmed", if *confirmed { "yes" } else { "no" }),
        ("asked", &asked),
        ("mails", &mails),
        ("last sent", &sent),
        ("forgotten", &ends),
    ] {
        writeln!(out, "{title:<11}{}", printable(value))?;
    }
    Ok(())
}

fn as_json(request: &Request) -> Value {
    json!({
        "id": request.id.0,
        "list_id": request.list_id,
        "kind": request.kind.as_str(),
        "phase": request.phase.as_str(),
        "address": request.address.to_string(),
        "name": request.name.as_ref().map(DisplayName::as_str),
        "confirmed": request.confirmed,
        "asked": request.asked,
        "asked_at": rfc3339(request.asked_at),
        "early": request.early,
        "forget_at": rfc3339(request.forget_at),
        "mails_last_hour": request.mailed.hour,
        "mails_last_day": request.mailed.day,
        "handed_over_at": request.mailed.handed_over_at.map(rfc3339),
    })
}
