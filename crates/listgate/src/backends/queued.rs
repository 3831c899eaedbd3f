//! The proof that an entry is stored.

use crate::model::{Again, Id};
use std::fmt;

/// The proof that an entry is on stable storage: what a 250 needs. Only a backend makes one, after its
/// sync, and it cannot be copied.
#[derive(Debug)]
pub(crate) struct Queued {
    id: Id,
    again: Again,
}

impl Queued {
    /// Private to the backends, so that no other code can promise what is not kept.
    pub(super) fn new(id: Id, again: Again) -> Self {
        Self { id, again }
    }

    /// The id of the entry. Where the mail came before and was not queued twice, it is the entry of then.
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Whether it came before.
    pub(crate) fn again(&self) -> Again {
        self.again
    }

    /// What the entries of one delivery have in common: the number before the dash.
    pub(crate) fn delivery(&self) -> String {
        match &self.id {
            Id::Entry(id) => format!("{:x}", id.delivery),
            Id::File(name) => name.clone(),
        }
    }
}

/// What the reply to the recipient says.
impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.again {
            Again::No | Again::Marked | Again::Suppressed => write!(f, "queued as {}", self.id),
            Again::Handled => write!(f, "already handled as {}", self.id),
        }
    }
}
