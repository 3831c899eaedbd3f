//! Mailing lists and their names.

use super::not_taken::NotTaken;
use crate::limits;
use listgate_engine::comparable::{ascii_domain, comparable_local};
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
    /// A short name for addresses with tokens, which is routed like the name. A list with a long name has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
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

/// The local parts to which people write about a domain (RFC 5321 section 4.5.1, RFC 2142), or answer its bounces.
pub(crate) const POSTMASTERS: [&str; 3] = ["postmaster", "abuse", "mailer-daemon"];

impl List {
    /// Returns what stands in place of a list for mail to one of the [`POSTMASTERS`] of a domain. Its list_id is the
    /// address itself, which no list's is.
    pub(crate) fn of_postmaster(address: ListAddress) -> Self {
        Self { list_id: address.to_string(), address, state: ListState::Open, max_size: None, alias: None }
    }

    /// Returns what stands in place of a list if that is what this list_id names.
    pub(crate) fn of_postmaster_by_id(list_id: &str) -> Option<Self> {
        list_id.contains('@').then(|| list_id.parse().ok().map(Self::of_postmaster)).flatten()
    }

    /// Returns what stands in place of a list for a post of [`ListNumber::SITE`](super::post::ListNumber::SITE), of which
    /// the settings name it.
    pub(crate) fn of_postmaster_post(settings: &str) -> Option<Self> {
        Self::of_postmaster_by_id(&serde_json::from_str::<String>(settings).ok()?)
    }

    /// Returns whether it stands in place of a list.
    pub(crate) fn is_of_postmaster(&self) -> bool {
        self.list_id.contains('@')
    }

    /// Returns whether this is the local part of its posting address, or its alias. The domain is not compared.
    pub(crate) fn is_named(&self, local: &str) -> bool {
        self.address.local == local || self.alias.as_deref() == Some(local)
    }

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

/// The posting address of a list, without quotes, in the form in which addresses are compared: in lower case, the
/// local part in Unicode's normalization form C, the domain with A-labels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListAddress {
    pub(crate) local: String,
    pub(crate) domain: String,
}

impl ListAddress {
    /// Returns whether the name is so long that addresses with tokens have no room for it.
    pub(crate) fn is_long(&self) -> bool {
        self.local.len() > limits::LIST_NAME
    }

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
pub(crate) enum ListAddressError {
    /// It is not an address at all.
    #[error("write an address such as mylist@example.com")]
    NotAnAddress(
        /// Why it is not an address.
        #[source]
        InvalidAddress,
    ),
    /// Its local part needs quotes.
    #[error("a list's name has no spaces or quotes, and no dot at an end or next to another")]
    Quoted,
    /// Its local part has a character that cannot be seen.
    #[error("a list's name has no invisible characters: U+{:04X} is one", u32::from(*.0))]
    Invisible(char),
    /// Its domain is an address literal.
    #[error("a list lives in a domain, not at an address literal")]
    Literal,
    /// Its domain has no ASCII form.
    #[error("the domain is not valid in IDNA (RFC 5891)")]
    NotIdna,
}

impl FromStr for ListAddress {
    type Err = ListAddressError;

    fn from_str(text: &str) -> Result<Self, ListAddressError> {
        let mailbox: Mailbox = text.parse().map_err(ListAddressError::NotAnAddress)?;
        let local = comparable_local(&mailbox.local().unquoted());
        if !is_dot_string(&local) {
            return Err(ListAddressError::Quoted);
        }
        if let Some(unseen) = local.chars().find(|&c| is_invisible(c)) {
            return Err(ListAddressError::Invisible(unseen));
        }
        if mailbox.domain().is_literal() {
            return Err(ListAddressError::Literal);
        }
        let domain = ascii_domain(mailbox.domain().as_str()).ok_or(ListAddressError::NotIdna)?;
        Ok(Self { local, domain })
    }
}

/// Returns whether a character is a space, or changes how others are shown without being seen itself, so that two
/// names could look the same.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_address_is_stored_in_its_comparable_form() {
        for (text, stored) in [
            ("MyList@Example.COM", "mylist@example.com"),
            ("\"my.list\"@example.com", "my.list@example.com"),
            ("Ju\u{308}rgen@B\u{fc}cher.example", "j\u{fc}rgen@xn--bcher-kva.example"),
            ("Grüße@example.com", "grüsse@example.com"),
            ("リスト@例え.テスト", "リスト@xn--r8jz45g.xn--zckzah"),
        ] {
            let address: ListAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), stored);
            assert_eq!(stored.parse(), Ok(address));
        }
    }

    #[test]
    fn names_that_could_be_mistaken_for_others_are_refused() {
        for (text, why) in [
            (
                "my..list@example.com",
                "a list's name has no spaces or quotes, and no dot at an end or next to another",
            ),
            (
                "\"my list\"@example.com",
                "a list's name has no spaces or quotes, and no dot at an end or next to another",
            ),
            ("my\u{200b}list@example.com", "a list's name has no invisible characters: U+200B is one"),
            ("\u{202e}tsilym@example.com", "a list's name has no invisible characters: U+202E is one"),
            ("my\u{3000}list@example.com", "a list's name has no invisible characters: U+3000 is one"),
            ("l@[192.0.2.1]", "a list lives in a domain, not at an address literal"),
            ("l@-\u{fc}.example", "write an address such as mylist@example.com"),
            ("l@\u{fc}\u{200b}\u{2060}-.example", "write an address such as mylist@example.com"),
            ("l@a\u{378}.example", "the domain is not valid in IDNA (RFC 5891)"),
        ] {
            let refused = text.parse::<ListAddress>().unwrap_err();
            assert_eq!(refused.to_string(), why, "{text:?}");
        }
    }
}
