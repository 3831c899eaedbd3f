//! Where lists and queues live. Each home owns its connection, its schema and both halves.

pub(crate) mod sqlite;

use crate::queue::{Again, EntryId};
pub(crate) use sqlite::is_sync_failure;
use std::fmt;

/// The proof that an entry is on stable storage: what a 250 needs. Only a home makes one, after its
/// sync, and nobody can copy it.
#[derive(Debug)]
pub(crate) struct Queued {
    id: EntryId,
    again: Again,
}

impl Queued {
    /// Private to the homes, so that no other code can promise what is not kept.
    fn new(id: EntryId, again: Again) -> Self {
        Self { id, again }
    }

    /// Whether it came before; a suppressed one is the entry of then.
    pub(crate) fn again(&self) -> Again {
        self.again
    }

    /// The id of the delivery that the entry is of.
    pub(crate) fn delivery(&self) -> String {
        format!("{:x}", self.id.delivery)
    }
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
