//! The message of a leased entry.

use crate::backends::LeaseStore;
use crate::limits;
use crate::model::{EntryId, Lease, MessageId};
use crate::queue::Error;
use std::sync::Arc;

/// Reads a message as it is stored, from its beginning, some of it at a time.
pub(super) struct Body {
    store: Arc<dyn LeaseStore>,
    entry: EntryId,
    /// Octets that were read.
    offset: u64,
}

impl Body {
    pub(super) fn new(store: Arc<dyn LeaseStore>, lease: &Lease) -> Self {
        Self { store, entry: lease.id().entry, offset: 0 }
    }

    /// The next octets; none at the end.
    ///
    /// # Errors
    /// The entry was removed by an operator, or its message cannot be read.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Error> {
        let message = MessageId(self.entry.delivery);
        let read = self.store.read(message, self.offset, limits::READ_AT_ONCE).await;
        let octets =
            read.map_err(Error::unavailable)?.ok_or_else(|| Error::Removed(self.entry.to_string()))?;
        self.offset += octets.len() as u64;
        Ok(octets)
    }
}
