//! Mailing lists and their names.

use super::not_taken::NotTaken;
use listgate_lmtp::{InvalidAddress, Mailbox, is_dot_string};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// A list as a backend knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct List {
    /// `mylist.example.com`; it stays the same when the list is renamed.
    pub(crate) list_id: String,
    /// `mylist@example.com`, in lower case.
    pub(crate) address: ListAddress,
    pub(crate) state: ListState,
    /// The largest message in octets, if the list takes less than the gate.
    pub(crate) max_size: Option<u64>,
}

/// The number of changes to the lists and domains of a backend. What was found at one count is valid while the
/// count stays the same.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes(pub(crate) i64);

/// The state of a list: whether it takes mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListState {
    Open,
    /// It takes no mail for now: mail waits at the mail server.
    Paused,
    /// It takes no more mail: mail is refused.
    Closed,
}

impl ListState {
    const ALL: [Self; 3] = [Self::Open, Self::Paused, Self::Closed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    /// Returns the state of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl List {
    /// Checks whether the list takes a message of `size` octets, as far as the size is known.
    ///
    /// # Errors
    /// The reason why it does not.
    pub(crate) fn takes(&self, size: Option<u64>) -> Result<(), NotTaken> {
        match (self.state, self.max_size, size) {
            (ListState::Paused, ..) => Err(NotTaken::Paused),
            (ListState::Closed, ..) => Err(NotTaken::Closed),
            (ListState::Open, Some(most), Some(size)) if size > most => Err(NotTaken::TooLarge(most)),
            (ListState::Open, ..) => Ok(()),
        }
    }
}

/// The posting address of a list, in lower case and without quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAddress {
    pub(crate) local: String,
    pub(crate) domain: String,
}

impl ListAddress {
    /// Returns the list_id of a list that is created with this address.
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

/// The reason why a text is not the address of a list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListAddressError {
    /// It is not an address at all.
    #[error("write an address such as mylist@example.com")]
    NotAnAddress(
        /// Why it is not an address.
        #[source]
        InvalidAddress,
    ),
    /// Its local part needs quotes.
    #[error("a list's name needs no quotes")]
    Quoted,
    /// Its domain is an address literal.
    #[error("a list lives in a domain, not at an address literal")]
    Literal,
}

impl FromStr for ListAddress {
    type Err = ListAddressError;

    fn from_str(text: &str) -> Result<Self, ListAddressError> {
        let mailbox: Mailbox = text.parse().map_err(ListAddressError::NotAnAddress)?;
        let local = mailbox.local().unquoted().to_ascii_lowercase();
        if !is_dot_string(&local) {
            return Err(ListAddressError::Quoted);
        }
        if mailbox.domain().is_literal() {
            return Err(ListAddressError::Literal);
        }
        Ok(Self { local, domain: mailbox.domain().as_str().to_ascii_lowercase() })
    }
}
