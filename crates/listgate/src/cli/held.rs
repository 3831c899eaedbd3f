//! `listgate held`

use super::error::CliError;
use super::one_by_one::each_one;
use super::output::{age, printable, rfc3339, wrapped};
use super::pages::list;
use super::site::{Site, try_wait};
use crate::model::{HeldId, HeldPost, ListAddress};
use crate::operations::{self, Moderation, Posts};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List posts that wait for a moderator, oldest first, with the reasons
    Ls {
        /// Only those of this list, such as mylist@example.com
        list: Option<ListAddress>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a held post: the message as stored, then why it is held
    Show {
        /// The number of the held post
        id: HeldId,
        /// Print only the message
        #[arg(long, conflicts_with = "json")]
        message: bool,
        /// Everything, as one JSON object; octets that are not UTF-8 become U+FFFD
        #[arg(long)]
        json: bool,
    },
    /// Send held posts to the members, with the settings that their lists have now
    Accept(Ids),
    /// Remove held posts, and notify those authors who are members or verified by the mail server
    Reject {
        #[command(flatten)]
        ids: Ids,
        /// The reason, which the authors get
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Remove held posts and their mail for good; their authors get no mail about it
    Discard(Ids),
}

#[derive(clap::Args)]
pub(super) struct Ids {
    /// The number of the held post
    #[arg(required = true, value_name = "ID")]
    ids: Vec<HeldId>,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let open = |list: Option<&ListAddress>| try_wait(operations::posts(site.config()?, list));
    match action {
        Action::Ls { list, json } => ls(&mut out, &open(list.as_ref())?, json)?,
        Action::Show { id, message, json } => {
            let posts = open(None)?;
            let held = try_wait(posts.held(id))?;
            if json {
                show_json(&mut out, &posts, &held)?;
            } else {
                each_part(&posts, &held, |part| out.write_all(part))?;
                if !message {
                    show(&mut out, &held)?;
                }
            }
        }
        Action::Accept(Ids { ids }) => {
            decide(&mut out, &open(None)?, &ids, (&Moderation::Accept, "accepted"))?;
        }
        Action::Reject { ids: Ids { ids }, reason } => {
            decide(&mut out, &open(None)?, &ids, (&Moderation::Reject(reason), "rejected"))?;
        }
        Action::Discard(Ids { ids }) => {
            decide(&mut out, &open(None)?, &ids, (&Moderation::Discard, "discarded"))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn decide(
    out: &mut impl Write,
    posts: &Posts,
    ids: &[HeldId],
    (how, done): (&Moderation, &str),
) -> Result<(), CliError> {
    let exists = |id| try_wait(posts.held(id)).map(drop);
    each_one(out, ids, exists, |id| try_wait(posts.decide(id, how)), done)
}

fn ls(out: &mut impl Write, posts: &Posts, json: bool) -> Result<(), CliError> {
    let page = |after| try_wait(posts.held_after(after));
    list(out, json, (HeldId(0), page, |held: &HeldPost| held.id), line, as_json)
}

fn line(out: &mut impl Write, held: &HeldPost) -> io::Result<()> {
    let HeldPost { id, list_id, size, subject, reasons, held_at, .. } = held;
    let (id, age, from) = (id.to_string(), age(*held_at), printable(from(held)));
    writeln!(out, "{id:<10} {age:>4} {size:>9}  {from} -> {list_id}")?;
    for text in std::iter::once(subject).chain(reasons).filter(|text| !text.is_empty()) {
        writeln!(out, "{:11}{}", "", wrapped(&printable(text), 11))?;
    }
    Ok(())
}

/// Returns the author, or the envelope sender if there is none.
fn from(held: &HeldPost) -> &str {
    if held.author.is_empty() { &held.mail_from } else { &held.author }
}

/// Passes the message of a held post to `each`, part by part.
fn each_part(
    posts: &Posts,
    held: &HeldPost,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut offset = 0;
    loop {
        let part = try_wait(posts.message(held, offset))?;
        if part.is_empty() {
            return Ok(());
        }
        offset += part.len() as u64;
        each(&part)?;
    }
}

fn show(out: &mut impl Write, held: &HeldPost) -> io::Result<()> {
    let held_at = format!("{} ({} ago)", rfc3339(held.held_at), age(held.held_at));
    for (name, value) in [
        ("list", &held.list_id),
        ("mail_from", &held.mail_from),
        ("author", &held.author),
        ("subject", &held.subject),
        ("message_id", &held.message_id),
        ("held", &held_at),
    ] {
        writeln!(out, "{name:<11}{}", printable(value))?;
    }
    for (name, values) in [("reason", &held.reasons), ("notified", &held.notified)] {
        for value in values {
            writeln!(out, "{name:<11}{}", wrapped(&printable(value), 11))?;
        }
    }
    Ok(())
}

fn show_json(out: &mut impl Write, posts: &Posts, held: &HeldPost) -> Result<(), CliError> {
    let mut octets = Vec::new();
    each_part(posts, held, |part| {
        octets.extend_from_slice(part);
        Ok(())
    })?;
    let mut everything = as_json(held);
    everything["message"] = String::from_utf8_lossy(&octets).into();
    Ok(writeln!(out, "{everything}")?)
}

fn as_json(held: &HeldPost) -> Value {
    json!({
        "id": held.id.0,
        "list_id": held.list_id,
        "mail_from": held.mail_from,
        "author": held.author,
        "subject": held.subject,
        "message_id": held.message_id,
        "size": held.size,
        "reasons": held.reasons,
        "notified": held.notified,
        "held_at": rfc3339(held.held_at),
    })
}
