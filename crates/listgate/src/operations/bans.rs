//! Operations on bans.

use super::error::OperationError;
use super::open::{console, list_at};
use crate::backends::{Console, Members};
use crate::config::Config;
use crate::model::{Ban, BanPattern, ListAddress};
use std::str::FromStr;

/// Where a ban holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BanScope {
    List(ListAddress),
    /// In every list.
    Site,
}

impl FromStr for BanScope {
    type Err = crate::model::ListAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "site" { Ok(Self::Site) } else { text.parse().map(Self::List) }
    }
}

/// The bans of one list, or of the site.
pub(crate) struct Bans {
    console: Box<dyn Console>,
    /// `None`: those of the site.
    list_id: Option<String>,
}

/// Opens the bans of a list or of the site.
///
/// # Errors
/// The list does not exist, the backend is a Mailman site, or it cannot be opened.
pub(crate) async fn bans(config: &Config, scope: &BanScope) -> Result<Bans, OperationError> {
    let console = console(config)?;
    if console.members().is_none() {
        return Err(OperationError::OfMailman { what: "the bans", instead: "use its web interface" });
    }
    let list_id = match scope {
        BanScope::Site => None,
        BanScope::List(address) => Some(list_at(&*console, address).await?.list_id.clone()),
    };
    Ok(Bans { console, list_id })
}

impl Bans {
    fn members(&self) -> &dyn Members {
        self.console.members().expect("it was checked when this was opened")
    }

    /// Adds bans, all or none, and returns whether each is new. Members that are there stay.
    ///
    /// # Errors
    /// The backend fails, or the list was removed.
    pub(crate) async fn add(&self, patterns: &[BanPattern]) -> Result<Vec<bool>, OperationError> {
        Ok(self.members().ban(self.list_id.as_deref(), patterns).await?)
    }

    /// Removes bans, all or none.
    ///
    /// # Errors
    /// One of them is not there.
    pub(crate) async fn remove(&self, patterns: &[BanPattern]) -> Result<(), OperationError> {
        Ok(self.members().unban(self.list_id.as_deref(), patterns).await?)
    }

    /// Returns the bans, ordered by their patterns.
    ///
    /// # Errors
    /// The backend fails, or the list was removed.
    pub(crate) async fn all(&self) -> Result<Vec<Ban>, OperationError> {
        Ok(self.members().bans(self.list_id.as_deref()).await?)
    }
}
