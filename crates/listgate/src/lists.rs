//! Mailing lists and their names.

use listgate_lmtp::{Mailbox, is_dot_string};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// A list as a home knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct List {
    /// `mylist.example.com`; a rename keeps it.
    pub(crate) list_id: String,
    /// `mylist@example.com`, lower case.
    pub(crate) address: ListAddress,
}

/// The posting address of a list: lower case, no quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListAddress {
    pub(crate) local: String,
    pub(crate) domain: String,
}

impl ListAddress {
    /// The list_id that a list created with this address gets.
    pub(crate) fn list_id(&self) -> String {
        format!("{}.{}", self.local, self.domain)
    }
}

impl fmt::Display for ListAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl Serialize for ListAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ListAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mailbox: Mailbox = text
            .parse()
            .map_err(|why| format!("{text:?} is no address such as mylist@example.com: {why}"))?;
        let local = mailbox.local().unquoted().to_ascii_lowercase();
        if !is_dot_string(&local) {
            return Err(format!("{text:?}: a list's name needs no quotes"));
        }
        if mailbox.domain().is_literal() {
            return Err(format!("{text:?}: a list lives in a domain, not at an address literal"));
        }
        Ok(Self { local, domain: mailbox.domain().as_str().to_ascii_lowercase() })
    }
}
