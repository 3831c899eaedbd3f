//! `listgate post`

use super::error::CliError;
use super::output::{age, left, printable, rfc3339, wrapped};
use super::pages::{each_of_pages, list};
use super::site::{Site, try_wait};
use crate::model::{
    BatchId, BatchRecord, BatchState, ListAddress, PostId, PostRecord, PostState, RecipientRecord,
};
use crate::operations::{self, Posts};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List posts of the last 30 days, oldest first, with how many recipients got them
    Ls {
        /// Only those of this list, such as mylist@example.com
        list: Option<ListAddress>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a post, its batches with the mail server's replies, and each recipient who did not get it
    Show {
        /// The number of the post
        id: PostId,
        /// One JSON object per line: the post, its batches, and the recipients who did not get it
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let open = |list: Option<&ListAddress>| try_wait(operations::posts(site.config()?, list));
    match action {
        Action::Ls { list, json } => ls(&mut out, &open(list.as_ref())?, json)?,
        Action::Show { id, json } => {
            let posts = open(None)?;
            let (post, left) = try_wait(posts.post(id))?;
            match json {
                true => show_json(&mut out, &posts, &post, left)?,
                false => show(&mut out, &posts, &post, left)?,
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn ls(out: &mut impl Write, posts: &Posts, json: bool) -> Result<(), CliError> {
    let page = |after| try_wait(posts.after(after));
    list(out, json, (PostId(0), page, |post: &PostRecord| post.id), line, as_json)
}

fn line(out: &mut impl Write, post: &PostRecord) -> io::Result<()> {
    let PostRecord { id, list_id, kind, accepted_at, .. } = post;
    let (id, age, kind) = (id.to_string(), age(*accepted_at), kind.as_str());
    writeln!(out, "{id:<10} {age:>4}  {kind:<5} {list_id}  {}: {}", state(post), counts(post))?;
    match reason(post) {
        Some(why) => writeln!(out, "{:11}{}", "", wrapped(&printable(why), 11)),
        None => Ok(()),
    }
}

/// Returns the state of a post, and when it goes on if it waits.
fn state(post: &PostRecord) -> String {
    match (post.state, post.due.map(left)) {
        (PostState::Waiting, Some(Some(left))) => format!("waiting ({left} left)"),
        (PostState::Waiting, Some(None)) => "waiting (due)".to_owned(),
        (state, _) => state.as_str().to_owned(),
    }
}

/// Returns how many recipients have what outcome, without outcomes that none has.
fn counts(post: &PostRecord) -> String {
    let mut counts = format!("sent {}", post.sent);
    for (what, count) in [
        ("refused", post.refused),
        ("rejected", post.rejected),
        ("deferred", post.deferred),
        ("doubted", post.doubted),
    ] {
        if count > 0 {
            counts += &format!(", {what} {count}");
        }
    }
    counts
}

/// Returns why a post waits, or the last refusal; nothing if it reached everybody in the end.
fn reason(post: &PostRecord) -> Option<&str> {
    let matters = post.state != PostState::Finished || post.refused + post.rejected + post.doubted > 0;
    post.reason.as_deref().filter(|_| matters)
}

fn show(out: &mut impl Write, posts: &Posts, post: &PostRecord, left: u64) -> Result<(), CliError> {
    let accepted = format!("{} ({} ago)", rfc3339(post.accepted_at), age(post.accepted_at));
    let outcome = if left > 0 { format!("{}, not yet offered {left}", counts(post)) } else { counts(post) };
    for (name, value) in [
        ("list", post.list_id.as_str()),
        ("kind", post.kind.as_str()),
        ("message_id", &post.message_id),
        ("accepted", &accepted),
        ("state", &state(post)),
        ("copies", if post.personal { "one for each recipient" } else { "one for many recipients" }),
        ("recipients", &outcome),
    ] {
        writeln!(out, "{name:<11}{}", printable(value))?;
    }
    if let Some(reason) = reason(post) {
        writeln!(out, "{:<11}{}", "reason", wrapped(&printable(reason), 11))?;
    }
    each_batch(posts, post.id, |batch| batch_line(out, batch))?;
    each_exception(posts, post.id, |recipient| exception_line(out, recipient))
}

fn show_json(out: &mut impl Write, posts: &Posts, post: &PostRecord, left: u64) -> Result<(), CliError> {
    let mut whole = as_json(post);
    whole["type"] = "post".into();
    whole["left"] = left.into();
    writeln!(out, "{whole}")?;
    each_batch(posts, post.id, |batch| writeln!(out, "{}", batch_as_json(batch)))?;
    each_exception(posts, post.id, |recipient| writeln!(out, "{}", exception_as_json(recipient)))
}

fn each_batch(
    posts: &Posts,
    post: PostId,
    each: impl FnMut(&BatchRecord) -> io::Result<()>,
) -> Result<(), CliError> {
    let page = |after| try_wait(posts.batches(post, after));
    each_of_pages(BatchId(0), page, |batch| batch.id, each)
}

fn each_exception(
    posts: &Posts,
    post: PostId,
    each: impl FnMut(&RecipientRecord) -> io::Result<()>,
) -> Result<(), CliError> {
    let page = |after| try_wait(posts.exceptions(post, after));
    each_of_pages(None, page, |recipient| Some(recipient.seq), each)
}

fn batch_line(out: &mut impl Write, batch: &BatchRecord) -> io::Result<()> {
    let BatchRecord { id, state, recipients, sent, attempts, doubts, due, reply } = batch;
    let mut line = format!("batch {}: {}, {sent} of {recipients} sent", id.0, state.as_str());
    if *state == BatchState::Later {
        line += &again(*attempts, *due);
    }
    if *doubts > 0 {
        line += &format!(", replies missed {doubts}");
    }
    writeln!(out, "{line}")?;
    reply.as_ref().map_or(Ok(()), |reply| reply_line(out, reply))
}

fn exception_line(out: &mut impl Write, recipient: &RecipientRecord) -> io::Result<()> {
    let RecipientRecord { address, is_deferred, reply, attempts, due, .. } = recipient;
    let state =
        if *is_deferred { format!("not yet{}", again(*attempts, *due)) } else { "refused".to_owned() };
    writeln!(out, "{}: {state}", printable(address))?;
    reply_line(out, reply)
}

/// Returns how often something was deferred, and when it is tried again.
fn again(attempts: u32, due: Option<SystemTime>) -> String {
    let often = if attempts > 0 { format!(", deferred {attempts} times") } else { String::new() };
    match due.and_then(left) {
        Some(left) => format!("{often}, again in {left}"),
        None => format!("{often}, due now"),
    }
}

fn reply_line(out: &mut impl Write, reply: &str) -> io::Result<()> {
    writeln!(out, "    {}", wrapped(&printable(reply), 4))
}

fn as_json(post: &PostRecord) -> Value {
    json!({
        "id": post.id.0,
        "list_id": post.list_id,
        "kind": post.kind.as_str(),
        "message_id": post.message_id,
        "accepted_at": rfc3339(post.accepted_at),
        "finished_at": post.finished_at.map(rfc3339),
        "state": post.state.as_str(),
        "available_at": post.due.map(rfc3339),
        "personal": post.personal,
        "sent": post.sent,
        "refused": post.refused,
        "rejected": post.rejected,
        "deferred": post.deferred,
        "doubted": post.doubted,
        "reason": post.reason,
    })
}

fn batch_as_json(batch: &BatchRecord) -> Value {
    json!({
        "type": "batch",
        "id": batch.id.0,
        "state": batch.state.as_str(),
        "recipients": batch.recipients,
        "sent": batch.sent,
        "attempts": batch.attempts,
        "doubts": batch.doubts,
        "available_at": batch.due.map(rfc3339),
        "reply": batch.reply,
    })
}

fn exception_as_json(recipient: &RecipientRecord) -> Value {
    json!({
        "type": "recipient",
        "address": recipient.address,
        "state": if recipient.is_deferred { "deferred" } else { "refused" },
        "reply": recipient.reply,
        "at": rfc3339(recipient.at),
        "attempts": recipient.attempts,
        "available_at": recipient.due.map(rfc3339),
    })
}
