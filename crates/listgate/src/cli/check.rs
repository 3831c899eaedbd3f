//! `listgate check`: what RCPT would answer, from the code that answers.

use super::error::CliError;
use super::output::msgdata;
use super::send::without_brackets;
use super::site::Site;
use crate::backends::{Addresses, Console};
use crate::capacity::Capacity;
use crate::config::Config;
use crate::directory::Directory;
use crate::model::{Endpoint, Msgdata, NotTaken, Role};
use crate::route::{self, Rules};
use listgate_lmtp::{Event, ForwardPath, Session};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Such as mylist-join@example.com
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let config = site.config()?;
    let console: Arc<dyn Console> = site.console()?.into();
    let capacity = Arc::new(Capacity::new(config.bounds()));
    let directory = Directory::new(config, Arc::clone(&console) as Arc<dyn Addresses>, capacity);
    let mut out = io::stdout().lock();
    let mut refused = false;
    for address in &args.addresses {
        let answer = ask(config, &directory, &*console, address)?;
        refused |= answer.endpoint.is_none();
        if args.json {
            writeln!(out, "{}", as_json(address, &answer))?;
        } else {
            print(&mut out, address, &answer)?;
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Answer {
    reply: String,
    endpoint: Option<Endpoint>,
    msgdata: Msgdata,
    why: String,
}

/// Says MAIL and RCPT to a session of our own, and answers it as the gate would.
fn ask(
    config: &Config,
    directory: &Directory,
    console: &dyn Console,
    address: &str,
) -> Result<Answer, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut session: Session<(), String> = Session::new(Arc::new(config.settings()));
    let address = without_brackets(address);
    let script = format!("LHLO check\r\nMAIL FROM:<>\r\nRCPT TO:<{address}>\r\n");
    let mut input = script.as_bytes();
    let mut decided = None;
    while let Some(event) = session.next(Instant::now(), &mut input) {
        match event {
            Event::Mail(_) => session.accept_mail(),
            Event::Recipient(path) => {
                let routed = runtime.block_on(directory.takes(&path, None, Instant::now()));
                match &routed {
                    Err(why) if directory.is_refused_at_rcpt(why) => session.refuse(&why.refusal()),
                    _ => session.accept(()),
                }
                decided = Some((path, routed));
            }
            _ => {}
        }
    }
    let said = String::from_utf8_lossy(session.output()).trim_end().to_owned();
    let reply = said.lines().last().unwrap_or_default().to_owned();
    let why = decided.as_ref().map_or_else(
        || "the address is malformed".to_owned(),
        |(path, routed)| explain(&directory.rules, path, routed.as_ref()),
    );
    let endpoint = decided.and_then(|(_, routed)| routed.ok());
    let mut msgdata =
        endpoint.as_ref().map(|endpoint| console.msgdata(endpoint, &config.owner)).unwrap_or_default();
    // Known only of a message.
    msgdata.entry("original_size".to_owned()).and_modify(|size| *size = Value::Null);
    Ok(Answer { reply, endpoint, msgdata, why })
}

fn explain(rules: &Rules, path: &ForwardPath, routed: Result<&Endpoint, &NotTaken>) -> String {
    match (routed, path) {
        (Err(NotTaken::Paused), _) => {
            "the list exists and is paused; `listgate list open` ends that".to_owned()
        }
        (Err(NotTaken::Closed), _) => {
            "the list exists and is closed; `listgate list open` ends that".to_owned()
        }
        (Err(NotTaken::QueueFull(_)), _) => {
            "the list exists and its queue is full; `listgate queue status` says of what".to_owned()
        }
        (Err(NotTaken::Unknown(_)), _) => "the database could not be asked".to_owned(),
        (Err(NotTaken::TooLarge(_)), _) => unreachable!("no size was named"),
        (Ok(endpoint), ForwardPath::Mailbox(mailbox)) => {
            let reading = route::read(mailbox, rules);
            match (&reading.names.base, endpoint.role) {
                (Some(_), Role::Post) => {
                    "a list of the whole name exists, and wins over the sub-address".to_owned()
                }
                (Some(_), _) => format!("the list {} exists", endpoint.list.address),
                (None, Role::Owner) => "site.postmaster names this list".to_owned(),
                (None, _) => "the list exists".to_owned(),
            }
        }
        (Ok(_), ForwardPath::Postmaster) => "site.postmaster names this list".to_owned(),
        (Err(NotTaken::NoSuchList | NotTaken::NoPostmaster), ForwardPath::Postmaster) => {
            "site.postmaster is not set, or names no list".to_owned()
        }
        (Err(NotTaken::NoSuchList | NotTaken::NoPostmaster), ForwardPath::Mailbox(mailbox)) => {
            let names = route::read(mailbox, rules).names;
            match names.base {
                Some(base) => format!(
                    "there is no list {}@{domain}, nor {base}@{domain}",
                    names.whole,
                    domain = names.domain
                ),
                None => format!("there is no list {}@{}", names.whole, names.domain),
            }
        }
    }
}

fn as_json(address: &str, answer: &Answer) -> Value {
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

fn print(out: &mut impl Write, address: &str, answer: &Answer) -> io::Result<()> {
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
