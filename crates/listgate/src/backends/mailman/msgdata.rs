//! The metadata that Mailman's runners expect with a message.

use crate::model::{Endpoint, Msgdata, Role};

/// Returns the metadata of an entry, except for its time, as Mailman's LMTP runner writes it.
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
