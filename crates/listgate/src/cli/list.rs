//! `listgate list`

use super::error::CliError;
use super::output::{age, fitted, rfc3339};
use super::site::{Site, wait};
use crate::backends::ListAdmin;
use crate::model::Role;
use crate::model::{List, ListAddress, ListFacts, ListState};
use bytesize::ByteSize;
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Create lists, all or none; their domains are added
    #[command(alias = "add")]
    Create {
        /// Such as mylist@example.com
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<ListAddress>,
    },
    /// Remove a list; its entries stay in their queues
    #[command(alias = "delete")]
    Remove {
        /// Such as mylist@example.com
        address: ListAddress,
    },
    /// Give a list another address; its list_id stays
    Rename {
        /// The address it has
        address: ListAddress,
        /// The address it gets
        to: ListAddress,
    },
    /// Take mail again, after `pause` or `close`
    Open {
        /// Such as mylist@example.com
        address: ListAddress,
    },
    /// Put mail off with 450: it waits at the mail server; -owner and -bounces still work
    Pause {
        /// Such as mylist@example.com
        address: ListAddress,
    },
    /// Refuse mail with 550; what is queued stays; -owner and -bounces still work
    Close {
        /// Such as mylist@example.com
        address: ListAddress,
    },
    /// Limit the size of a message, below what the gate takes
    Limit {
        /// Such as mylist@example.com
        address: ListAddress,
        /// Octets, such as 500KiB, or `none`
        size: SizeLimit,
    },
    /// Show a list and its addresses
    Show {
        /// Such as mylist@example.com
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
    let admin = site.list_admin("the lists", matches!(action, Action::Create { .. }))?;
    match action {
        Action::Create { addresses } => {
            let delimiter = site.config()?.verp_delimiter;
            addresses.iter().try_for_each(|address| check_name(address, delimiter))?;
            wait(admin.create(&addresses))?;
            for address in &addresses {
                writeln!(out, "created {address} (list_id {})", address.list_id())?;
                if let Some(shadowed) = shadowed(address) {
                    let note =
                        format!("note: {address} now posts to this list; it is no longer the {shadowed}");
                    writeln!(out, "{}", fitted(&note, &out))?;
                }
            }
        }
        Action::Remove { address } => {
            let waiting = wait(admin.remove_list(&address))?;
            writeln!(out, "removed {address}; {waiting} of its entries stay in their queues")?;
        }
        Action::Rename { address, to } => {
            check_name(&to, site.config()?.verp_delimiter)?;
            let list = wait(admin.rename(&address, &to))?;
            writeln!(out, "renamed {address} to {to} (list_id {} stays)", list.list_id)?;
        }
        Action::Open { address } => set_state(&mut out, &*admin, &address, ListState::Open)?,
        Action::Pause { address } => set_state(&mut out, &*admin, &address, ListState::Paused)?,
        Action::Close { address } => set_state(&mut out, &*admin, &address, ListState::Closed)?,
        Action::Limit { address, size: SizeLimit(size) } => {
            wait(admin.set_max_size(&address, size))?;
            tell_limit(&mut out, site, &address, size)?;
        }
        Action::Show { address, json } => {
            let (list, facts) = wait(admin.list(&address))?.ok_or_else(|| {
                CliError::Other(format!("there is no list {address}; `listgate list ls` lists them"))
            })?;
            show(&mut out, &*admin, &list, facts, json)?;
        }
        Action::Ls { json } => {
            for list in wait(admin.lists())? {
                if json {
                    writeln!(out, "{}", serde_json::to_string(&list).map_err(io::Error::from)?)?;
                } else {
                    let state = match list.state {
                        ListState::Open => "",
                        closed => closed.as_str(),
                    };
                    let line = format!("{:<40} {:<30} {state}", list.address.to_string(), list.list_id);
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A size in octets, or `none`.
#[derive(Clone, Copy)]
pub(super) struct SizeLimit(Option<u64>);

impl FromStr for SizeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let size: ByteSize = text.parse().map_err(|_| "write a size such as 500KiB, or none".to_owned())?;
        if size.as_u64() == 0 {
            return Err("a list of that limit would take no mail: `listgate list close` says so".to_owned());
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
    wait(admin.set_state(address, state))?;
    writeln!(out, "{address} is {}", state.as_str())?;
    Ok(())
}

fn tell_limit(
    out: &mut impl Write,
    site: &Site,
    address: &ListAddress,
    size: Option<u64>,
) -> Result<(), CliError> {
    let Some(octets) = size else {
        return Ok(writeln!(out, "{address} takes what the gate takes")?);
    };
    writeln!(out, "{address} takes messages of up to {octets} octets")?;
    let most = site.config()?.max_message_size;
    if octets > most {
        let gate = if site.config.is_some() { "the gate" } else { "by default the gate" };
        writeln!(out, "note: {gate} takes up to {most} octets (lmtp.max_message_size)")?;
    }
    Ok(())
}

/// A list whose name has the delimiter could never be addressed.
fn check_name(address: &ListAddress, delimiter: char) -> Result<(), CliError> {
    if address.local.contains(delimiter) {
        let why = format!(
            "{address} could never be reached: what follows {delimiter:?} is a detail of the address; \
             choose a name without it"
        );
        return Err(CliError::Other(why));
    }
    Ok(())
}

/// What the address of a list would mean if the list did not exist.
fn shadowed(address: &ListAddress) -> Option<String> {
    let (base, suffix) = address.local.rsplit_once('-').filter(|(base, _)| !base.is_empty())?;
    Role::of_subaddress(suffix).map(|_| format!("-{suffix} address of {base}@{}", address.domain))
}

fn show(
    out: &mut impl Write,
    admin: &dyn ListAdmin,
    list: &List,
    facts: ListFacts,
    json: bool,
) -> Result<(), CliError> {
    let ListFacts { created_at, queued } = facts;
    let List { list_id, address, state, max_size } = list;
    if json {
        let list = json!({
            "address": address, "list_id": list_id, "created_at": rfc3339(created_at), "queued": queued,
            "state": state, "max_size": max_size,
        });
        writeln!(out, "{list}")?;
        return Ok(());
    }
    writeln!(out, "address  {address}")?;
    writeln!(out, "list_id  {list_id}")?;
    writeln!(out, "created  {} ({} ago)", rfc3339(created_at), age(created_at))?;
    writeln!(out, "state    {}", state.as_str())?;
    if let Some(octets) = max_size {
        writeln!(out, "limit    messages of up to {octets} octets")?;
    }
    writeln!(out, "queued   {queued}")?;
    for suffix in ["bounces", "confirm", "join", "leave", "owner", "request", "subscribe", "unsubscribe"] {
        let local = format!("{}-{suffix}", address.local);
        let sub_address = ListAddress { local, domain: address.domain.clone() };
        let taken = wait(admin.list(&sub_address))?.is_some();
        writeln!(out, "         {sub_address}{}", if taken { " is another list" } else { "" })?;
    }
    Ok(())
}
