//! The keys of the site, which sign tokens, without their secrets.

use std::fmt;
use std::time::SystemTime;

/// The number of a key. Each new key has the next one; it is never used again, except after a backup was restored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct KeyNumber(pub(crate) i64);

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key whose tokens are valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SiteKey {
    pub(crate) number: KeyNumber,
    /// When it was made. It signed from then on.
    pub(crate) made_at: SystemTime,
    /// When the next key was made, and signed instead; `None`: it signs.
    pub(crate) replaced_at: Option<SystemTime>,
}

/// A change of the key that signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rotation {
    /// The key that signs now. If another one does, nothing changes.
    pub(crate) signing: KeyNumber,
    /// How many of the keys that are there stay valid, the newest ones: 0 to 3.
    pub(crate) kept: usize,
}
