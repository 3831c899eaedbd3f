//! The metadata of an entry, as it is stored.

use crate::model::ListAddress;
use crate::model::{Endpoint, Role};
use serde::Serialize;
use std::ops::Not;

/// The metadata with Mailman's keys, in Mailman's order.
#[derive(Serialize)]
struct Msgdata<'e> {
    _parsemsg: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    envsender: Option<&'e str>,
    listname: &'e ListAddress,
    original_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subaddress: Option<&'static str>,
    #[serde(skip_serializing_if = "Not::not")]
    to_list: bool,
    #[serde(skip_serializing_if = "Not::not")]
    to_owner: bool,
    version: u8,
}

/// Returns the metadata as JSON. `owner` is the site's owner; `original_size` is in octets as received.
pub(crate) fn json(endpoint: &Endpoint, original_size: u64, owner: &str) -> String {
    let Endpoint { list, role, .. } = endpoint;
    let (to_list, to_owner) = (*role == Role::Post, *role == Role::Owner);
    let msgdata = Msgdata {
        _parsemsg: false,
        envsender: to_owner.then_some(owner),
        listname: &list.address,
        original_size,
        subaddress: (!to_list).then(|| role.name()),
        to_list,
        to_owner,
        version: 3,
    };
    serde_json::to_string(&msgdata).expect("it is text, numbers and booleans")
}
