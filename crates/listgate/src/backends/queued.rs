//! The proof that an entry is stored.

use crate::model::{Duplicate, Id};
use std::fmt;

/// The proof that an entry is on stable storage, which a 250 reply requires. Only a backend creates one, after its
/// sync, and it cannot be copied.
#[derive(Debug)]
pub(crate) struct Queued {
    id: Id,
    duplicate: Duplicate,
}

impl Queued {
    /// Private to the backends, so that no other code can promise what is not stored.
    pub(super) fn new(id: Id, duplicate: Duplicate) -> Self {
        Self { id, duplicate }
    }

    /// Returns the id of the entry. If the mail was received before and not queued again, this is the first entry.
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Returns whether the mail was received before.
    pub(crate) fn duplicate(&self) -> Duplicate {
        self.duplicate
    }

    /// Returns what the entries of one delivery have in common: the number before the dash.
    pub(crate) fn delivery(&self) -> String {
        match &self.id {
            Id::Entry(id) => format!("{:x}", id.delivery),
            Id::File(name) => name.clone(),
        }
    }
}

/// The text in the reply to the recipient.
impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duplicate {
            Duplicate::No | Duplicate::Marked | Duplicate::Suppressed => write!(f, "queued as {}", self.id),
            Duplicate::Handled => write!(f, "already handled as {}", self.id),
        }
    }
}
