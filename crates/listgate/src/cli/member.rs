//! `listgate member`

use super::error::{CliError, MemberUseError};
use super::member_import;
use super::output::{age, printable, rfc3339};
use super::pages::list;
use super::site::{Site, try_wait};
use crate::model::{
    DisplayName, Joined, ListAddress, Member, MemberAddress, MemberChange, MemberDelivery, MemberRole,
    NamedAddress, NewMember, Seq, milliseconds, time_at,
};
use crate::operations::{self, Roster};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Add members to a list; they get no mail about it
    Add {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        /// An address, or "Anne Person <anne@example.com>"
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<NamedAddress>,
        /// The name of the member, if it is one
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        role: InRole,
    },
    /// Add members from a file: CSV with a header, or one address a line; they get no mail about it
    Import(member_import::Args),
    /// Invite people to a list: each gets a mail, and joins by a reply
    Invite {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        /// An address, or "Anne Person <anne@example.com>"
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<NamedAddress>,
    },
    /// Remove members from a list, all or none; they get no mail about it
    #[command(alias = "delete")]
    Remove {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        /// The member's address
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<MemberAddress>,
        #[command(flatten)]
        role: InRole,
    },
    /// List the members of a list, in the order in which they joined
    Ls {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        #[command(flatten)]
        role: InRole,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a member, in each of its roles
    Show {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        /// The member's address
        address: MemberAddress,
        /// One JSON object per role
        #[arg(long)]
        json: bool,
    },
    /// Change settings of a member
    Set {
        /// The list's address, such as mylist@example.com
        list: ListAddress,
        /// The member's address
        address: MemberAddress,
        /// delivery=on, delivery=off, "delivery=off until 2030-12-24", own_posts=yes|no, hidden=yes|no,
        /// name=NAME, verified=yes|no
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<MemberChange>,
        #[command(flatten)]
        role: InRole,
    },
}

/// The role that a command is about.
#[derive(clap::Args)]
pub(super) struct InRole {
    /// member, owner, moderator or nonmember
    #[arg(long, value_name = "ROLE", default_value_t = MemberRole::Member)]
    role: MemberRole,
}

pub(super) fn run(site: &Site, action: Action) -> Result<ExitCode, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let roster = |list: &ListAddress| try_wait(operations::roster(site.config()?, list));
    match action {
        Action::Add { list, addresses, name, role } => {
            let new = new_members(addresses, name.as_deref())?;
            add(&mut out, &roster(&list)?, role.role, &new)?;
        }
        Action::Invite { list, addresses } => {
            let requests = try_wait(operations::requests(site.config()?, Some(&list)))?;
            for named in addresses {
                let invited = try_wait(requests.invite(&named));
                if invited.is_err() {
                    // Those before it are invited.
                    out.flush()?;
                }
                invited?;
                writeln!(out, "invited {} to {list}", named.address)?;
            }
        }
        Action::Import(args) => return member_import::run(site, &args),
        Action::Remove { list, addresses, role: InRole { role } } => {
            let roster = roster(&list)?;
            try_wait(roster.remove(role, &addresses))?;
            for address in addresses {
                writeln!(out, "{address} is no longer {} of {}", role.with_article(), roster.list())?;
            }
        }
        Action::Ls { list, role, json } => ls(&mut out, &roster(&list)?, role.role, json)?,
        Action::Show { list, address, json } => {
            let roles = try_wait(roster(&list)?.roles_of(&address))?;
            for (n, member) in roles.iter().enumerate() {
                match json {
                    true => writeln!(out, "{}", as_json(member))?,
                    false => show(&mut out, member, n > 0)?,
                }
            }
        }
        Action::Set { list, address, changes, role } => {
            in_the_future(&changes)?;
            show(&mut out, &try_wait(roster(&list)?.change(role.role, &address, &changes))?, false)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Combines the addresses with the name of `--name`, which fits only one.
fn new_members(addresses: Vec<NamedAddress>, name: Option<&str>) -> Result<Vec<NewMember>, MemberUseError> {
    if name.is_some() && addresses.len() > 1 {
        return Err(MemberUseError::OneName);
    }
    let name = name.map(DisplayName::parse).transpose()?.flatten();
    let named = |named: NamedAddress| NamedAddress { name: name.clone().or(named.name), ..named };
    Ok(addresses.into_iter().map(|address| named(address).into()).collect())
}

fn add(out: &mut impl Write, roster: &Roster, role: MemberRole, new: &[NewMember]) -> Result<(), CliError> {
    let joined = try_wait(roster.add(role, new))?;
    for (new, joined) in new.iter().zip(joined) {
        let already = match joined {
            Joined::Added => "",
            Joined::Already => " already",
        };
        let (address, list) = (&new.named.address, roster.list());
        writeln!(out, "{address} is {} of {list}{already}", role.with_article())?;
    }
    Ok(())
}

fn ls(out: &mut impl Write, roster: &Roster, role: MemberRole, json: bool) -> Result<(), CliError> {
    let page = |after| try_wait(roster.after(role, after));
    list(out, json, (Seq::default(), page, |member: &Member| member.seq), line, as_json)
}

/// Writes a member in a line of 80 columns, if its address and name are not longer than most.
fn line(out: &mut impl Write, member: &Member) -> io::Result<()> {
    let name = member.settings.name.as_ref().map(DisplayName::as_str).unwrap_or_default();
    let state = match delivery(member) {
        MemberDelivery::On => String::new(),
        MemberDelivery::Off { by, .. } => format!("off ({})", by.as_str()),
    };
    let line = format!("{:<40} {name:<24} {state}", printable(&member.address.to_string()));
    writeln!(out, "{}", line.trim_end())
}

/// Returns the state of a member's delivery at this moment.
fn delivery(member: &Member) -> MemberDelivery {
    member.settings.delivery.at(milliseconds(SystemTime::now()))
}

fn show(out: &mut impl Write, member: &Member, is_another: bool) -> io::Result<()> {
    if is_another {
        writeln!(out)?;
    }
    let settings = &member.settings;
    writeln!(out, "address    {}", printable(&member.address.to_string()))?;
    writeln!(out, "role       {}", member.role)?;
    if let Some(name) = &settings.name {
        writeln!(out, "name       {}", name.as_str())?;
    }
    writeln!(out, "joined     {} ({} ago)", rfc3339(member.joined_at), age(member.joined_at))?;
    match settings.verified_at {
        Some(at) => writeln!(out, "verified   {}", rfc3339(at))?,
        None => writeln!(out, "verified   no")?,
    }
    match delivery(member) {
        MemberDelivery::On => writeln!(out, "delivery   on")?,
        MemberDelivery::Off { by, until: None } => writeln!(out, "delivery   off (by {})", by.as_str())?,
        MemberDelivery::Off { by, until: Some(due) } => {
            writeln!(out, "delivery   off until {} (by {})", rfc3339(time_at(due.at)), by.as_str())?;
        }
    }
    writeln!(out, "own_posts  {}", if settings.own_posts { "yes" } else { "no" })?;
    writeln!(out, "hidden     {}", if settings.hidden { "yes" } else { "no" })
}

fn as_json(member: &Member) -> Value {
    let settings = &member.settings;
    let (delivery, off_by, off_until) = match delivery(member) {
        MemberDelivery::On => ("on", None, None),
        MemberDelivery::Off { by, until } => {
            ("off", Some(by.as_str()), until.map(|due| rfc3339(time_at(due.at))))
        }
    };
    json!({
        "address": member.address.to_string(),
        "name": settings.name.as_ref().map(DisplayName::as_str),
        "role": member.role.as_str(),
        "joined_at": rfc3339(member.joined_at),
        "verified_at": settings.verified_at.map(rfc3339),
        "delivery": delivery,
        "off_by": off_by,
        "off_until": off_until,
        "own_posts": settings.own_posts,
        "hidden": settings.hidden,
    })
}

/// Checks that delivery is turned off until a time that is yet to come.
fn in_the_future(changes: &[MemberChange]) -> Result<(), MemberUseError> {
    let is_over = |change: &MemberChange| match change {
        MemberChange::DeliveryOff { until: Some(until), .. } => *until <= SystemTime::now(),
        _ => false,
    };
    if changes.iter().any(is_over) { Err(MemberUseError::Past) } else { Ok(()) }
}
