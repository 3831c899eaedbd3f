//! What operators can do to the keys of the site.

use super::answer::Answer;
use crate::model::{Rotation, SiteKey};
use std::time::SystemTime;

/// The keys that sign tokens, as operators see and change them. Their secrets are not shown.
pub(crate) trait KeyAdmin: Send + Sync {
    /// Returns the keys whose tokens are valid, the one that signs first; none before a gate has run for the first time.
    fn site_keys(&self) -> Answer<'_, Vec<SiteKey>>;

    /// Returns how many memberships of all lists there are that began before a time.
    fn memberships_before(&self, time: SystemTime) -> Answer<'_, u64>;

    /// Makes a new key, which signs from now on, and removes those that the rotation does not keep. Returns whether it did:
    /// it does not if another key signs than the rotation says.
    fn rotate_keys<'a>(&'a self, rotation: &'a Rotation) -> Answer<'a, bool>;
}
