//! What a notice says, as it is stored.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a notice says besides the text of its template.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct NoticeContent {
    /// The values that the text of its template needs.
    pub(crate) values: BTreeMap<String, String>,
    /// The name of the list for people; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) list_name: String,
    /// The Message-ID of the mail that it answers, with its angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<String>,
}

impl NoticeContent {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts are valid JSON")
    }
}
