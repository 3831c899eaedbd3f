//! `listgate list`

use super::error::CliError;
use super::list_settings;
use super::output::{age, fitted, rfc3339};
use super::site::{Site, note_new_directory, try_wait};
use crate::backends::ListAdmin;
use crate::model::{List, ListAddress, ListFacts, ListState, MemberRole, NamedAddress, NewMember};
use crate::operations::{self, Created, Limited, ListView, Lists, SubAddress};
use bytesize::ByteSize;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::str::FromStr;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Create lists, all or none, and add their domains
    #[command(alias = "add")]
    Create {
        /// The list's address, such as mylist@example.com
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<ListAddress>,
        /// An address of an owner; repeat it for several
        #[arg(long, value_name = "ADDRESS")]
        owner: Vec<NamedAddress>,
    },
    /// Remove a list; its entries stay in their queues
    #[command(alias = "delete")]
    Remove {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
    },
    /// Give a list another address; its list_id does not change
    Rename {
        /// The present address
        address: ListAddress,
        /// The new address
        to: ListAddress,
    },
    /// Take mail again, after `pause` or `close`
    Open {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
    },
    /// Defer mail with 450, so that it waits at the mail server; -owner and -bounces still work
    Pause {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
    },
    /// Refuse mail with 550; queued mail stays; -owner and -bounces still work
    Close {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
    },
    /// Limit the size of a message, below the limit of the gate
    Limit {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
        /// Octets, such as 500KiB, or `none`
        size: SizeLimit,
    },
    /// Change settings of a list, all or none
    Set(list_settings::Args),
    /// Show a list, the settings that differ from the defaults, and its addresses
    Show {
        /// The list's address, such as mylist@example.com
        address: ListAddress,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the lists
    Ls {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    let config = site.config()?;
    let creates = matches!(action, Action::Create { .. });
    let Lists { admin, created } = operations::lists(config, "the lists", creates)?;
    let admin = &*admin;
    match action {
        Action::Create { addresses, owner } => {
            let owners: Vec<NewMember> = owner.into_iter().map(NewMember::from).collect();
            for list in try_wait(operations::create(admin, config, &addresses, &owners))? {
                report_created(&mut out, &list)?;
            }
            note_new_directory(&mut out, created.as_ref())?;
        }
        Action::Remove { address } => {
            let waiting = try_wait(admin.remove_list(&address))?;
            writeln!(out, "removed {address}; {waiting} of its entries stay in their queues")?;
        }
        Action::Rename { address, to } => {
            let list = try_wait(operations::rename(admin, config, &address, &to))?;
            writeln!(out, "renamed {address} to {to} (list_id {} stays)", list.list_id)?;
        }
        Action::Open { address } => set_state(&mut out, admin, &address, ListState::Open)?,
        Action::Pause { address } => set_state(&mut out, admin, &address, ListState::Paused)?,
        Action::Close { address } => set_state(&mut out, admin, &address, ListState::Closed)?,
        Action::Limit { address, size: SizeLimit(size) } => {
            let limited = try_wait(operations::limit(admin, config, &address, size))?;
            report_limit(&mut out, site, &address, &limited)?;
        }
        Action::Set(args) => {
            let settings = try_wait(operations::set(admin, &args.address, &args.changes))?;
            list_settings::report(&mut out, &args, &settings)?;
        }
        Action::Show { address, json } => {
            show(&mut out, &try_wait(operations::view(admin, &address))?, json)?;
        }
        Action::Ls { json } => ls(&mut out, &try_wait(admin.lists())?, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn report_created(out: &mut (impl Write + IsTerminal), created: &Created<'_>) -> io::Result<()> {
    let Created { address, shadows } = created;
    writeln!(out, "created {address} (list_id {})", address.list_id())?;
    if let Some(SubAddress { suffix, list }) = shadows {
        let note = format!(
            "note: {address} now posts to this list; it is no longer the -{suffix} address of {list}"
        );
        writeln!(out, "{}", fitted(&note, out))?;
    }
    Ok(())
}

fn ls(out: &mut impl Write, lists: &[List], json: bool) -> io::Result<()> {
    for list in lists {
        if json {
            writeln!(out, "{}", serde_json::to_string(list)?)?;
        } else {
            let state = match list.state {
                ListState::Open => "",
                closed => closed.as_str(),
            };
            let line = format!("{:<40} {:<30} {state}", list.address.to_string(), list.list_id);
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// A size in octets, or `none`.
#[derive(Clone, Copy)]
pub(super) struct SizeLimit(Option<u64>);

/// The reason a text is not a valid size limit.
#[derive(Debug, thiserror::Error)]
pub(super) enum SizeLimitError {
    #[error("write a size such as 500KiB, or none")]
    NotASize,
    #[error("a list with that limit would accept no mail: use `listgate list close`")]
    Nothing,
}

impl FromStr for SizeLimit {
    type Err = SizeLimitError;

    fn from_str(text: &str) -> Result<Self, SizeLimitError> {
        if text == "none" {
            return Ok(Self(None));
        }
        let size: ByteSize = text.parse().map_err(|_| SizeLimitError::NotASize)?;
        if size.as_u64() == 0 {
            return Err(SizeLimitError::Nothing);
        }
        Ok(Self(Some(size.as_u64())))
    }
}

fn set_state(
    out: &mut impl Write,
    admin: &dyn ListAdmin,
    address: &ListAddress,
    state: ListState,
) -> Result<(), CliError> {
    try_wait(admin.set_state(address, state))?;
    writeln!(out, "{address} is {}", state.as_str())?;
    Ok(())
}

fn report_limit(
    out: &mut impl Write,
    site: &Site,
    address: &ListAddress,
    limited: &Limited,
) -> io::Result<()> {
    match limited {
        Limited::ByTheGate => writeln!(out, "{address} takes what the gate takes"),
        Limited::To(limit) => writeln!(out, "{address} takes messages of up to {limit} octets"),
        Limited::AboveTheGate { limit, gate } => {
            writeln!(out, "{address} takes messages of up to {limit} octets")?;
            let whose = if site.config.is_some() { "the gate" } else { "by default the gate" };
            writeln!(out, "note: {whose} takes up to {gate} octets (lmtp.max_message_size)")
        }
    }
}

fn show(out: &mut impl Write, view: &ListView, json: bool) -> io::Result<()> {
    let ListView { list, facts: ListFacts { created_at, queued, members }, settings, sub_addresses } = view;
    let List { list_id, address, state, max_size, alias } = list;
    if json {
        let list = json!({
            "address": address, "list_id": list_id, "created_at": rfc3339(*created_at), "queued": queued,
            "state": state, "max_size": max_size, "alias": alias, "members": members.of(MemberRole::Member),
            "owners": members.of(MemberRole::Owner), "moderators": members.of(MemberRole::Moderator),
            "nonmembers": members.of(MemberRole::Nonmember), "settings": list_settings::as_json(settings),
        });
        return writeln!(out, "{list}");
    }
    writeln!(out, "address  {address}")?;
    writeln!(out, "list_id  {list_id}")?;
    if let Some(alias) = alias {
        writeln!(out, "alias    {alias}@{} (for addresses with tokens)", address.domain)?;
    }
    writeln!(out, "created  {} ({} ago)", rfc3339(*created_at), age(*created_at))?;
    writeln!(out, "state    {}", state.as_str())?;
    if let Some(octets) = max_size {
        writeln!(out, "limit    messages of up to {octets} octets")?;
    }
    let by_role = MemberRole::ALL.map(|role| match members.of(role) {
        1 => format!("1 {role}"),
        count => format!("{count} {role}s"),
    });
    writeln!(out, "members  {}", by_role.join(", "))?;
    list_settings::show(out, settings)?;
    writeln!(out, "queued   {queued}")?;
    for (sub_address, is_taken) in sub_addresses {
        writeln!(out, "         {sub_address}{}", if *is_taken { " is another list" } else { "" })?;
    }
    Ok(())
}
