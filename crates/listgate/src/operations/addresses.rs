//! Finds out what RCPT would answer to an address, with the code that answers RCPT.

use super::open::engine_runs;
use crate::backends::{Addresses, Console};
use crate::capacity::Capacity;
use crate::config::Config;
use crate::directory::Directory;
use crate::model::{Endpoint, ListAddress, Msgdata, NotTaken, POSTMASTERS, Role, StoreError};
use crate::route::{self, Rules};
use listgate_lmtp::{Event, ForwardPath, Mailbox, Session};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// The answer that RCPT would give to an address.
pub(crate) struct Checked {
    /// The reply, with its code.
    pub(crate) reply: String,
    /// The endpoint of the address, if it accepts mail now.
    pub(crate) endpoint: Option<Endpoint>,
    /// The metadata that an entry would have. A value that depends on a message is null.
    pub(crate) msgdata: Msgdata,
    /// The reason, in words.
    pub(crate) why: String,
}

/// Sends MAIL and RCPT to a session of its own, and answers the session as a gate with this configuration would.
pub(crate) async fn check(config: &Config, console: &Arc<dyn Console>, address: &str) -> Checked {
    let store = Arc::clone(console) as Arc<dyn Addresses>;
    let directory =
        Directory::new(config, engine_runs(config), store, Arc::new(Capacity::new(config.bounds())));
    let mut session: Session<(), String> = Session::new(Arc::new(config.settings()));
    let script = format!("LHLO check\r\nMAIL FROM:<>\r\nRCPT TO:<{address}>\r\n");
    let mut input = script.as_bytes();
    let mut decided = None;
    while let Some(event) = session.next(Instant::now(), &mut input) {
        match event {
            Event::Mail(_) => session.accept_mail(),
            Event::Recipient(path) => {
                let routed = directory.takes(&path, None, Instant::now()).await;
                match &routed {
                    Err(why) if directory.is_refused_at_rcpt(why) => session.refuse(&why.refusal()),
                    _ => session.accept(()),
                }
                decided = Some((path, routed));
            }
            _ => {}
        }
    }
    let output = String::from_utf8_lossy(session.output()).trim_end().to_owned();
    let reply = output.lines().last().unwrap_or_default().to_owned();
    let why = decided.as_ref().map_or_else(
        || "the address is malformed".to_owned(),
        |(path, routed)| explain(&directory.rules, path, routed.as_ref()),
    );
    let endpoint = decided.and_then(|(_, routed)| routed.ok());
    let mut msgdata =
        endpoint.as_ref().map(|endpoint| console.msgdata(endpoint, &config.owner)).unwrap_or_default();
    msgdata.entry("original_size".to_owned()).and_modify(|size| *size = Value::Null);
    Checked { reply, endpoint, msgdata, why }
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
            "the list exists and its queue is full; see `listgate queue status`".to_owned()
        }
        (Err(NotTaken::Unknown(_)), _) => "the database could not be queried".to_owned(),
        (Err(NotTaken::TooLarge(_)), _) => unreachable!("no size was named"),
        (Ok(endpoint), _) if endpoint.list.is_of_postmaster() => match (endpoint.role, &rules.postmaster) {
            (Role::Owner, Some(address)) => format!("{address} gets the mail to postmasters"),
            _ => "mail to postmasters leaves with this sender".to_owned(),
        },
        (Ok(endpoint), ForwardPath::Mailbox(mailbox)) => {
            let reading = route::read(mailbox, rules);
            match (&reading.names.base, endpoint.role) {
                (Some(_), Role::Post) => {
                    "a list of the whole name exists, and wins over the sub-address".to_owned()
                }
                (Some(_), _) => format!("the list {} exists", endpoint.list.address),
                (None, Role::Owner) => "its owners get the mail to postmasters".to_owned(),
                (None, _) => "the list exists".to_owned(),
            }
        }
        (Ok(_), ForwardPath::Postmaster) => "its owners get the mail to postmasters".to_owned(),
        (Err(NotTaken::NoPostmaster), _) => no_postmaster(rules),
        (Err(NotTaken::NoSuchList), ForwardPath::Postmaster) => "the site has no domain".to_owned(),
        (Err(NotTaken::NoSuchList), ForwardPath::Mailbox(mailbox)) => {
            let names = route::read(mailbox, rules).names;
            match names.base {
                Some(base) => format!(
                    "neither {}@{domain} nor {base}@{domain} is a list",
                    names.whole,
                    domain = names.domain
                ),
                None => format!("{}@{} is not a list", names.whole, names.domain),
            }
        }
    }
}

/// Returns why nobody gets mail to the postmasters of the domains.
fn no_postmaster(rules: &Rules) -> String {
    match &rules.postmaster {
        None if rules.engine => "neither site.postmaster nor site.owner is set".to_owned(),
        None => "the engine is off, and site.postmaster names no list whose owners would get it".to_owned(),
        Some(address) if rules.engine => {
            format!("{address} would get it, which is in a domain of this site and not a list")
        }
        Some(address) => format!("the engine is off, and {address} is not a list whose owners would get it"),
    }
}

/// Who gets mail to the postmasters of the domains.
pub(crate) enum Postmaster {
    Address(Mailbox),
    OwnersOf(ListAddress),
    Nobody,
}

/// Returns who gets mail to the postmasters of the domains, if a gate runs with this configuration.
///
/// # Errors
/// The backend does not answer.
pub(crate) async fn postmaster(
    config: &Config,
    console: &Arc<dyn Console>,
) -> Result<Postmaster, StoreError> {
    let store = Arc::clone(console) as Arc<dyn Addresses>;
    let capacity = Arc::new(Capacity::new(config.bounds()));
    let directory = Directory::new(config, engine_runs(config), store, capacity);
    // It is the same for all of them.
    let [local, ..] = POSTMASTERS;
    match directory.postmaster(local, String::new(), Instant::now()).await {
        Ok(endpoint) if !endpoint.list.is_of_postmaster() => {
            Ok(Postmaster::OwnersOf(endpoint.list.address.clone()))
        }
        Err(NotTaken::Unknown(why)) => Err(why),
        taken => Ok(match (taken, directory.rules.postmaster.clone()) {
            (Ok(_), Some(address)) => Postmaster::Address(address),
            _ => Postmaster::Nobody,
        }),
    }
}
