//! Finds out what RCPT would answer to an address, with the code that answers RCPT.

use crate::backends::{Addresses, Console};
use crate::capacity::Capacity;
use crate::config::Config;
use crate::directory::Directory;
use crate::model::{Endpoint, Msgdata, NotTaken, Role};
use crate::route::{self, Rules};
use listgate_lmtp::{Event, ForwardPath, Session};
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
    let directory = Directory::new(config, store, Arc::new(Capacity::new(config.bounds())));
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
                    "neither {}@{domain} nor {base}@{domain} is a list",
                    names.whole,
                    domain = names.domain
                ),
                None => format!("{}@{} is not a list", names.whole, names.domain),
            }
        }
    }
}
