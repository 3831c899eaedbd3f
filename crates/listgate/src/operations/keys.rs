//! Operations on the keys of the site, which sign tokens.

use super::error::OperationError;
use super::open::console;
use crate::backends::{Console, KeyAdmin};
use crate::config::Config;
use crate::model::{Rotation, SiteKey};
use listgate_engine::token::{KEYS, Purpose};
use std::time::{Duration, SystemTime};

/// The keys of the site.
pub(crate) struct Keys(Box<dyn Console>);

/// A rotation, and what it would end.
pub(crate) struct PlannedRotation {
    rotation: Rotation,
    /// The keys that it would end, the newest first.
    pub(crate) ends: Vec<SiteKey>,
    /// How many memberships may have a leave token of one of these keys: those that began before the last of them was
    /// replaced.
    pub(crate) memberships: u64,
    /// Whether tokens that expire after some days, such as those of confirmations, may be among those that end.
    pub(crate) is_recent: bool,
}

/// Opens the keys of the site.
///
/// # Errors
/// The backend is a Mailman site, or it cannot be opened.
pub(crate) fn keys(config: &Config) -> Result<Keys, OperationError> {
    let console = console(config)?;
    match console.key_admin() {
        Some(_) => Ok(Keys(console)),
        None => {
            Err(OperationError::OfMailman { what: "the tokens", instead: "no key of Listgate signs them" })
        }
    }
}

impl Keys {
    fn store(&self) -> &dyn KeyAdmin {
        self.0.key_admin().expect("it was checked when this was opened")
    }

    /// Returns the keys whose tokens are valid, the one that signs first; none before the first start of a gate.
    ///
    /// # Errors
    /// The backend fails.
    pub(crate) async fn all(&self) -> Result<Vec<SiteKey>, OperationError> {
        Ok(self.store().site_keys().await?)
    }

    /// Looks up what a rotation would do. The three newest keys stay valid, or none with `end_all`.
    ///
    /// # Errors
    /// The first key has not been made yet, or the backend fails.
    pub(crate) async fn plan(&self, end_all: bool) -> Result<PlannedRotation, OperationError> {
        let mut all = self.all().await?;
        let signing = all.first().ok_or(OperationError::NoKey)?.number;
        let kept = if end_all { 0 } else { KEYS - 1 };
        let ends = all.split_off(kept.min(all.len()));
        let rotation = Rotation { signing, kept };
        let Some(newest) = ends.first() else {
            return Ok(PlannedRotation { rotation, ends, memberships: 0, is_recent: false });
        };
        let now = SystemTime::now();
        let until = newest.replaced_at.unwrap_or(now);
        let memberships = self.store().memberships_before(until).await?;
        let is_recent = now.duration_since(until).is_ok_and(|ago| ago < longest_expiry());
        Ok(PlannedRotation { rotation, ends, memberships, is_recent })
    }

    /// Makes a new key, which signs from now on, in a running gate as well. Returns the keys that are valid then.
    ///
    /// # Errors
    /// The keys have changed since the rotation was planned, or the backend fails. Nothing changes then.
    pub(crate) async fn rotate(&self, planned: &PlannedRotation) -> Result<Vec<SiteKey>, OperationError> {
        match self.store().rotate_keys(&planned.rotation).await? {
            true => self.all().await,
            false => Err(OperationError::KeysChanged),
        }
    }
}

/// Returns the longest time for which a token that expires is valid. Its last day counts in full.
fn longest_expiry() -> Duration {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let days = Purpose::ALL.into_iter().filter_map(Purpose::days).max().unwrap_or(0);
    DAY * u32::from(days + 1)
}
