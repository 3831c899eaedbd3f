//! What Mailman's runners are told of a message beside it.

use crate::model::{Endpoint, Msgdata, Role};
use listgate_lmtp::ReversePath;

/// The envelope sender as Mailman's runner has it, which knows members by it: aiosmtpd takes off quotes
/// that are not needed. That it decodes encoded words within an address is left out.
pub(crate) fn mail_from(sender: &ReversePath) -> String {
    const NEED_QUOTES: &[char] = &['(', ')', '<', '>', '@', ',', ':', ';', '\\', '"', '[', ']', ' '];
    let ReversePath::Mailbox(mailbox) = sender else { return sender.to_string() };
    if !mailbox.local().is_quoted() {
        return sender.to_string();
    }
    let (local, domain) = (mailbox.local().unquoted(), mailbox.domain().as_str());
    if local.is_empty() || local.contains(NEED_QUOTES) {
        let escaped = local.replace('\\', r"\\").replace('"', r#"\""#);
        return format!("\"{escaped}\"@{domain}");
    }
    format!("{local}@{domain}")
}

/// The metadata of an entry but for its time, as Mailman's LMTP runner has it.
pub(crate) fn msgdata(endpoint: &Endpoint, original_size: u64, site_owner: &str) -> Msgdata {
    let mut msgdata = Msgdata::from([
        ("_parsemsg".to_owned(), false.into()),
        ("listid".to_owned(), endpoint.list.list_id.clone().into()),
        ("original_size".to_owned(), original_size.into()),
        ("version".to_owned(), 3.into()),
    ]);
    let mut add = |key: &str, value: serde_json::Value| msgdata.insert(key.to_owned(), value);
    match endpoint.role {
        Role::Post => add("to_list", true.into()),
        role => add("subaddress", role.name().into()),
    };
    if endpoint.role == Role::Request {
        add("to_request", true.into());
    }
    if endpoint.role == Role::Owner {
        add("to_owner", true.into());
        add("envsender", site_owner.into());
    }
    msgdata
}
