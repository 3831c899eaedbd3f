//! `listgate queue`

use super::error::CliError;
use super::output::{age, flowed, left, msgdata, printable, rfc3339, wrapped};
use super::site::{Site, try_wait};
use crate::backends::Console;
use crate::model::{Change, Entry, Id, Name, OutgoingNow, State};
use crate::operations::{self, AGES, QueueStatus, STATES, Shape};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Show how much waits in each queue, for how long, and for which lists; and what waits to leave, and why
    Status {
        /// One JSON object per queue, and one for posts on their way, as the queue "outgoing"
        #[arg(long)]
        json: bool,
    },
    /// List entries, oldest first
    Ls {
        /// in, command or bounces [default: all]
        queue: Option<Name>,
        /// Only entries of the message with this Message-ID, in brackets or not
        #[arg(long, value_name = "ID")]
        message_id: Option<String>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show an entry: the message as stored, then its msgdata
    Show {
        /// The entry's id, such as 3f2a-1
        id: Id,
        /// Print only the message
        #[arg(long, conflicts_with_all = ["msgdata", "json"])]
        message: bool,
        /// Print only the msgdata
        #[arg(long, conflicts_with = "json")]
        msgdata: bool,
        /// Everything, as one JSON object; octets that are not UTF-8 become U+FFFD
        #[arg(long)]
        json: bool,
    },
    /// Keep entries from being leased until they are released, all or none
    Hold(Ids),
    /// Make held entries wait again, all or none
    Release(Ids),
    /// Make shunted or deferred entries eligible again and reset their attempts, all or none
    Retry {
        #[command(flatten)]
        ids: Ids,
        /// Also free entries from the lease of a consumer that will not come back. If it does, the entry may be
        /// handled twice
        #[arg(long)]
        leased: bool,
    },
    /// Remove entries and their mail for good, all or none
    #[command(alias = "delete")]
    Remove(Ids),
}

#[derive(clap::Args)]
pub(super) struct Ids {
    /// The entry's id, such as 3f2a-1
    #[arg(required = true, value_name = "ID")]
    ids: Vec<Id>,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let console = operations::console(site.config()?)?;
    match action {
        Action::Status { json } => status(&mut out, &*console, json)?,
        Action::Ls { queue, message_id, json } => {
            ls(&mut out, &*console, queue, message_id.as_deref(), json)?;
        }
        Action::Show { id, message, msgdata: only_msgdata, json } => {
            let entry = try_wait(console.entry(&id))?;
            let octets = if only_msgdata { Vec::new() } else { try_wait(console.read(&id, 0, usize::MAX))? };
            if json {
                let mut everything = as_json(&entry);
                everything["message"] = String::from_utf8_lossy(&octets).into();
                writeln!(out, "{everything}")?;
            } else {
                out.write_all(&octets)?;
                if !message {
                    out.write_all(msgdata(&entry.msgdata).as_bytes())?;
                }
            }
        }
        Action::Hold(Ids { ids }) => {
            try_wait(console.change(&ids, Change::Hold))?;
            report(&mut out, "held", &ids)?;
        }
        Action::Release(Ids { ids }) => {
            try_wait(console.change(&ids, Change::Release))?;
            report(&mut out, "released", &ids)?;
        }
        Action::Retry { ids: Ids { ids }, leased } => {
            try_wait(console.change(&ids, Change::Retry { leased }))?;
            report(&mut out, "to be retried", &ids)?;
        }
        Action::Remove(Ids { ids }) => {
            try_wait(console.remove(&ids))?;
            report(&mut out, "removed", &ids)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn report(out: &mut impl Write, what: &str, ids: &[Id]) -> io::Result<()> {
    ids.iter().try_for_each(|id| writeln!(out, "{what} {id}"))
}

fn status(out: &mut impl Write, console: &dyn Console, json: bool) -> Result<(), CliError> {
    let mut all = Vec::new();
    if !json {
        let heads: String = STATES.iter().map(|state| format!(" {state:>8}")).collect();
        writeln!(out, "{:<8}{heads}  oldest", "queue")?;
    }
    for queue in Name::ALL {
        let status = try_wait(operations::queue_status(console, queue))?;
        if json {
            let mut line = json!({
                "queue": queue.as_str(), "oldest": status.oldest.map(rfc3339), "lists": status.lists,
            });
            for (state, count) in STATES.into_iter().zip(status.states) {
                line[state.as_str()] = count.into();
            }
            writeln!(out, "{line}")?;
        } else {
            let counts: String = status.states.iter().map(|count| format!(" {count:>8}")).collect();
            writeln!(out, "{queue:<8}{counts}  {}", status.oldest.map_or_else(|| "-".to_owned(), age))?;
            all.push(status);
        }
    }
    for QueueStatus { queue, lists, .. } in all.iter().filter(|status| !status.lists.is_empty()) {
        table(out, *queue, lists)?;
    }
    if let Some((now, left)) = try_wait(operations::outgoing(console))? {
        match json {
            true => writeln!(out, "{}", outgoing_as_json(&now, left))?,
            false => outgoing(out, &now, left)?,
        }
    }
    Ok(())
}

/// Writes what waits to leave and why, and what waits for moderators: nothing if there is nothing.
fn outgoing(out: &mut impl Write, now: &OutgoingNow, left: u64) -> io::Result<()> {
    let mut lines = Vec::new();
    if let Some((since, why)) = &now.stopped {
        lines.push(format!("STOPPED for {}: the mail server refuses all mail: {why}", age(*since)));
    }
    if let Some(oldest) = now.oldest {
        let OutgoingNow { posts, sending, deferred, .. } = now;
        lines.push(format!(
            "posts: {posts}, the oldest for {}; recipients not yet offered: about {left}; deferred: {deferred}; \
             batches being sent: {sending}",
            age(oldest)
        ));
    }
    if now.notices > 0 {
        lines.push(format!("notices that wait to leave: {}", now.notices));
    }
    if now.posts + now.notices > 0 {
        lines.extend(now.reason.as_ref().map(|why| format!("why: {why}")));
    }
    if now.doubted > 0 {
        lines.push(format!("recipients who may have got a post twice: {}", now.doubted));
    }
    if !lines.is_empty() {
        writeln!(out, "\noutgoing; `listgate post ls` shows each post")?;
    }
    for line in lines {
        writeln!(out, "  {}", flowed(&printable(&line), 2, 4, 80))?;
    }
    if now.held > 0 {
        writeln!(out, "\nposts that wait for moderators, see `listgate held ls`: {}", now.held)?;
    }
    Ok(())
}

fn outgoing_as_json(now: &OutgoingNow, left: u64) -> Value {
    let (stopped_since, stopped_reason) = now.stopped.clone().unzip();
    json!({
        "queue": "outgoing",
        "oldest": now.oldest.map(rfc3339),
        "posts": now.posts,
        "notices": now.notices,
        "left": left,
        "sending": now.sending,
        "deferred": now.deferred,
        "doubted": now.doubted,
        "reason": now.reason,
        "stopped_since": stopped_since.map(rfc3339),
        "stopped_reason": stopped_reason,
        "held_posts": now.held,
    })
}

/// Writes a table with a row for each list: the total, then the number of entries in each range of ages, in
/// minutes.
fn table(out: &mut impl Write, queue: Name, lists: &BTreeMap<String, Shape>) -> io::Result<()> {
    let heads: String = AGES.iter().map(|age| format!("{age:>5}")).collect();
    writeln!(out, "\n{:<23}{:>6}{heads} more", format!("{queue}, age in minutes"), "T")?;
    let mut total = Shape::default();
    for shape in lists.values() {
        total.iter_mut().zip(shape).for_each(|(sum, count)| *sum += count);
    }
    let mut rows: Vec<(&str, &Shape)> =
        lists.iter().map(|(list_id, shape)| (list_id.as_str(), shape)).collect();
    rows.sort_by_key(|(_, shape)| std::cmp::Reverse(shape.iter().sum::<u64>()));
    rows.insert(0, ("TOTAL", &total));
    for (name, shape) in rows {
        let name = match name.char_indices().nth(22) {
            Some((end, last)) if end + last.len_utf8() < name.len() => format!("{}~", &name[..end]),
            _ if name.is_empty() => "(of no list)".to_owned(),
            _ => name.to_owned(),
        };
        let cells: String = shape.iter().map(|count| format!("{count:>5}")).collect();
        writeln!(out, "{name:<23}{:>6}{cells}", shape.iter().sum::<u64>())?;
    }
    Ok(())
}

fn ls(
    out: &mut (impl Write + Send),
    console: &dyn Console,
    queue: Option<Name>,
    message_id: Option<&str>,
    json: bool,
) -> Result<(), CliError> {
    let mut written = Ok(());
    let mut write = |entry| {
        written = if json { writeln!(out, "{}", as_json(&entry)) } else { line(out, &entry) };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    try_wait(operations::each_entry(console, queue, message_id, &mut write))?;
    Ok(written?)
}

fn line(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let state = apart(entry);
    let Entry { id, queue, received_at, size, mail_from, recipient, list_id, .. } = entry;
    let (id, age) = (id.to_string(), age(*received_at));
    // The ids of a Mailman site are file names. They are too long for the column, and do not contain the recipient.
    let id = if id.len() > 20 { format!("{id}\n{:10}", "") } else { format!("{id:<10}") };
    let (from, to) = (mail_from.as_deref().unwrap_or_default(), recipient.as_ref().unwrap_or(list_id));
    writeln!(out, "{id} {queue:<8} {age:>4} {size:>9}  {from} -> {to}{state}")?;
    match entry.state.reason() {
        Some(why) => writeln!(out, "{:11}{}", "", wrapped(&printable(why), 11)),
        None => Ok(()),
    }
}

/// Returns the state of an entry that is not waiting and how long it lasts, in parentheses, or an empty string.
fn apart(entry: &Entry) -> String {
    match &entry.state {
        State::Waiting { .. } => String::new(),
        State::Deferred { until, .. } => match left(*until) {
            Some(left) => format!(" (later, in {left})"),
            None => " (later, due)".to_owned(),
        },
        State::Leased { until, .. } => match left(*until) {
            Some(left) => format!(" (leased, {left} left)"),
            None => " (leased, lapsed)".to_owned(),
        },
        State::Held { .. } | State::Shunted { .. } | State::Unreadable { .. } => {
            format!(" ({})", entry.state.name())
        }
    }
}

/// Returns an entry as JSON. Fields that a Mailman site does not store are empty strings.
fn as_json(entry: &Entry) -> Value {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    json!({
        "id": entry.id.to_string(),
        "queue": entry.queue.as_str(),
        "list_id": entry.list_id,
        "mail_from": text(&entry.mail_from),
        "recipient": text(&entry.recipient),
        "detail": entry.detail,
        "message_id": text(&entry.message_id),
        "received_at": rfc3339(entry.received_at),
        "size": entry.size,
        "attempts": entry.attempts,
        "state": entry.state.name().as_str(),
        "available_at": entry.state.until().map(rfc3339),
        "reason": entry.state.reason(),
        "peer": text(&entry.peer),
        "lhlo": text(&entry.lhlo),
        "transport": text(&entry.transport),
        "received_lines": entry.received_lines,
        "from_list": entry.from_list,
        "auto_submitted": entry.auto_submitted,
        "precedence": entry.precedence,
        "null_sender": entry.mail_from.as_deref() == Some("<>"),
        "repeats": entry.repeats,
        "msgdata": entry.msgdata,
    })
}
